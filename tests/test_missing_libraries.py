"""Libraries that are not installed are told at once: nothing is recorded, and nothing measured, in vain."""
import sys

import pytest

from clips import import_av
from edgecam.cli import main
from tiny_onnx import write_bright

LIBRARIES = {"jetson-inference": ("jetson_inference", "jetson.inference"), "triton": ("tritonclient.grpc",), "onnx": ("onnxruntime",),
             "openvino": ("openvino",), "tensorrt": ("tensorrt",)}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model in the working folder, which is an empty one else."""
    monkeypatch.chdir(str(tmp_path))
    write_bright(tmp_path)
    return "./bright.json"


@pytest.mark.parametrize("engine", sorted(LIBRARIES))
def test_a_live_run_with_a_named_engine_that_is_not_there_records_nothing(engine, model, tmp_path, monkeypatch, capsys):
    import_av()
    for name in LIBRARIES[engine]:
        monkeypatch.setitem(sys.modules, name, None)
    named = "triton://127.0.0.1:9/bright?description=" + model if engine == "triton" else model
    assert main(["run", "test://street?size=320x180&frames=20", "x.mp4", "--mode", "live", "--web", "off", "--detector", engine, "--model", named]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("edgecam: ") and err.count("\n") == 1
    assert not (tmp_path / "x.mp4").exists()
    assert "edgecam[" not in err                # which is in no package index


MEASUREMENTS = {"models eval": ["models", "eval", "./bright.json", "data", "--detector", "onnx"], "bench detect": ["bench", "detect"],
                "bench track": ["bench", "track", "data"], "bench roi": ["bench", "roi", "x.mp4"], "bench live": ["bench", "live"],
                "bench pipeline": ["bench", "pipeline", "x.mp4"]}
DRAWN = ["models eval", "bench detect", "bench track", "bench roi"]
PLACES = [(name, "--plot", path) for name in DRAWN for path in ("nodir/x.png", "shelf.svg")]
PLACES += [(name, "--json", "nodir/x.json") for name in sorted(MEASUREMENTS) if name != "models eval"]


def lines_of(words, capsys):
    """Return (exit code, stderr) of a command that ends at its first line."""
    code = main(words)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("edgecam: ") and err.count("\n") == 1
    return code, err


@pytest.mark.parametrize("name, option, path", PLACES)
def test_where_no_file_can_be_nothing_is_measured(name, option, path, model, tmp_path, capsys):
    (tmp_path / "shelf.svg").mkdir()
    code, err = lines_of(MEASUREMENTS[name] + [option, path], capsys)
    assert code == 2 and "{} {}: {}".format(option, path, "is a folder" if path == "shelf.svg" else "there is no folder nodir") in err


@pytest.mark.parametrize("name", DRAWN)
def test_without_matplotlib_nothing_is_measured_for_a_plot(name, model, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, err = lines_of(MEASUREMENTS[name] + ["--plot", "x.png"], capsys)
    assert code == 1 and "--plot needs matplotlib" in err


@pytest.mark.parametrize("name", DRAWN)
def test_a_kind_of_picture_that_is_none_is_told_at_once(name, model, capsys):
    pytest.importorskip("matplotlib")
    code, err = lines_of(MEASUREMENTS[name] + ["--plot", "x.mp3"], capsys)
    assert code == 2 and "--plot x.mp3: .mp3 is no kind of picture" in err


def test_resizing_a_model_without_onnx_says_what_to_install(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, err = lines_of(["models", "resize", model, "192x128", "large.onnx"], capsys)
    assert code == 1 and "needs the package onnx" in err and "pip install onnx" in err
    assert not (tmp_path / "large.onnx").exists()
