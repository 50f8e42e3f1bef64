"""How the whole picture moves because the camera does.

A motion is a 2x3 matrix that takes pixels of an earlier frame to those of a later one.
Estimators give one for each frame; `MotionHistory` keeps the last seconds of them, so
that what was true at one time can be carried to any other, also when detections come
later than the frames that followed theirs.
"""
import bisect
import math
import threading
from typing import Any, NamedTuple

import numpy as np

STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


class Motion(NamedTuple):
    """The picture's motion between two frames."""

    from_time: float
    to_time: float
    affine: Any             # 2x3 float array: pixels of the earlier frame to pixels of the later one
    confidence: float       # 0 to 1


class MotionEstimator:
    """Promise of every source of motion.

    `observe(frame)` takes the frames in order and returns the `Motion` from the previous
    frame to this one, or None where it is not known (the first frame, a cut, darkness).
    `source` names it for the stats, `confidence` is that of the latest answer.
    """

    source = "none"
    confidence = 0.0

    def observe(self, frame):
        raise NotImplementedError


def compose(first, second):
    """Return the motion that does *first*, then *second* (2x3 matrices)."""
    affine = second[:, :2] @ first
    affine[:, 2] += second[:, 2]
    return affine


def invert(affine):
    """Return the motion backwards; raises `numpy.linalg.LinAlgError` where there is none."""
    turn = np.linalg.inv(affine[:, :2])
    return np.column_stack((turn, -turn @ affine[:, 2]))


def share(affine, part):
    """Return the first *part* (0 to 1) of a small motion."""
    return STILL + (affine - STILL) * part


class MotionHistory:
    """The motions of the last *span* seconds, for any thread.

    Writers replace one immutable tuple under a lock, readers take it without one.
    """

    def __init__(self, span=5.0):
        self._span = span
        self._lock = threading.Lock()
        self._ends, self._motions = (), ()
        self._published = (self._ends, self._motions)

    def __len__(self):
        return len(self._published[1])

    def add(self, motion):
        """Append *motion*; a time before what is known means that the source began anew."""
        if not (motion.to_time > motion.from_time and np.isfinite(motion.affine).all()):
            return
        with self._lock:
            ends, motions = self._published
            if ends and motion.to_time <= ends[-1]:
                ends, motions = (), ()
            start = bisect.bisect_right(ends, motion.to_time - self._span)
            self._published = ends[start:] + (motion.to_time,), motions[start:] + (motion,)

    def between(self, start, end):
        """Return the 2x3 motion of the picture from time *start* to *end*, None where nothing is known.

        Times inside an interval take their share of it; times that no interval covers
        count as still.
        """
        if not math.isfinite(start) or start == end:
            return None
        if end < start:
            affine = self.between(end, start)
            return None if affine is None else invert(affine)
        ends, motions = self._published
        affine = None
        for motion in motions[bisect.bisect_right(ends, start):]:
            if motion.from_time >= end:
                break
            length = motion.to_time - motion.from_time
            part = (min(end, motion.to_time) - max(start, motion.from_time)) / length
            piece = motion.affine if part >= 1 else share(motion.affine, part)
            affine = piece if affine is None else compose(affine, piece)
        return affine
