"""How errors are put into the one line that a user reads."""


def reason(error):
    """Return the words of an `OSError` without its number: "No space left on device"."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
