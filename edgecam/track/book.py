"""All tracks at one moment, as arrays: what `Tracker.update` makes and `Tracker.at` reads."""
from typing import Any, NamedTuple

import numpy as np

from edgecam.track.kalman import Boxes


class Book(NamedTuple):
    """n tracks at one time. A published book is never changed, only replaced."""

    time: float
    boxes: Boxes
    id: Any
    label: Any          # index into the tracker's names
    backing: Any        # votes for that label
    score: Any          # of the latest detection
    proof: Any          # log odds that the object is real
    confirmed: Any      # bool: proof was enough once
    first: Any          # times of the first and the latest detection
    seen: Any

    @classmethod
    def blank(cls, time=float("-inf")):
        whole, real = np.zeros(0, np.intp), np.zeros(0)
        return cls(time, Boxes.empty(), whole, whole, real, real, real, np.zeros(0, bool), real, real)

    def take(self, rows):
        """Return the book of *rows* (indices) only."""
        return self._replace(boxes=self.boxes.take(rows), **{name: getattr(self, name).take(rows) for name in COLUMNS})

    def join(self, other):
        return self._replace(boxes=self.boxes.join(other.boxes), **{
            name: np.concatenate((getattr(self, name), getattr(other, name))) for name in COLUMNS})


COLUMNS = ("id", "label", "backing", "score", "proof", "confirmed", "first", "seen")


class Seen(NamedTuple):
    """The detections of one frame, in an order of our own."""

    box: Any            # (4, n) centre x, centre y, width, height
    score: Any          # (n,)
    relative: Any       # (n,) log odds against the usual score
    label: Any          # (n,) indices
    noise: Any          # (4, n) variances of the box

    def take(self, rows):
        return Seen(*[column.take(rows, axis=-1) for column in self])
