"""The size of a picture as people write it: 960x540."""
import re

LEAST, MOST = 16, 16384         # pixels a side, where nobody knows better: beyond are typing errors, and arrays that no memory holds
SIZE = re.compile("([1-9][0-9]{0,5})[xX]([1-9][0-9]{0,5})")       # not all that int() takes: 1_0, +5, " 5", other scripts' digits; 0100 is octal elsewhere


def read_size(text, least=LEAST, most=MOST):
    """Return (width, height) of *text*, in pixels, each from *least* to *most*. Raises `ValueError`: what was expected, in one line without *text*."""
    match = SIZE.fullmatch(text)
    size = tuple(int(side) for side in match.groups()) if match else (0, 0)
    if not all(least <= side <= most for side in size):
        raise ValueError("expected WIDTHxHEIGHT, each from {} to {} pixels, such as 960x540".format(least, most))
    return size
