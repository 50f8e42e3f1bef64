"""What a word of the command line is read as, and what is said of one that can't be: argparse's own words are Python's ("invalid int value")."""
import argparse
import math

from edgecam.naming import at_home
from edgecam.standard import shorten


def whole_number(text):
    """Read "20" as 20. Raises argparse's error, which names the option."""
    try:
        return int(text)
    except ValueError as error:
        raise unfit(text, "a whole number, such as 20") from error


def finite_number(text):
    """Read "2.5" as 2.5. Raises argparse's error, which names the option, also for nan and inf: nothing lasts or counts so."""
    try:
        value = float(text)
    except ValueError as error:
        raise unfit(text, "a number, such as 2.5") from error
    if not math.isfinite(value):
        raise unfit(text, "a number, such as 2.5")
    return value


def unfit(text, accepted):
    return argparse.ArgumentTypeError("{!r}: expected {}".format(shorten(text), accepted))


TYPES = {int: whole_number, float: finite_number, "path": at_home}      # type= of an option -> what reads it; settings read their paths themselves
