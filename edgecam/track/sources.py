"""Choose what tells the camera's motion."""
from edgecam.track.motion import MotionEstimator
from edgecam.track.motion_luma import LumaMotion
from edgecam.track.motion_vectors import VectorMotion


class AutoMotion(MotionEstimator):
    """Vectors where a frame brings them and they agree, else the picture."""

    def __init__(self):
        self._vectors, self._luma = VectorMotion(), LumaMotion()
        self.source = "luma"

    def observe(self, frame):
        motion = self._vectors.observe(frame)
        if motion is not None:
            self._luma.remember(frame)
        best = self._vectors if motion is not None else self._luma
        motion = motion or self._luma.observe(frame)
        self.source, self.confidence = best.source, best.confidence
        return motion


SOURCES = {"auto": AutoMotion, "luma": LumaMotion, "vectors": VectorMotion}


def open_motion(settings):
    """Return the `MotionEstimator` that ``track.motion`` names.

    None for "off", and for "detections": there the tracker needs nothing but its boxes.
    """
    source = SOURCES.get(settings.motion)
    return None if source is None else source()
