"""Pictures that lie on their side, as phones record them, are turned upright.

A file says by FFmpeg's display matrix how its pictures are to be shown. Quarter turns and mirrors
only move pixels, so each plane is turned by itself, without loss; FFmpeg does the same with
chroma where a side is odd.
"""
import logging
from typing import NamedTuple

import numpy as np

from edgecam.side_data import side_data

try:
    import cv2
except ImportError:
    cv2 = None

log = logging.getLogger(__name__)

SLANT = 0.02            # of the matrix's largest entry: what is smaller counts as nothing, as with FFmpeg (one degree)
FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}      # OpenCV's codes of (mirrored, upended)


class Turning(NamedTuple):
    """What is done to a picture before it is shown, in this order."""

    swapped: bool       # rows become columns
    mirrored: bool      # left becomes right
    upended: bool       # top becomes bottom

    def size(self, width, height):
        """Return the (width, height) of a turned picture."""
        return (height, width) if self.swapped else (width, height)

    def turn(self, planes):
        """Return turned copies of *planes* as `Frame` has them; of YUYV, whose columns come in pairs, that makes no sense."""
        work = turn_numpy if cv2 is None else turn_opencv
        return tuple(work(plane, *self) for plane in planes)


def turning_of(picture):
    """Return the `Turning` that a PyAV picture asks for, None where it is to be shown as it lies."""
    matrix = side_data(picture).get("DISPLAYMATRIX")
    return None if matrix is None else turning_by(np.frombuffer(matrix, np.int32).reshape(3, 3))


def turning_by(matrix):
    """Return the `Turning` of a display matrix (libavutil/display.h): the pixel at x, y is shown at x, y, 1 times *matrix*."""
    part = np.asarray(matrix, float)[:2, :2]
    if not part.any():          # a broken file; FFmpeg passes over it too
        return None
    (x_x, x_y), (y_x, y_y) = np.where(np.abs(part) <= SLANT * np.abs(part).max(), 0, part)
    if x_x and y_y and not x_y and not y_x:
        turning = Turning(False, bool(x_x < 0), bool(y_y < 0))
    elif x_y and y_x and not x_x and not y_y:
        turning = Turning(True, bool(y_x < 0), bool(x_y < 0))
    else:
        log.warning("pictures are meant to be slanted by %.0f degrees; they are taken as they lie, for only quarter turns and mirrors are made",
                    np.degrees(np.arctan2(part[0, 1], part[0, 0])))
        return None
    return turning if any(turning) else None


def turn_numpy(plane, swapped, mirrored, upended):
    shown = plane.swapaxes(0, 1) if swapped else plane
    return np.ascontiguousarray(shown[::-1 if upended else 1, ::-1 if mirrored else 1])


def turn_opencv(plane, swapped, mirrored, upended):
    """The same at a fraction of the cost."""
    shown = cv2.transpose(plane) if swapped else plane
    code = FLIPS.get((mirrored, upended))
    return shown if code is None else cv2.flip(shown, code, shown if swapped else None)
