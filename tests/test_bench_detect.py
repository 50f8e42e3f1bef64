"""`edgecam bench detect` on the engines of this machine, and where its watts come from."""
import json
import os
import signal
import time
from argparse import Namespace

import numpy as np
import pytest

from edgecam import clock
from edgecam.bench import detect, detect_cameras, detect_measure, detect_seeds, power_meter
from edgecam.bench.detect_measure import busy_nv12
from edgecam.bench.detect_report import table
from edgecam.bench.latency_browser import family
from edgecam.cli import main
from edgecam.config import load_config
from edgecam.detect import NoDetector
from edgecam.detect.batching import BatchingEngine
from edgecam.errors import BackendUnavailable
from program import start
from tiny_onnx import write_bright
from web_rig import wait_for


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("onnxruntime")
    write_bright(tmp_path)
    return tmp_path


def bench(folder, *words):
    return main(["bench", "detect", "--model", str(folder / "bright.json"), "--seconds", "0.05", "--size", "96x64"] + list(words))


def test_figures_of_the_engine_and_of_the_whole_step(folder, capsys):
    assert bench(folder, "--engine", "onnx", "--json", str(folder / "out.json")) == 0
    said, content = capsys.readouterr().out, json.load(open(str(folder / "out.json")))
    row, = content["rows"]
    assert "images/s" in said.splitlines()[0] and said.splitlines()[1].startswith("bright")
    assert row["engine"] == "onnx" and row["images/s"] > 0 and row["whole images/s"] > 0 and row["whole/bare"] > 0
    assert row["preprocess bytes"] == 96 * 64 * 3 // 2 + 96 * 64 * 3 * 4 and row["preprocess ms"] > 0
    assert content["machine"]["cores"] >= 1


def test_engines_that_are_not_here_are_passed_over(folder, caplog, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert bench(folder, "--engine", "openvino") == 1


def test_the_plot_is_drawn(folder):
    pytest.importorskip("matplotlib")
    assert bench(folder, "--engine", "onnx", "--plot", str(folder / "out.png")) == 0
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [("--size", "wide"), ("--size", "1x1"), ("--seconds", "0"), ("--batch", "0"), ("--cameras", "0"), ("--rate", "0")])
def test_wrong_words(folder, words, capsys):
    assert bench(folder, *words) == 2
    assert words[0] in capsys.readouterr().err


def test_what_is_measured_of_a_model():
    class Model:
        precision, decoder = "fp32", {"kind": "yolo"}
    assert detect_measure.variants(Model, "onnx", None, None) == [("fp32", 1)]
    assert detect_measure.variants(Model, "tensorrt", ["int8"], [1, 64]) == [("int8", 1), ("int8", 64)]
    assert ("graph", 8) in detect_measure.variants(Model, "torch", None, None)
    assert detect_measure.variants(type("Bare", (Model,), {"decoder": {"kind": "none"}}), "onnx", None, None) == []
    Model.precision = "int8"
    assert detect_measure.variants(Model, "tensorrt", None, None) == []         # TensorRT makes its own INT8 of FP32


def test_the_yardsticks_are_what_their_names_say(tmp_path):
    onnx = pytest.importorskip("onnx")
    for name, gflops in zip(detect_seeds.SEEDS, (3.0, 40.0)):
        model = detect_seeds.write_seed(name, str(tmp_path))
        network = onnx.shape_inference.infer_shapes(onnx.load(model.file), strict_mode=True)
        shapes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
                  for value in list(network.graph.value_info) + list(network.graph.output)}
        kernels = {tensor.name: tensor.dims for tensor in network.graph.initializer}
        work = sum(2 * np.prod(kernels[node.input[1]]) * np.prod(shapes[node.output[0]][2:])
                   for node in network.graph.node if node.op_type == "Conv")
        assert work / 1e9 == pytest.approx(gflops, rel=0.1) and model.gflops == gflops
        assert sorted(model.outputs) == sorted(value.name for value in network.graph.output)


def test_a_network_without_boxes_is_for_the_engines_that_run_it_alone(caplog, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["bench", "detect", "--engine", "onnx", "--model", "googlenet-224"]) == 1
    assert "googlenet-224 on onnx passed over: its outputs are no boxes; try --engine tensorrt or torch" in caplog.text
    caplog.clear()
    nobody_named_it = Namespace(model=None, engine=["onnx"], precision=None, batch=None)
    assert list(detect.measured(nobody_named_it, load_config().detect, ["googlenet-224"])) == [] and caplog.text == ""


def test_several_cameras_on_one_engine(folder, capsys):
    assert bench(folder, "--engine", "onnx", "--cameras", "3", "--rate", "20", "--seconds", "2", "--json", str(folder / "out.json")) == 0
    figures = json.load(open(str(folder / "out.json")))["cameras"]
    assert figures["offered"] == figures["detected"] + figures["dropped"] > 40
    assert 0 < figures["age p50 ms"] <= figures["age p99 ms"] <= figures["age max ms"]
    assert "age p99 ms" in capsys.readouterr().out


class Slow(NoDetector):
    """Takes three frames' time for one."""

    def detect(self, frame, threshold=None):
        clock.sleep(0.03)
        return []


@pytest.mark.parametrize("detector", [NoDetector, Slow])
def test_frames_of_the_warm_up_count_nowhere(detector):
    engine = BatchingEngine(detector, 1, wait=0)
    port, first = engine.add("0"), clock.now()
    camera = detect_cameras.Camera(port, busy_nv12(0, 96, 64), 100, first, first + 0.195)       # the first twenty frames
    try:
        wait_for(lambda: camera.offered >= 10)
    finally:
        camera.stop()
        engine.close()
    assert camera.offered + 20 == engine.frames + port.drops
    assert 0 <= camera.offered - len(camera.counted()) - camera.dropped <= port.results.drops      # which a busy machine reads too late
    assert camera.dropped or detector is NoDetector


def test_a_python_without_pytorch_is_said(folder, tmp_path, caplog):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no PyTorch at all >&2; exit 1\n")
    python.chmod(0o755)
    assert bench(folder, "--engine", "onnx", "--torch", str(python)) == 0
    assert "no PyTorch at all" in caplog.text


def test_a_row_without_watts_shows_a_dash():
    text = table([{"model": "m", "engine": "onnx", "precision": "fp32", "batch": 1, "images/s": 2.0, "watts": None}])
    assert text.splitlines()[1].split()[4:] == ["2.0"] + ["-"] * 9


@pytest.mark.parametrize("kind", ["iio", "hwmon"])
def test_the_rails_of_a_board(tmp_path, kind):
    if kind == "iio":
        folder = tmp_path / "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
        files = {"rail_name_0": "POM_5V_IN", "in_power0_input": "4210", "rail_name_1": "POM_5V_GPU", "in_power1_input": "800"}
    else:
        folder = tmp_path / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
        files = {"in1_label": "VDD_IN", "in1_input": "5000", "curr1_input": "842", "in2_label": "VDD_CPU_GPU_CV", "in2_input": "5000"}
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")
    with power_meter.PowerMeter(root=str(tmp_path)) as meter:
        pass
    assert meter.watts == 4.21 and meter.device == files.get("rail_name_0", "VDD_IN")


@pytest.mark.parametrize("visible, gpu, asked", [(None, 1, "1"), ("", 0, "0"), ("3,GPU-5a", 1, "GPU-5a"), ("2", 0, "2"), ("2", 1, "1")])
def test_the_watts_are_those_of_the_gpu_that_cuda_counts(tmp_path, monkeypatch, visible, gpu, asked):
    """CUDA_VISIBLE_DEVICES renumbers; nvidia-smi does not look at it."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nwhile :; do echo \"250.5, 40, GPU $2\"; [ -n \"$3\" ] || exit 0; sleep 0.02; done\n")
    program.chmod(0o755)
    monkeypatch.setattr(power_meter, "QUERY", [str(program), "-i"])
    monkeypatch.setattr(power_meter, "import_driver", no_driver)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible) if visible is not None else monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with power_meter.PowerMeter(gpu, root=str(tmp_path)) as meter:
        wait_for(lambda: meter.watts)
    assert (meter.device, meter.watts, meter.busy) == ("GPU " + asked, 250.5, 40)


def no_driver():
    raise BackendUnavailable("no pycuda here")


def test_a_machine_without_a_meter(tmp_path, monkeypatch):
    monkeypatch.setattr(power_meter, "QUERY", [str(tmp_path / "no-nvidia-smi")])
    with power_meter.PowerMeter(root=str(tmp_path)) as meter:
        pass
    assert meter.watts is None and meter.device is None


def test_watts_and_load_are_those_of_the_frames_that_count(folder, monkeypatch):
    """The meter must not run while the cameras have not begun, or warm up."""
    begins, counts = [], []

    class Meter(power_meter.PowerMeter):
        def __enter__(self):
            begins.append(clock.now())
            return super().__enter__()

    class Camera(detect_cameras.Camera):
        def __init__(self, *words):
            counts.append(words[-1])
            super().__init__(*words)
    monkeypatch.setattr(detect_cameras, "PowerMeter", Meter)
    monkeypatch.setattr(detect_cameras, "Camera", Camera)
    assert bench(folder, "--engine", "onnx", "--cameras", "2", "--rate", "20") == 0
    assert begins[0] >= counts[0] - 0.001


def test_sigterm_ends_the_other_python_too(folder, tmp_path):
    """--torch names one that works for minutes."""
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "python").chmod(0o755)
    with start("bench", "detect", "--engine", "torch", "--model", folder / "bright.json", "--torch", tmp_path / "python") as process:
        end = time.monotonic() + 60
        while len(family(process.pid)) < 2 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        members = family(process.pid)
        assert len(members) == 2
        wait_until_it_sleeps(members[1], end)
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
    assert (process.returncode, b"Traceback" in errors) == (143, False)
    assert not any(os.path.exists("/proc/{}".format(pid)) for pid in members)


def wait_until_it_sleeps(pid, end):
    while time.monotonic() < end:
        with open("/proc/{}/comm".format(pid)) as stream:
            if stream.read() == "sleep\n":
                return
        time.sleep(0.02)
    raise AssertionError("it did not start")
