"""jetson-inference by a stand-in with its documented behaviour: no board, no GPU is needed."""
import sys
from types import ModuleType

import numpy as np
import pytest

from edgecam.config import load_config
from edgecam.detect import open_detector
from edgecam.errors import BackendUnavailable, ConfigError, DetectorError, ModelError
from test_contract_detector import picture


class Image:
    """What cudaFromNumpy gives: a copy that lives by itself."""

    def __init__(self, array):
        assert array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.flags.c_contiguous
        self.array, self.format = array.copy(), "rgb8"
        self.height, self.width = array.shape[:2]


class Found:
    def __init__(self, kind, score, left, top, right, bottom):
        self.ClassID, self.Confidence = kind, score
        self.Left, self.Top, self.Right, self.Bottom = left, top, right, bottom
        self.Area = (right - left) * (bottom - top)


class DetectNetStandIn:
    """Boxes runs of bright columns in the grey middle row; largest first, and it draws on the picture unless told not to."""

    def __init__(self, network="ssd-mobilenet-v2", argv=None, threshold=0.5):
        if network not in ("pednet", "ssd-mobilenet-v2"):
            raise Exception("jetson.inference -- detectNet failed to load network")     # it raises nothing finer
        self.network, self.threshold, self.images = network, 0.5 if argv else threshold, []

    def GetNumClasses(self):
        return 2

    def GetClassDesc(self, number):
        return ("person", "bag")[number]

    def SetThreshold(self, threshold):
        self.threshold = threshold

    def Detect(self, image, overlay="box,labels,conf"):
        self.images.append(image)
        if overlay != "none":
            image.array[:] = 0
        if image.format not in ("rgb8", "rgba8"):
            return []
        if image.array.mean() > 250:
            raise Exception("jetson.inference -- detectNet::Detect() encountered an error")
        rows, columns = np.nonzero(image.array[:, :, 0] > 200)
        found = []
        if len(rows):
            found = [Found(0, 0.6, columns.min(), rows.min(), columns.max() + 1, rows.max() + 1),
                     Found(1, 0.9, columns.min(), rows.min(), columns.min() + 4, rows.min() + 4)]
        return sorted((one for one in found if one.Confidence >= self.threshold), key=lambda one: -one.Area)


@pytest.fixture(params=["new names", "old names"])
def board(request, monkeypatch):
    """The two modules, by the names of JetPack 5 or of JetPack 4.6 (which has no SetConfidenceThreshold)."""
    nets = []

    class Net(DetectNetStandIn):
        def __init__(self, *words, **named):
            DetectNetStandIn.__init__(self, *words, **named)
            nets.append(self)
    inference, utils = ModuleType("inference"), ModuleType("utils")
    inference.detectNet, utils.cudaFromNumpy = Net, Image
    new = request.param == "new names"
    if new:
        Net.SetConfidenceThreshold = Net.SetThreshold
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for name, module in (("jetson_inference", inference if new else None), ("jetson_utils", utils if new else None),
                         ("jetson", None if new else ModuleType("jetson")), ("jetson.inference", None if new else inference),
                         ("jetson.utils", None if new else utils)):
        monkeypatch.setitem(sys.modules, name, module)
    return nets


def settings(**changes):
    return load_config().detect.replace(**dict(dict(backend="jetson-inference", model="pednet"), **changes))


def test_boxes_in_the_frames_pixels_best_first(board):
    with open_detector(settings()) as detector:
        bag, person = detector.detect(picture("NV12"))
    assert (bag.label, person.label) == ("bag", "person") and bag.score > person.score
    assert person.box == pytest.approx((8, 16, 8, 8), abs=1.01)
    assert detector.name == "jetson-inference" and detector.model == "pednet" and detector.labels == ("person", "bag")


@pytest.mark.parametrize("fourcc", ["I420", "NV12", "YUYV", "GREY", "BGR3"])
def test_large_frames_are_brought_down_and_boxes_back_up(board, fourcc):
    with open_detector(settings()) as detector:
        found = detector.detect(picture(fourcc, 1920, 1280))[1].box
    assert board[0].images[0].width == 1280 and found == pytest.approx((160, 320, 160, 160), abs=5)


def test_nothing_is_drawn_on_the_picture(board):
    with open_detector(settings()) as detector:
        detector.detect(picture())
    assert board[0].images[0].array.any()


def test_thresholds(board):
    with open_detector(settings(threshold=0.7)) as detector:
        assert board[0].threshold == 0.7
        assert len(detector.detect(picture())) == 1 and len(detector.detect(picture(), 0.1)) == 2


def test_classes_and_limit(board):
    with open_detector(settings(classes=["person"])) as detector:
        assert [one.label for one in detector.detect(picture())] == ["person"]
    with open_detector(settings(max_detections=1)) as detector:
        assert [one.label for one in detector.detect(picture())] == ["bag"]
    with pytest.raises(ConfigError, match="pednet knows no cat; its labels are person, bag"):
        open_detector(settings(classes=["cat"]))


def test_auto_is_its_own_default(board):
    with open_detector(settings(model="auto")) as detector:
        assert detector.model == "ssd-mobilenet-v2"


def test_its_bare_exceptions_become_ours(board):
    with pytest.raises(ModelError, match="can't open nonet: .*failed to load network"):
        open_detector(settings(model="nonet"))
    white = picture("BGR3")
    white.planes[0][:] = 255
    with open_detector(settings()) as detector:
        with pytest.raises(DetectorError, match="encountered an error"):
            detector.detect(white)


def test_tensorrt_10_is_refused_before_it_crashes(board, monkeypatch):
    trt = ModuleType("tensorrt")
    trt.__version__ = "10.3.0"
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    with pytest.raises(BackendUnavailable, match="crashes with TensorRT 10.3.0"):
        open_detector(settings())


def test_absent_is_said():
    with pytest.raises(BackendUnavailable, match="jetson-inference is not installed for this Python"):
        open_detector(settings())
