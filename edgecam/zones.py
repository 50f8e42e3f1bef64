"""Areas of the picture that users named: the section ``zones`` of the settings."""
import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple, Tuple

import numpy as np

from edgecam.errors import ConfigError

FEWEST_CORNERS = 3
EXAMPLE = '"0.1,0.5 0.9,0.5 0.5,1"'
PAIRS = 1 << 17         # of edges that are looked at together: some MB
UNSURE = 2.0 ** -49     # twice what rounding can do to a turn of corners from 0 to 1, as `side` has it
NUMBERS = re.compile(r"[\s,]+")


class Zone(NamedTuple):
    """A polygon by its corners (x, y), each from 0 to 1: shares of the picture's width and height."""

    name: str
    points: Tuple[Tuple[float, float], ...]


def parse_zones(settings):
    """Return the zones of the section *settings*, in its order. Raises `ConfigError`."""
    return [Zone(name, corners(name, text)) for name, text in settings.areas.items()]


def corners(name, text):
    """Read "x,y x,y x,y", a polygon that neither crosses nor touches itself. Raises `ConfigError`."""
    try:
        numbers = [float(word) for word in NUMBERS.split(text.strip())]
    except ValueError:
        numbers = []
    if len(numbers) % 2 or len(numbers) < 2 * FEWEST_CORNERS or not all(0 <= number <= 1 for number in numbers):
        fault = "expected at least {} corners x,y from 0 to 1, as {}".format(FEWEST_CORNERS, EXAMPLE)
    else:
        fault = fault_of(list(zip(numbers[::2], numbers[1::2])))
    if fault:
        raise ConfigError("zones.areas.{} = {!r}: {}".format(name, text, fault), keys=("zones.areas." + name, "zones.areas"))
    return tuple(zip(numbers[::2], numbers[1::2]))


def fault_of(points):
    """Return what keeps *points* from being the corners of an area, None where nothing does."""
    different = len(set(points))
    if different < FEWEST_CORNERS:
        return "has {} different corner{}; expected at least {}, as {}".format(different, "" if different == 1 else "s", FEWEST_CORNERS, EXAMPLE)
    ring = [point for before, point in zip(points[-1:] + points, points) if point != before]       # a corner said twice in a row is one
    if not any(side(*three) for three in zip(ring, ring[1:], ring[2:])):
        return "its corners lie on one line and have no area; move one of them off it"
    pair = first_crossing(list(zip(ring, ring[1:] + ring[:1])))
    if pair:
        return "its edges {} and {} cross or touch; name the corners in their order around the area".format(*map(shown, pair))
    return None


def first_crossing(edges):
    """Return the first two of *edges*, each (corner, next corner), that have more in common than the corner between them; None without."""
    last = len(edges) - 1
    for index, other in near_pairs(np.array(edges, np.float64)):
        meet = folds_back if other == index + 1 else meet_at_all
        first, second = edges[index], edges[other]
        if (index, other) == (0, last):             # the last edge leads to the first one
            meet, first, second = folds_back, second, first
        if meet(first, second):
            return edges[index], edges[other]
    return None


def near_pairs(ends):
    """Yield (number, later number), in order, of those of the edges *ends* (edge, end, x or y) that floating point can't tell apart.

    Each edge is looked at with all others, which numpy does by thousands; the exact numbers of `side` take a thousand times as long.
    """
    (left, top), (right, bottom) = ends.min(axis=1).T.copy(), ends.max(axis=1).T.copy()
    rows = max(1, PAIRS // len(ends))
    for start in range(0, len(ends), rows):
        here, rest = slice(start, start + rows), slice(start, None)
        apart = np.greater.outer(left[here], right[rest])
        apart |= np.less.outer(right[here], left[rest])
        apart |= np.greater.outer(top[here], bottom[rest])
        apart |= np.less.outer(bottom[here], top[rest])
        first, second = np.nonzero(~apart)
        first, second = first[first < second] + start, second[first < second] + start
        near = ~(on_one_side(ends[first], ends[second]) | on_one_side(ends[second], ends[first]))
        yield from zip(first[near].tolist(), second[near].tolist())


def on_one_side(edges, others):
    """Say of each of *edges* whether the one of *others* at its place lies on one side of its line, for certain."""
    (ax, ay), (bx, by) = edges[:, 0].T, edges[:, 1].T
    first, second = ((bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in (others[:, 0].T, others[:, 1].T))
    return (np.minimum(first, second) > UNSURE) | (np.maximum(first, second) < -UNSURE)


def folds_back(edge, following):
    """Say whether *following*, which begins where *edge* ends, goes back over it."""
    (start, corner), end = edge, following[1]
    return (between(corner, start, end) or between(corner, end, start)) and side(start, corner, end) == 0


def meet_at_all(edge, other):
    """Say whether two edges, of which neither lies wholly beside, above or below the other, have a point in common."""
    (a, b), (c, d) = edge, other
    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0


def between(start, point, end):
    """Say whether *point*, on the line through *start* and *end*, lies from the one to the other."""
    return all(min(a, b) <= p <= max(a, b) for a, p, b in zip(start, point, end))


def side(a, b, point):
    """Return on which side of the line from *a* to *b* a *point* lies: 1, -1 or, on it, 0. In fractions of the decimals that were
    typed: three corners on one line are not quite on one in binary.
    """
    (ax, ay), (bx, by), (x, y) = (map(typed, corner) for corner in (a, b, point))
    turn = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
    return (turn > 0) - (turn < 0)


@lru_cache(maxsize=4096)
def typed(value):
    """Return *value* as the decimal that was typed."""
    return Fraction(repr(value))


def shown(edge):
    return "-".join("{:g},{:g}".format(*corner) for corner in edge)
