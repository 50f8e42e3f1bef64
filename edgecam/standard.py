"""The three standard streams, which whoever started us may have closed, or pointed at a disk that is full."""
import os
import sys

from edgecam.errors import StdoutError, reason

NAMES = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))


def fill_in():
    """Give the program the standard streams that it was started without.

    Their numbers must not be had by the next file that is opened: whatever a library says on 2 would go into the recording.
    stdin ends at once, stderr takes everything, but stdout can't be written: an answer that goes nowhere is a failure.
    """
    for number, (name, mode, flags) in enumerate(NAMES):
        if getattr(sys, name) is None:
            occupy(number, flags)
            setattr(sys, name, open(number, mode, closefd=False))


def occupy(number, flags):
    """Open /dev/null as the file descriptor *number*, unless that is somebody's already."""
    try:
        os.fstat(number)
    except OSError:
        spare = os.open(os.devnull, flags)
        if spare != number:
            os.dup2(spare, number)
            os.close(spare)


def tell(text):
    """Write *text* to stdout, now, escaped where its encoding lacks a letter.

    Raises `StdoutError` where that can't be, and lets `BrokenPipeError` through: that reader has had enough.
    """
    try:
        write(sys.stdout, text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop(1)
        raise StdoutError("standard output can't be written: {}; what was to be said there is lost".format(reason(error))) from error


def write(stream, text):
    """Write *text*, escaped where it can't be encoded: under LC_ALL=C the name of a recording must not cost its summary."""
    try:
        stream.write(text)
    except UnicodeEncodeError:                          # of the whole text, before any of it was written
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def complain(text):
    """Write *text* to stderr, as far as that goes: there is nowhere to say that it does not."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        drop(2)


def one_line(text):
    """Return *text* with all that is not seen on a terminal, or moves its cursor, escaped as in a literal of Python's: names hold what they like."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text.rstrip())


def shorten(text, length=60):
    """Return *text*, cut off where it is longer: what was typed may be of any length, and complaints are one line."""
    return text if len(text) <= length else text[:length - 3] + "..."


def drop(number):
    """Let what still waits for the file descriptor *number*, stdout's or stderr's, go nowhere: the interpreter tries once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
