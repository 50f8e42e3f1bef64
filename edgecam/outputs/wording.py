"""How errors are put into the one line that a user reads."""


def reason(error):
    """Return the words of an `OSError` without its number: "No space left on device"."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def without_name(error, url):
    """Return the words *error* of the output *url* without the name that most of them begin with: where they are told, it stands already."""
    for name in (url, url.replace("***@", "")):
        if error.startswith(name + ": "):
            return error[len(name) + 2:]
    return error
