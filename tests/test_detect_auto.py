"""`model: auto`: chosen by measured rates, measured once, remembered, and said."""
import json
import logging
import os
import subprocess
import sys

import pytest

from edgecam.config import load_config
from edgecam.detect import auto, open_detector
from edgecam.errors import ModelError
from program import ROOT
from tiny_onnx import bright_cells, bright_description

onnxruntime = pytest.importorskip("onnxruntime")


class Log(logging.Handler):
    """Keeps what is said."""

    def __init__(self):
        logging.Handler.__init__(self)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    def __contains__(self, words):
        return words in "\n".join(self.lines)


@pytest.fixture
def said():
    handler, logger = Log(), logging.getLogger("edgecam.detect")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three variants, the larger two in pictures so large that they differ in speed by far."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGECAM_MODELS", raising=False)
    models = tmp_path / "models"
    models.mkdir()
    for name, width, gflops in (("full", 1920, 60), ("light", 96, 13)):
        height = width * 2 // 3
        (models / (name + ".onnx")).write_bytes(bright_cells(width, height))
        description = dict(bright_description(name, width, height), gflops=gflops, variant=name, sha256="")
        (models / (name + ".json")).write_text(json.dumps(description))
    return models


def add(folder, name, width, height, **changes):
    (folder / (name + ".onnx")).write_bytes(bright_cells(width, height))
    (folder / (name + ".json")).write_text(json.dumps(dict(bright_description(name, width, height), variant="full", **changes)))


def settings(folder, **changes):
    return load_config().detect.replace(backend="onnx", model="auto", models=str(folder), **changes)


def chosen(folder, **changes):
    with open_detector(settings(folder, **changes)) as detector:
        return detector.model


def test_largest_that_reaches_the_rate(folder, said):
    assert chosen(folder, min_rate=0.1) == "full"
    assert "auto measures full on this machine, once" in said and "auto takes full" in said and "light" not in said


def test_too_slow_ones_are_passed_over_with_their_rate(folder, said, monkeypatch):
    rates = {"full": 5.5, "light": 20.0}
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: rates[model.name])
    assert chosen(folder) == "light"
    assert "auto passes over full: 5.5 a second beside the video, 8 wanted" in said
    assert "auto takes light: 20.0 a second" in said


def test_none_fast_enough_takes_the_fastest_and_warns(folder, said, monkeypatch):
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: {"full": 1.0, "light": 3.0}[model.name])
    assert chosen(folder) == "light"
    assert "the fastest: 3.0 a second beside the video, though 8 are wanted" in said


def test_measured_once_and_remembered(folder, monkeypatch):
    calls = []
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: calls.append(model.name) or 9.0)
    assert chosen(folder) == chosen(folder) == "full"
    assert calls == ["full"]
    assert chosen(folder, threads=1) == "full" and calls == ["full", "full"]          # another setting, another figure


def test_another_network_is_measured_anew(folder, monkeypatch):
    calls = []
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: calls.append(model.name) or 9.0)
    chosen(folder)
    description = json.loads((folder / "full.json").read_text())
    from edgecam.detect.description import sha256
    (folder / "full.json").write_text(json.dumps(dict(description, sha256=sha256(str(folder / "full.onnx")))))
    chosen(folder)
    assert calls == ["full", "full"]


def test_int8_stands_for_its_variant_on_the_cpu(folder, monkeypatch):
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: 9.0)
    add(folder, "full-int8", 1920, 1280, gflops=60, precision="int8")
    assert chosen(folder) == "full-int8"


def test_one_network_in_several_sizes_is_several_candidates_largest_work_first(folder, monkeypatch):
    """Whatever the order of their files, and with INT8 in the place of FP32 where both have one size."""
    measured = []
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: measured.append(model.name) or 1.0)
    add(folder, "a-tiny", 48, 32, gflops=5)
    add(folder, "z-big", 2400, 1600, gflops=90)
    add(folder, "z-big-int8", 2400, 1600, gflops=90, precision="int8")
    add(folder, "a-small-unknown", 96, 64, gflops=None)
    add(folder, "b-large-unknown", 192, 128, gflops=None)
    chosen(folder)
    assert measured == ["z-big-int8", "full", "light", "a-tiny", "b-large-unknown", "a-small-unknown"]


def test_resized_models_are_measured_and_the_largest_that_is_fast_enough_is_taken(tmp_path, said, monkeypatch):
    pytest.importorskip("onnx", reason="resizing needs onnx, which Python 3.6 lacks here")
    from edgecam.cli import main
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mo"
    folder.mkdir()
    for size, name in (("1200x675", "a.onnx"), ("320x192", "b.onnx")):
        assert main(["models", "resize", "edgecam-detectnet-light-960x540", size, str(folder / name)]) == 0
    assert chosen(folder, min_rate=0.1) == "edgecam-detectnet-light-1200x675"
    assert "auto measures edgecam-detectnet-light-1200x675" in said and "only one" not in said
    assert chosen(folder, min_rate=1000) == "edgecam-detectnet-light-320x192"
    assert "auto passes over edgecam-detectnet-light-1200x675" in said and "edgecam-detectnet-light-320x192, the fastest" in said


def test_a_single_network_in_two_precisions_is_not_called_the_only_one(folder, said):
    (folder / "light.json").unlink()
    add(folder, "full-int8", 1920, 1280, precision="int8")
    assert chosen(folder) == "full-int8" and "auto takes full-int8, the only one but for other precisions" in said


def test_tensorrt_takes_the_largest_in_fp32_and_measures_none(folder, said, monkeypatch):
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: pytest.fail("no series of builds"))
    add(folder, "full-int8", 1920, 1280, gflops=60, precision="int8")
    from edgecam.detect import tensorrt
    assert auto.choose_model(settings(folder), tensorrt).name == "full"
    assert "auto takes full, the largest" in said and not os.path.exists(auto.cache_file())


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 1}', '{"format": 9, "rates": {}}', '{"format": 1, "rates": {"x": 3}}',
                                     '{"format": 1, "rates": {"x": {"y": -1}}}', "\x00\xff"])
def test_a_broken_cache_is_rebuilt(folder, said, monkeypatch, content):
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: 9.0)
    os.makedirs(os.path.dirname(auto.cache_file()))
    with open(auto.cache_file(), "w", encoding="latin-1") as stream:
        stream.write(content)
    assert chosen(folder) == "full" and "measuring anew" in said
    assert json.load(open(auto.cache_file()))["format"] == 1


WRITER = """
import sys
from edgecam.detect.auto import RateCache
cache = RateCache(sys.argv[1], "this machine")
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    cache.put("{}{}".format(sys.argv[2], number), 9.0)
    print(cache.put("both{}".format(number), float(sys.argv[3])))
"""


def test_two_processes_that_measure_keep_each_others_rates(tmp_path):
    path = tmp_path / "cache" / "rates.json"
    children = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, rate], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 env=dict(os.environ, PYTHONPATH=ROOT)) for name, rate in (("a", "7"), ("b", "12"))]
    for child in children:
        assert child.stdout.readline() == b"ready\n"            # both have read that there is nothing yet
    for child in children:
        child.stdin.write(b"go\n")
        child.stdin.flush()
    said = [child.communicate(timeout=100)[0].decode().split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    rates = json.loads(path.read_text())["rates"]["this machine"]
    assert len(rates) == 300 and sorted(os.listdir(str(path.parent))) == ["rates.json"]
    assert said[0] == said[1] == [str(rates["both{}".format(number)]) for number in range(100)]        # one figure, whoever came first


def test_a_rate_that_was_remembered_first_decides(folder, monkeypatch):
    """Two runs that measure at once on a busy machine may find figures on both sides of what is wanted."""
    def measure(model, engine, conf, rate=9.0):
        if not inner:
            inner.append(True)
            with monkeypatch.context() as other:
                other.setattr(auto, "measure", lambda model, engine, conf: {"full": 5.0, "light": 20.0}[model.name])
                assert chosen(folder) == "light"        # the other run, from its beginning to its end
        return rate
    inner = []
    monkeypatch.setattr(auto, "measure", measure)
    assert chosen(folder) == "light" and chosen(folder) == "light" and inner


def test_an_unwritable_cache_is_said_and_lived_with(folder, said, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "full.onnx"))         # a file: no folder can be made in it, not even by root
    monkeypatch.setattr(auto, "measure", lambda model, engine, conf: 9.0)
    assert chosen(folder) == "full"
    assert "can't be written" in said and "made again next time" in said


def test_broken_models_are_passed_over(folder, said):
    (folder / "full.onnx").write_bytes(b"junk")
    assert chosen(folder, min_rate=0.1) == "light"
    assert "auto passes over full" in said


def test_a_single_model_needs_no_measuring(folder, said):
    (folder / "full.json").unlink()
    assert chosen(folder) == "light" and said.lines[0] == "model: auto takes light, the only one"
    assert not os.path.exists(auto.cache_file())


def test_no_model_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr("edgecam.detect.models.PACKAGE", str(tmp_path / "edgecam"))
    monkeypatch.delenv("EDGECAM_MODELS", raising=False)
    with pytest.raises(ModelError, match="model: auto finds no model.*--detector none"):
        open_detector(load_config().detect.replace(backend="onnx"))


def test_the_video_lane_keeps_its_share():
    assert auto.usable_cores(1) <= 1
    assert auto.usable_cores(64) <= auto.cores() - auto.VIDEO_LANE or auto.cores() == 1
