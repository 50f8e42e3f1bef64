"""Libraries that are not installed are told at once: nothing is recorded, and nothing measured, in vain."""
import json
import sys

import pytest

from clips import import_av
from edgecam.cli import main
from tiny_onnx import bright_cells, bright_description

LIBRARIES = {"jetson-inference": ("jetson_inference", "jetson.inference"), "triton": ("tritonclient.grpc",), "onnx": ("onnxruntime",),
             "openvino": ("openvino",), "tensorrt": ("tensorrt",)}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model in the working folder, which is an empty one else."""
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / "bright.onnx").write_bytes(bright_cells())
    (tmp_path / "bright.json").write_text(json.dumps(bright_description()))
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
