"""Camera motion from the luma picture at a quarter of its size.

A grid of points is followed from frame to frame, by OpenCV's pyramidal Lucas-Kanade where
it is installed, else by numpy (motion_blocks.py). Points without texture say nothing and
are left out; points on moving objects are outvoted in `fit_motion`.
"""
import numpy as np

from edgecam.track.fit import fit_motion
from edgecam.track.motion import Motion, MotionEstimator
from edgecam.track.motion_blocks import BlockFollower

try:
    import cv2
except ImportError:
    cv2 = None

WIDTH = 240             # of the small picture, about; the shrinking factor is a whole number
SMALLEST = 16           # pixels; a small picture with a shorter side tells nothing
STEP = 18               # pixels of the small picture between grid points
WINDOW = (13, 13)       # pixels around a point that are compared
LEVELS = 2              # of the pyramid: steps of up to some 40 small pixels are found
TEXTURE = 2e-3          # least eigenvalue of the gradients, OpenCV's measure
LONGEST = 0.5           # seconds after which two frames have too little in common


class LumaMotion(MotionEstimator):
    """Follows the picture itself. *follower* is a `PointFollower` or a `BlockFollower`, the best one by default."""

    source = "luma"

    def __init__(self, follower=None):
        self._follower = follower or (PointFollower() if cv2 is not None else BlockFollower())
        self._small, self._time = None, None

    def observe(self, frame):
        before, since = self._small, self._time
        factor = self.remember(frame)
        small, time = self._small, self._time
        self.confidence = 0.0
        if before is None or small is None or before.shape != small.shape or not 0 < time - since <= LONGEST:
            return None
        found = fit_motion(*self._follower.follow(before, small), size=small.shape[::-1], noise=self._follower.noise)
        if found is None:
            return None
        affine, self.confidence = found
        middle = (factor - 1) / 2.0                             # centre of the first small pixel
        affine[:, 2] = affine[:, 2] * factor + middle - affine[:, :2] @ (middle, middle)
        return Motion(since, time, affine, self.confidence)

    def remember(self, frame):
        """Keep *frame* as the one before the next, without an answer; returns how much smaller it is kept."""
        self._small, self._time = None, frame.time
        if not frame.planes:                                    # device memory only
            return 1
        luma = frame.planes[0]
        luma = luma[..., 0] if luma.ndim == 3 else luma         # YUYV
        factor = max(int(round(luma.shape[1] / float(WIDTH))), 1)
        if min(luma.shape) >= SMALLEST * factor:
            self._small = self._follower.look(luma, factor)
        return factor


class PointFollower:
    """Says where the points of a grid went. *noise* is the spread of a good displacement, small pixels."""

    noise = 0.08

    def look(self, luma, factor):
        """Return *luma*, uint8 (height, width), with *factor* x *factor* pixels averaged into one."""
        h, w = (side // factor for side in luma.shape)
        return cv2.resize(luma[:h * factor, :w * factor], (w, h), interpolation=cv2.INTER_AREA)

    def follow(self, before, after):
        """Return (points, moved), (n, 2) each, small pixels: where the grid's points with texture went."""
        h, w = before.shape
        ys, xs = np.mgrid[STEP // 2:h:STEP, STEP // 2:w:STEP]
        points = np.stack((xs.ravel(), ys.ravel()), axis=1).astype(np.float32)[:, None]
        moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=WINDOW, maxLevel=LEVELS,
                                                   criteria=(3, 8, 0.03), minEigThreshold=TEXTURE)
        found = found.ravel() == 1
        return points[found, 0].astype(float), moved[found, 0].astype(float)
