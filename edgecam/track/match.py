"""Which detection is which track's: candidates, their price, and three rounds of assignment."""
import numpy as np

from edgecam.track import pairs, sway
from edgecam.track.assignment import assign

REACH = 7.0             # spreads within which candidates are looked for: the gate's square root, rounded down
RECENT = 0.5            # seconds since it was seen for which a track may tell the camera's step


def match(book, seen, near, constants):
    """Return (match, free): for each track its detection or -1, and which detections nobody took.

    *near* are the pairs to look at (see `candidates`). Confirmed tracks choose first, among
    the good detections, then among the weak ones (only they may have those); tentative
    tracks get what is left. A pair that is far from everybody else needs no overlap.
    """
    choice, free = np.full(len(book.id), -1), np.ones(len(seen.box), bool)
    i, j = near
    if not len(i):
        return choice, free
    cost, overlap, distance = prices(book, seen, i, j, constants)
    fits = (overlap > constants.overlap) & (cost < constants.hopeless_cost)
    known, weak = book.confirmed[i], seen.relative[j] <= constants.weak
    lonely = alone(i, j, distance < constants.gate) & (distance < constants.far_gate) & ~weak
    for stage in (fits & known & ~weak, fits & known & weak & (overlap > constants.weak_overlap), fits & ~known, lonely):
        at = np.flatnonzero(stage & (choice[i] < 0) & free[j])
        if len(at):
            at = at[assign(i[at], j[at], cost[at], constants.alone)]
            choice[i[at]] = j[at]
            free[j[at]] = False
    return choice, free


def alone(i, j, close):
    """Return which of the *close* pairs have neither a track nor a detection with another one."""
    return close & (np.bincount(i, close)[i] == 1) & (np.bincount(j, close)[j] == 1)


def candidates(book, seen):
    """Return (i, j): tracks and detections that lie near each other."""
    value = book.boxes.value
    reach = REACH * np.sqrt(book.boxes.var[:, :2]) + value[:, 3:] / 2
    return pairs.near(value, seen.box, reach[:, 0], reach[:, 1])


def prices(book, seen, i, j, constants):
    """Return (cost, overlap, squared distance in spreads) of the pairs; outside the gate the cost is infinite."""
    there, here = book.boxes.value[i], seen.box[j]
    distance = (np.square(here - there) / (book.boxes.var[i] + seen.noise[j])).sum(axis=1)
    overlap = pairs.iou(there, here)
    cost = 1 - overlap + constants.distance_weight * distance
    cost += constants.other_label * (book.label[i] != seen.label[j])
    cost[distance > constants.gate] = np.inf
    return cost, overlap, distance


def camera_step(book, seen, near):
    """Return the (dx, dy) by which all detections miss their tracks in common, or None."""
    i, j = near
    recent = book.time - book.seen[i] < RECENT
    return sway.common_step(book.boxes.value, seen.box, i[recent], j[recent])
