"""jetson-inference's detectNet by name: pednet, multiped, facenet, peoplenet, ssd-mobilenet-v2 and whatever else it knows.

Its API is probed by attribute, for boards mix versions of it (github.com/dusty-nv/jetson-inference,
PyDetectNet.cpp): old module names, no `SetConfidenceThreshold`. It stretches pictures without a
filter and boxes may be unions of neighbours; our own engines do better with the same networks.
"""
import importlib
import logging

import numpy as np

from edgecam.detect.detector import Detector, refuse_unknown
from edgecam.detect.letterbox import FORMATS, PlanarPicture, Still
from edgecam.detect.pixels import open_pixels
from edgecam.errors import BackendUnavailable, DetectorError, ModelError
from edgecam.vocabulary import Box, Detection

log = logging.getLogger(__name__)
NAME = "jetson-inference"
DEFAULT_MODEL = "ssd-mobilenet-v2"      # detectNet's own
LARGEST = 1280                          # pixels of width: its networks are far smaller, and it reads what it is given whole


def import_library():
    """Return (inference, utils), by their new or old names. Raises `BackendUnavailable`."""
    refuse_tensorrt_10()
    reasons = []
    for names in (("jetson_inference", "jetson_utils"), ("jetson.inference", "jetson.utils")):
        try:
            inference, utils = map(importlib.import_module, names)
            inference.detectNet, utils.cudaFromNumpy
            return inference, utils
        except (ImportError, OSError, AttributeError) as error:
            reasons.append(str(error))
    raise BackendUnavailable("jetson-inference is not installed for this Python ({}): it is built on the board and lives in the system's "
                             "dist-packages; a virtual environment needs --system-site-packages".format("; ".join(reasons)))


def refuse_tensorrt_10():
    """Raise `BackendUnavailable` where jetson-inference ends the process: issue 1913 of jetson-inference."""
    try:
        import tensorrt
        version = str(tensorrt.__version__)
    except (ImportError, OSError, AttributeError):
        return
    if int(version.split(".")[0]) >= 10:
        raise BackendUnavailable("jetson-inference crashes with TensorRT {} (JetPack 6.1 and newer): use --detector tensorrt".format(version))


def open_direct(settings):
    """Return the detector of the network that *settings* name. Raises `BackendUnavailable`, `ModelError`, `ConfigError`."""
    inference, utils = import_library()
    return DetectNet(inference, utils, DEFAULT_MODEL if settings.model == "auto" else settings.model, settings)


class DetectNet(Detector):
    """One detectNet. Pictures go in as rgb8, which every build takes; other formats give an empty list without a word."""

    name = NAME
    threads = 1

    def __init__(self, inference, utils, model, settings):
        self.model, self._utils = model, utils
        self.threshold = 0.5 if settings.threshold is None else settings.threshold
        try:        # never argv: with it every other argument is ignored
            self._net = inference.detectNet(model, threshold=self.threshold)
        except Exception as error:          # all that it raises is Exception
            raise ModelError("jetson-inference can't open {}: {}".format(model, error)) from error
        self.labels = tuple(self._net.GetClassDesc(number) for number in range(self._net.GetNumClasses()))
        self._wanted = self._check_classes(settings.classes)
        self._set_threshold = getattr(self._net, "SetConfidenceThreshold", None) or self._net.SetThreshold
        self._limit = settings.max_detections or 300
        self._pixels, self._format, self._picture = open_pixels(), None, None

    def _check_classes(self, classes):
        refuse_unknown("detect.classes", classes, self.model, self.labels)
        return frozenset(classes or self.labels)

    def detect(self, frame, threshold=None):
        image = self._rgb(frame)
        self._apply(self.threshold if threshold is None else threshold)
        try:
            found = self._net.Detect(self._utils.cudaFromNumpy(image), overlay="none")     # else it draws on the picture
        except Exception as error:          # all that it raises is Exception
            raise DetectorError("jetson-inference failed: {}".format(error)) from error
        scale = frame.width / float(image.shape[1]), frame.height / float(image.shape[0])
        detections = [convert(one, self.labels, scale) for one in found if 0 <= one.ClassID < len(self.labels)]
        kept = [one for one in detections if one.label in self._wanted and one.box.w > 0 and one.box.h > 0]
        return sorted(kept, key=lambda one: -one.score)[:self._limit]          # it gives the largest first

    def _apply(self, threshold):
        if threshold != self.threshold:
            self.threshold = threshold
            self._set_threshold(threshold)

    def _rgb(self, frame):
        """Return *frame* as uint8 (h, w, 3) in RGB, at most LARGEST pixels wide."""
        if not frame.planes or frame.format.fourcc not in FORMATS:
            raise DetectorError("{!r} can't be detected on: expected planes in memory in one of {}".format(frame, ", ".join(FORMATS)))
        if frame.format != self._format:
            scale = min(1.0, LARGEST / float(frame.width))
            size = max(2, int(round(frame.width * scale))), max(2, int(round(frame.height * scale)))
            kind = Still if frame.format.fourcc == "BGR3" else PlanarPicture
            self._format, self._picture = frame.format, kind(frame.format, size[0], size[1], self._pixels)
            self.size = size
        return np.ascontiguousarray(np.moveaxis(self._picture.rgb(frame.planes), 0, 2))

    def close(self):
        self._net = self._picture = None    # it has no close: memory goes with the object

    def __repr__(self):
        return "<{} on jetson-inference>".format(self.model)


def convert(one, labels, scale):
    """Return jetson-inference's detection as ours, in the frame's pixels."""
    across, down = scale
    return Detection(labels[one.ClassID], min(1.0, float(one.Confidence)),
                     Box(one.Left * across, one.Top * down, (one.Right - one.Left) * across, (one.Bottom - one.Top) * down))
