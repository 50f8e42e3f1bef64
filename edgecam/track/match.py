"""Which detection is which track's: candidates, their price, and three rounds of assignment."""
from typing import Any, NamedTuple

import numpy as np

from edgecam.track import pairs, sway
from edgecam.track.assignment import assign

REACH = 7.0             # spreads within which candidates are looked for: the gate's square root, rounded down
RECENT = 0.5            # seconds since it was seen for which a track may tell the camera's step


class Near(NamedTuple):
    """Pairs of a track and a detection that lie near each other, arrays of n."""

    i: Any              # the track's number
    j: Any              # the detection's
    there: Any          # (4, n) the track's box
    here: Any           # (4, n) the detection's


def candidates(book, seen):
    """Return the pairs to look at, as `Near`."""
    value = book.boxes.value
    reach = REACH * np.sqrt(book.boxes.var[:2]) + value[3] / 2
    i, j = pairs.near(value, seen.box, reach)
    return Near(i, j, value.take(i, axis=1), seen.box.take(j, axis=1))


def camera_step(book, near):
    """Return the (dx, dy) by which all detections miss their tracks in common, or None."""
    return sway.common_step(near.there, near.here, (book.time - book.seen < RECENT)[near.i])


def match(book, seen, near, constants):
    """Return (match, free): for each track its detection or -1, and which detections nobody took.

    *near* are the pairs to look at. Confirmed tracks choose first, among the good detections, then
    among the weak ones (only they may have those); tentative tracks get what is left. At last
    a pair that is far from everybody else needs no overlap.
    """
    choice, free = np.full(len(book.id), -1), np.ones(len(seen.score), bool)
    i, j = near.i, near.j
    if not len(i):
        return choice, free
    c, (cost, overlap, distance) = constants, prices(book, seen, near, constants)
    fits = (overlap > c.overlap) & (cost < c.hopeless_cost)
    known, strong = book.confirmed[i], (seen.relative > c.weak)[j]
    for stage in (fits & known & strong, fits & known & ~strong & (overlap > c.weak_overlap), fits & ~known):
        at = open_pairs(stage, near, choice, free)
        if len(at):
            at = at[assign(i[at], j[at], cost[at], c.alone)]
            choice[i[at]], free[j[at]] = j[at], False
    at = open_pairs(strong & ~fits & (distance < c.far_gate), near, choice, free)       # lonely ones that fit were chosen above
    if len(at):
        at = at[alone(i, j, distance < c.gate)[at]]
        choice[i[at]], free[j[at]] = j[at], False
    return choice, free


def open_pairs(stage, near, choice, free):
    """Return the numbers of the pairs of *stage* (a mask) of which neither half was chosen before."""
    at = stage.nonzero()[0]
    return at[(choice[near.i[at]] < 0) & free[near.j[at]]] if len(at) else at


def alone(i, j, close):
    """Return which of the *close* pairs have neither a track nor a detection with another one."""
    return close & (np.bincount(i, close)[i] == 1) & (np.bincount(j, close)[j] == 1)


def prices(book, seen, near, constants):
    """Return (cost, overlap, squared distance in spreads) of the pairs; outside the gate the cost is infinite."""
    i, j, there, here = near
    spread = book.boxes.var.take(i, axis=1) + seen.noise.take(j, axis=1)
    distance = (np.square(here - there) / spread).sum(axis=0)
    overlap = pairs.iou(there, here)
    cost = 1 - overlap + constants.distance_weight * distance
    cost += constants.other_label * (book.label[i] != seen.label[j])
    cost[distance > constants.gate] = np.inf
    return cost, overlap, distance
