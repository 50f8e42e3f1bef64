"""Choose what tells the camera's motion."""
import logging

from edgecam.track.motion import MotionEstimator
from edgecam.track.motion_luma import LumaMotion
from edgecam.track.motion_vectors import VectorMotion

log = logging.getLogger(__name__)


class AutoMotion(MotionEstimator):
    """Vectors where a frame brings them and they agree, else the picture."""

    def __init__(self):
        self._vectors, self._luma = VectorMotion(), LumaMotion()
        self.source = "luma"

    def observe(self, frame):
        motion = self._vectors.observe(frame)
        other = self._luma.observe(frame) if motion is None else None
        self.source = "luma" if motion is None else "vectors"
        self.confidence = (self._luma if motion is None else self._vectors).confidence
        return motion or other


SOURCES = {"auto": AutoMotion, "luma": LumaMotion, "vectors": VectorMotion}


def open_motion(settings):
    """Return the `MotionEstimator` that ``track.motion`` names.

    None for "off", and for "detections": there the tracker needs nothing but its boxes.
    """
    source = SOURCES.get(settings.motion)
    return None if source is None else source()
