"""The --size of the pictures that a benchmark works on."""
from edgecam.errors import UsageError
from edgecam.size import LEAST, MOST, read_size


def frame_size(text, least=LEAST, most=MOST, also=""):
    """Return (width, height), in pixels, of what was typed behind --size; *also*: what else could have been. Raises `UsageError`."""
    try:
        return read_size(text, least, most)
    except ValueError as error:
        raise UsageError("--size {}: {}{}".format(text, error, also)) from error
