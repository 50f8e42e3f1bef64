"""What is wrong with a line of JSON, for people: Python's own words name its errors, and count lines within the one line."""
import json

BROKEN = ValueError, KeyError, TypeError, IndexError        # what reading the values of a line can raise


def fault(error):
    """Return in plain words what *error*, one of `BROKEN`, means."""
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "it is no JSON"
    if isinstance(error, KeyError):
        return 'it has no "{}"'.format(error.args[0])
    return "a value is of another kind, or one is missing"
