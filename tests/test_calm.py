"""The interpreter's manners during a run, and afterwards."""
import gc
import sys

import pytest

from edgecam.calm import TURN, calm
from edgecam.config import load_config
from edgecam.detect import preload
from edgecam.errors import BackendUnavailable, ModelError


def test_turns_are_short_inside_and_as_before_afterwards():
    before = sys.getswitchinterval()
    with pytest.raises(KeyError):
        with calm():
            assert sys.getswitchinterval() == pytest.approx(min(TURN, before))
            raise KeyError("whatever happens")
    assert sys.getswitchinterval() == pytest.approx(before)


@pytest.mark.skipif(not hasattr(gc, "freeze"), reason="Python 3.6 can't set objects aside")
def test_what_was_there_before_is_not_walked_through():
    with calm():
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("backend, model", [("onnx", "edgecam-detectnet-light-960x540"), ("auto", "auto")])
def test_preloading_leaves_nothing_to_import(backend, model):
    import subprocess
    pytest.importorskip("onnxruntime")
    code = ("import sys; from edgecam.config import load_config; from edgecam import detect\n"
            "conf = load_config(overrides=['detect.backend={}', 'detect.model={}', 'detect.threads=1']).detect\n"
            "detect.preload(conf); before = set(sys.modules); detect.open_detector(conf).close()\n"
            "print(len([name for name in set(sys.modules) - before]))").format(backend, model)
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) < 20


def test_preloading_is_nothing_without_an_engine():
    for backend in ("none", "scene"):
        preload(load_config().detect.replace(backend=backend))


def test_what_is_named_and_not_there_is_told_before_the_run(monkeypatch):
    def absent():
        raise BackendUnavailable("not here")
    for engine in ("tensorrt", "openvino", "onnx"):
        monkeypatch.setattr("edgecam.detect.{}.version".format(engine), absent)
    preload(load_config().detect)                       # "auto": whoever opens it says what was passed over
    with pytest.raises(BackendUnavailable, match="not here"):
        preload(load_config().detect.replace(backend="onnx"))
    monkeypatch.undo()
    with pytest.raises(ModelError, match="no model nope"):
        preload(load_config().detect.replace(model="nope"))
