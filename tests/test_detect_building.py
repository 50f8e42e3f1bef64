"""Engines that are built beside: nothing is seen until then, a stop is quick, a failure is said. Real child processes."""
import json
import sys
import threading
import time

import pytest

from edgecam.config import load_config
from edgecam.detect.building import BuildingDetector, Builder, build_command
from edgecam.detect.description import read_description
from edgecam.detect.detector import Detector
from edgecam.errors import DetectorError, EdgecamError, ModelError
from edgecam.lanes import DetectionLane
from edgecam.stats import Stats
from edgecam.vocabulary import Box, Detection
from test_contract_detector import picture
from tiny_onnx import bright_description

SEEN = Detection("light", 1.0, Box(1, 2, 3, 4))


@pytest.fixture
def model(tmp_path):
    (tmp_path / "bright.json").write_text(json.dumps(bright_description()))
    return read_description(str(tmp_path / "bright.json"))


class Built(Detector):
    """What the finished engine stands for."""

    closed = False

    def detect(self, frame, threshold=None):
        return [SEEN]

    def close(self):
        self.closed = True


def child(text):
    return Builder([sys.executable, "-c", text])


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


WAITS_FOR = "import os, sys, time\nsys.stderr.write('edgecam: trying kernels\\n')\nsys.stderr.flush()\nwhile not os.path.exists({!r}): time.sleep(.02)"


def test_it_sees_nothing_until_the_engine_is_there(model, tmp_path, caplog):
    caplog.set_level("INFO")
    built = Built()
    with BuildingDetector(model, "tensorrt", child(WAITS_FOR.format(str(tmp_path / "go"))), lambda: built) as detector:
        assert not detector.prepare() and detector.detect(picture()) == []
        assert detector.model.startswith("bright (building its engine, ") and detector.labels == ("light",) and detector.size == (96, 64)
        (tmp_path / "go").write_text("")
        until(detector.prepare)
        assert detector.detect(picture()) == [SEEN] and detector.model == "bright"
    assert built.closed and "trying kernels" in caplog.text and "edgecam: trying" not in caplog.text


def test_stopping_ends_the_builder_at_once(model):
    builder = child("import time; time.sleep(600)")
    with BuildingDetector(model, "tensorrt", builder, Built) as detector:
        assert not detector.prepare()
    assert builder._process.poll() is not None
    detector.close()


@pytest.mark.parametrize("code, kind", [(1, DetectorError), (78, ModelError)])
def test_a_failed_build_is_raised_with_its_last_words(model, code, kind):
    text = "import sys; sys.stderr.write('edgecam: one\\nedgecam: no memory for it\\n'); sys.exit({})".format(code)
    with BuildingDetector(model, "tensorrt", child(text), Built) as detector:
        with pytest.raises(kind, match=r"can't be built: no memory for it \(exit code {}\)".format(code)):
            until(detector.prepare)


def test_a_killed_builder_is_a_failure(model):
    with BuildingDetector(model, "tensorrt", child("import os; os.kill(os.getpid(), 9)"), Built) as detector:
        with pytest.raises(DetectorError, match="it said nothing .exit code -9"):
            until(detector.prepare)


def test_a_command_that_is_not_there():
    with pytest.raises(DetectorError, match="can't be built: /no/such/program: No such file"):
        Builder(["/no/such/program"])


def test_the_command_builds_what_the_settings_ask_for(model):
    settings = load_config().detect.replace(precision="int8", batch=4, calibration="/pictures", gpu=1)
    words = build_command(model, settings)
    assert words[1:6] == ["-m", "edgecam", "models", "build", model.path]
    options = words[6:]
    for pair in ("detect.precision=int8", "detect.batch=4", "detect.calibration=/pictures", "detect.calibrator=minmax", "detect.gpu=1", "detect.workspace=1024"):
        assert options[options.index(pair) - 1] == "--set"
    assert not any("plans" in word for word in options)


def test_the_real_command_fails_in_its_own_words_without_tensorrt(model, tmp_path):
    try:
        import tensorrt  # noqa: F401
        pytest.skip("TensorRT is installed here")
    except ImportError:
        pass
    (tmp_path / "bright.onnx").write_bytes(b"any")
    builder = Builder(build_command(model, load_config().detect))
    try:
        with pytest.raises(EdgecamError, match="TensorRT is not installed here"):
            until(builder.done, 200)
    finally:
        builder.stop()


class Tracker:
    """Counts what the lane tells it."""

    updates = 0

    def update(self, detections, now):
        self.updates += 1


def test_the_lane_counts_frames_that_nobody_looked_at(monkeypatch, model, tmp_path):
    asked = []

    def opened(settings, background):
        asked.append(background)
        return BuildingDetector(model, "tensorrt", child(WAITS_FOR.format(str(tmp_path / "go"))), Built)
    monkeypatch.setattr("edgecam.lanes.open_detector", opened)
    stats, tracker = Stats(), Tracker()
    with DetectionLane(load_config().detect, tracker, stats) as lane:
        def fed(condition):
            lane.offer(picture())
            lane.check()
            return condition()
        until(lambda: fed(lambda: stats.skipped > 3))
        assert stats.detected == 0 and tracker.updates == 0 and "building" in lane.detector.model
        (tmp_path / "go").write_text("")
        until(lambda: fed(lambda: stats.detected > 0))
    assert asked == [True] and tracker.updates == stats.detected
    assert not [thread for thread in threading.enumerate() if thread.name == "edgecam-build-log"]
