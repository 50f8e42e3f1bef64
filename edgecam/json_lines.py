"""Files with a line of JSON for each entry, and what is wrong with one of them, for people: Python's own words name its errors, and count
lines within the one line.
"""
from json import JSONDecodeError

from edgecam.errors import reason
from edgecam.strict_json import NamedTwice, read_json

BROKEN = ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError      # what reading a line can raise


def read_lines(path, read, example, failure):
    """Yield what *read* makes of the JSON value of each line of *path*; empty lines are passed over.

    Raises *failure*, a class of errors, in one line: what of file or line is wrong, and an *example* of a good one.
    """
    try:
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield read_line(path, number, line, read, example, failure)
    except OSError as error:
        raise failure("{}: can't be read: {}".format(path, reason(error))) from error


def read_line(path, number, line, read, example, failure):
    try:
        return read(read_json(line.decode("utf-8")))
    except BROKEN as error:
        raise failure("{}:{}: {}; expected a line like {}".format(path, number, fault(error), example)) from error


def fault(error):
    """Return in plain words what *error*, one of `BROKEN`, means."""
    if isinstance(error, (JSONDecodeError, UnicodeDecodeError)):
        return "it is no JSON"
    if isinstance(error, NamedTwice):
        return str(error)
    if isinstance(error, KeyError):
        return 'it has no "{}"'.format(error.args[0])
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "a value is of another kind, or one is missing"
