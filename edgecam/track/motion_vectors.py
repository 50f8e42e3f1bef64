"""Camera motion from the motion vectors of H.264: what the encoder found out, for nothing.

The source is whoever has vectors: PyAV's decoder when it is asked to export them
(``flags2=+export_mvs``), or a board's encoder. Both end in an array of blocks. Streams with
B-frames are of no use: their vectors point at frames that are not the one before, and FFmpeg
does not say at which. Live cameras send none.
"""
import logging

import numpy as np

from edgecam.side_data import side_data
from edgecam.track.fit import fit_motion
from edgecam.track.motion import Motion, MotionEstimator

log = logging.getLogger(__name__)

NOISE = 0.7             # spread of a good vector, pixels: encoders choose what is cheap, not what is true
MOST = 160              # blocks that are looked at: the fit's time grows with them, and more don't make it better
LONGEST = 0.5           # seconds after which a motion is no news
B_PICTURE = 3           # AV_PICTURE_TYPE_B


class VectorMotion(MotionEstimator):
    """Reads the vectors that came with a decoded frame (`Frame.native` of the PyAV camera)."""

    source = "vectors"

    def __init__(self):
        self._time, self._number, self._usable = None, None, True

    def observe(self, frame):
        since, self._time = self._time, frame.time
        last, self._number = self._number, frame.number
        self.confidence = 0.0
        blocks = frame_vectors(frame)
        if blocks is not None and self._usable and getattr(frame.native, "pict_type", None) == B_PICTURE:
            log.info("track.motion: the stream has B-frames, its motion vectors are not used")
            self._usable = False
        if not self._usable or blocks is None or since is None or not 0 < frame.time - since <= LONGEST:
            return None
        if frame.number != last + 1:        # the frame before was dropped on its way: the vectors tell the step from there only
            return None
        found = motion_of_blocks(blocks, (frame.width, frame.height))
        if found is None:
            return None
        self.confidence = found[1]
        return Motion(since, frame.time, *found)


def motion_of_blocks(blocks, size):
    """Fit *blocks*, an array (n, 5) of x, y, dx, dy, weight; returns (2x3 matrix, confidence) or None.

    (x, y) is the block's centre in this frame, (dx, dy) how far its content moved since the
    frame before, in pixels; the weight is the block's area.
    """
    blocks = np.asarray(blocks, float).reshape(-1, 5)
    here, step = blocks[:, :2], blocks[:, 2:4]
    return fit_motion(here - step, here, size, NOISE, blocks[:, 4])


def frame_vectors(frame):
    """Return the blocks of a frame that PyAV decoded, None where it exported none (keyframes have none)."""
    if not hasattr(type(frame.native), "side_data"):
        return None
    vectors = side_data(frame.native).get("MOTION_VECTORS")
    return None if vectors is None else blocks_of(vectors.to_ndarray())


def blocks_of(vectors):
    """Turn FFmpeg's ``AVMotionVector`` records (libavutil/motion_vector.h) into blocks.

    Only vectors into the past count; dst is the block's centre here, src where it came from.
    """
    vectors = vectors[vectors["source"] < 0]
    if len(vectors) > MOST:
        vectors = vectors[np.linspace(0, len(vectors) - 1, MOST).astype(int)]
    scale = np.maximum(vectors["motion_scale"].astype(float), 1)
    return np.stack((vectors["dst_x"], vectors["dst_y"], -vectors["motion_x"] / scale, -vectors["motion_y"] / scale,
                     vectors["w"].astype(float) * vectors["h"]), axis=1)
