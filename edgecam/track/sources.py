"""Choose what tells the camera's motion."""
from edgecam.track.motion import MotionEstimator
from edgecam.track.motion_luma import LumaMotion
from edgecam.track.motion_vectors import VectorMotion


class AutoMotion(MotionEstimator):
    """Vectors where a frame brings them and they agree, else the picture."""

    def __init__(self):
        self._vectors, self._luma = VectorMotion(), LumaMotion()
        self._before = None             # the frame before, where vectors told its motion: the picture is shrunk when it is needed
        self.source = "luma"

    def observe(self, frame):
        motion = self._vectors.observe(frame)
        best = self._luma if motion is None else self._vectors
        if motion is None:
            if self._before is not None:
                self._luma.remember(self._before)
            motion = self._luma.observe(frame)
        self._keep(frame.hold() if best is self._vectors else None)
        self.source, self.confidence = best.source, best.confidence
        return motion

    def _keep(self, frame):
        if self._before is not None:
            self._before.release()
        self._before = frame


SOURCES = {"auto": AutoMotion, "luma": LumaMotion, "vectors": VectorMotion}


def open_motion(settings):
    """Return the `MotionEstimator` that ``track.motion`` names.

    None for "off", and for "detections": there the tracker needs nothing but its boxes.
    """
    source = SOURCES.get(settings.motion)
    return None if source is None else source()
