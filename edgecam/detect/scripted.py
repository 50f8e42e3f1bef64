"""A detector that is told what is there: for the built-in scene, for tests and for demonstrations."""
from edgecam.detect.detector import Detector
from edgecam.errors import DetectorError
from edgecam.vocabulary import Detection


class SceneDetector(Detector):
    """Reads the exact truth that a frame of `test://street` carries; *detect.backend: scene*.

    An object that is cut by the picture's edge scores by the share that can be seen. Frames of
    other sources raise `DetectorError`.
    """

    name = model = "scene"
    labels = ("person", "car", "bus", "marker")

    def __init__(self, threshold=0.3):
        self._threshold = threshold

    def detect(self, frame, threshold=None):
        truth = getattr(frame.native, "truth", None)
        if truth is None:
            raise DetectorError("--detector scene knows the built-in scene alone; for other inputs use auto, onnx or openvino")
        least = self._threshold if threshold is None else threshold
        found = [Detection(t.label, t.visible, t.box) for t in truth if t.visible >= least]
        return sorted(found, key=lambda detection: -detection.score)
