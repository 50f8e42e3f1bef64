"""TensorRT on a real GPU; its kernels alone are in test_detect_cuda_gpu.py, the contract of all detectors in test_contract_detector.py."""
import json
import os
import threading

import numpy as np
import pytest

from edgecam.config import load_config
from edgecam.detect import open_detector
from edgecam.detect.models import find_model
from edgecam.errors import BackendUnavailable, DetectorError
from test_contract_detector import picture
from tiny_onnx import write_bright
from tiny_caffe import write_caffe
from tiny_uff import write_uff

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def needs_gpu():
    from edgecam.detect import tensorrt
    try:
        tensorrt.version()
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bright")
    write_bright(path)
    return path


def settings(folder, **changes):
    changes.setdefault("plans", str(folder / "plans"))
    return load_config().detect.replace(backend="tensorrt", model="bright", models=str(folder), nice=0, **changes)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_batch_of_frames_of_any_size_and_format(folder, precision):
    frames = [picture("NV12", squares=((1, 2),)), picture("I420", 192, 128, squares=((5, 3),)), picture("BGR3", 960, 640, squares=((7, 1),))]
    with open_detector(settings(folder, precision=precision, batch=4)) as detector:
        for _ in range(3):
            one, two, three = detector.detect_batch(frames)
            assert one[0].box == pytest.approx((8, 16, 8, 8), abs=0.05)
            assert two[0].box == pytest.approx((80, 48, 16, 16), abs=0.1)
            assert three[0].box == pytest.approx((560, 80, 80, 80), abs=0.5)
            assert [len(one), len(two), len(three)] == [1, 1, 1]


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("generation", ["NumberedTensors", "NamedTensors"])
def test_both_generations_of_the_api(folder, generation, graphs):
    from edgecam.detect import tensorrt_api
    from edgecam.detect.tensorrt import TensorRtDetector
    from edgecam.detect.tensorrt_plans import plan_for
    conf, model = settings(folder, precision="fp32"), find_model("bright", str(folder))
    kind = getattr(tensorrt_api, generation)
    with TensorRtDetector(model, conf, plan_for(model, conf)[0], kind, graphs) as detector:
        assert detector.generation == kind.generation and detector.graphs is graphs
        assert detector.detect(picture("NV12"))[0].box == pytest.approx((8, 16, 8, 8), abs=0.05)


@pytest.mark.parametrize("ends", [("LINEAR", "HWC8", "CHW32"), ("CHW32",), ("HWC8",), ("LINEAR",), ()], ids=str)
@pytest.mark.parametrize("generation", ["NumberedTensors", "NamedTensors"])
def test_half_ends_in_every_layout(folder, monkeypatch, ends, generation):
    """Whatever the engine chose, detections and the outputs themselves are FP32's; a layout that is forced is the one that is used."""
    from edgecam.detect import tensorrt_api, tensorrt_build
    from edgecam.detect.tensorrt import TensorRtDetector
    from edgecam.detect.tensorrt_plans import plan_for
    frames = [picture("NV12", squares=((1, 2), (11, 7))), picture("I420", 192, 128, squares=((5, 3),))]
    conf, model = settings(folder, precision="fp32", batch=2), find_model("bright", str(folder))
    with TensorRtDetector(model, conf, plan_for(model, conf)[0]) as detector:
        expected, whole = detector.detect_batch(frames), in_full(detector, frames[0])
    monkeypatch.setattr(tensorrt_build, "HALF_OUTPUTS", ends)
    half = conf.replace(precision="fp16")
    with TensorRtDetector(model, half, plan_for(model, half)[0], getattr(tensorrt_api, generation)) as detector:
        tensors = detector._engine.tensors
        assert {tensor.layout for tensor in tensors if not tensor.is_input} <= {name.lower() for name in ends or ("LINEAR",)}
        assert {tensor.dtype for tensor in tensors if not tensor.is_input} == {"float16" if ends else "float32"}
        for _ in range(3):
            found = detector.detect_batch(frames)
            assert [len(boxes) for boxes in found] == [2, 1]
            for ours, theirs in zip(sum(found, []), sum(expected, [])):
                assert ours.box == pytest.approx(theirs.box, abs=0.05) and ours.score == pytest.approx(theirs.score, abs=0.005)
        print(ends, [(tensor.name, tensor.layout) for tensor in tensors])
        for name, array in in_full(detector, frames[0]).items():
            assert np.abs(array - whole[name]).max() < 0.25, name          # of values up to 16, perhaps summed in halves


def in_full(detector, frame):
    """Return the outputs for *frame*, the first of the batch, as float32 and apart from the detector's memory."""
    return {name: array[:1].astype(np.float32) for name, array in detector.bare_engine(frame)().items()}


def test_more_candidates_than_the_gpu_sorts_are_decoded_here(folder, monkeypatch):
    """The outputs are brought down as they lie; the CPU must find the same in them."""
    from edgecam.detect.cuda import suppression
    def crowded(kernels, read=suppression.Suppression.read):
        counts, found = read(kernels)
        counts["candidates"] = suppression.CAPACITY + 1
        return counts, found
    frame, conf = picture("NV12", squares=((1, 2), (5, 3))), settings(folder, precision="fp16")
    with open_detector(conf) as detector:
        expected = detector.detect(frame)
        monkeypatch.setattr(suppression.Suppression, "read", crowded)
        found = detector.detect(frame)
    assert len(found) == 2
    for ours, theirs in zip(sorted(found, key=lambda one: one.box.x), sorted(expected, key=lambda one: one.box.x)):
        assert ours.box == pytest.approx(theirs.box, abs=0.01) and ours.score == pytest.approx(theirs.score, abs=1e-4)


def test_two_batches_under_way_come_back_in_order(folder):
    with open_detector(settings(folder)) as detector:
        detector.submit([picture("NV12", squares=((0, 0),))])
        for column in range(1, 12):
            detector.submit([picture("NV12", squares=((column, 0),))])
            found, = detector.collect()
            assert found[0].box.x == pytest.approx(8 * (column - 1), abs=0.05)
        with pytest.raises(DetectorError, match="collect it first"):
            detector.detect(picture("NV12"))
        detector.collect()
        with pytest.raises(DetectorError, match="without a submitted"):
            detector.collect()


def test_a_frame_that_is_on_the_gpu_already(folder):
    class DevicePlane:
        def __init__(self, memory, shape):
            self.memory = memory
            self.__cuda_array_interface__ = {"data": (int(memory), True), "shape": shape, "typestr": "|u1", "version": 3}

    class Native:
        pass
    with open_detector(settings(folder)) as detector:
        import pycuda.driver as driver
        frame = picture("NV12")
        native = Native()
        native.cuda_planes = [DevicePlane(driver.to_device(plane), plane.shape) for plane in frame.planes]
        on_device = type(frame)(0, 0.0, 0, frame.format, (), native)
        assert detector.detect(on_device) == detector.detect(frame) != []


def test_the_wrong_thread_is_told(folder):
    told = []

    def use():
        try:
            detector.detect(picture("NV12"))
        except DetectorError as error:
            told.append(str(error))
    with open_detector(settings(folder)) as detector:
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert told and "thread" in told[0]


def test_more_frames_than_the_batch(folder):
    with open_detector(settings(folder)) as detector:
        with pytest.raises(DetectorError, match="built for 1 to 1"):
            detector.detect_batch([picture("NV12")] * 2)


@pytest.mark.parametrize("harm", ["truncate", "flip", "foreign", "empty", "sidecar"])
def test_a_bad_plan_is_built_again(folder, harm, caplog):
    conf = settings(folder, plans=str(folder / harm))
    open_detector(conf).close()
    plan, = [str(folder / harm / name) for name in os.listdir(conf.plans) if name.endswith(".plan")]
    content = open(plan, "rb").read()
    if harm == "sidecar":
        os.unlink(plan + ".json")
    else:
        open(plan, "wb").write({"truncate": content[:len(content) // 2], "flip": content[:500] + b"\xff" + content[501:],
                                "foreign": b"\x00" * 1000, "empty": b""}[harm])
    with open_detector(conf) as detector:
        assert detector.detect(picture("NV12"))
    assert "built again" in caplog.text
    assert len(open(plan, "rb").read()) > 1000


def test_a_plan_of_another_tensorrt_whose_sum_is_right_is_built_again(folder, caplog):
    from edgecam.detect.plans import PlanCache
    from edgecam.detect.tensorrt_plans import PlanRequest, on_gpu
    conf = settings(folder, plans=str(folder / "liar"))
    model = find_model("bright", str(folder))
    with on_gpu(0):
        request = PlanRequest(model, conf)
        PlanCache(conf.plans).store(request.name, b"ftrt" + bytes(2000), request.key)
    with open_detector(conf) as detector:
        assert detector.detect(picture("NV12"))


def test_opening_and_closing_leaves_no_memory(folder):
    import pycuda.driver as driver
    conf = settings(folder)
    with open_detector(conf):
        free = []
    for _ in range(8):
        with open_detector(conf) as detector:
            detector.detect(picture("NV12"))
            free.append(driver.mem_get_info()[0])
    assert free[-1] >= free[1] - (1 << 20)


def test_models_build_says_where_the_plan_is(folder, capsys):
    from edgecam.cli import main
    words = ["models", "build", str(folder / "bright.json"), "--precision", "fp32", "--plans", str(folder / "built")]
    assert main(words) == 0
    path = capsys.readouterr().out.strip()
    said = json.load(open(path + ".json"))
    assert said["bytes"] == os.path.getsize(path) and said["key"]["precision"] == "fp32" and said["key"]["gpu"]
    before = os.stat(path).st_mtime_ns
    assert main(words) == 0 and os.stat(path).st_mtime_ns == before


def test_a_caffe_network(tmp_path):
    """DIGITS' files: layers as text, weights as protobuf; what TensorRT 8 reads with its own parser."""
    trt = pytest.importorskip("tensorrt")
    if not hasattr(trt, "CaffeParser"):
        pytest.skip("this TensorRT reads no Caffe")
    write_caffe(tmp_path)
    with open_detector(settings(tmp_path, precision="fp32", batch=2)) as detector:
        one, two = detector.detect_batch([picture("NV12"), picture("NV12", squares=((5, 3),))])
    assert one[0].box == pytest.approx((8, 16, 8, 8), abs=0.05) and two[0].box == pytest.approx((40, 24, 8, 8), abs=0.05)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_uff_network(tmp_path, precision):
    """TensorFlow's networks as TensorRT 8 reads them: the only ones whose shapes lack the batch."""
    trt = pytest.importorskip("tensorrt")
    if not hasattr(trt, "UffParser"):
        pytest.skip("this TensorRT reads no UFF")
    write_uff(tmp_path)
    with open_detector(settings(tmp_path, precision=precision, batch=2)) as detector:
        one, two = detector.detect_batch([picture("NV12"), picture("NV12", squares=((5, 3),))])
        assert detector.batch == 2 and detector.generation == "bindings"
    assert one[0].box == pytest.approx((8, 16, 8, 8), abs=0.05) and two[0].box == pytest.approx((40, 24, 8, 8), abs=0.05)


@pytest.mark.parametrize("precision, spread", [("fp32", 0.015), ("fp16", 0.03)])       # of scores; fp32 is TF32, 10 bits, on newer GPUs
def test_a_shipped_network_finds_what_onnx_runtime_finds(tmp_path, precision, spread):
    pytest.importorskip("onnxruntime")
    model, frames = "edgecam-detectnet-light-960x540", street(12)
    conf = load_config().detect.replace(model=model, nice=0, threshold=0.2)
    with open_detector(conf.replace(backend="onnx")) as detector:
        expected = [detector.detect(frame) for frame in frames]
    with open_detector(conf.replace(backend="tensorrt", precision=precision, plans=str(tmp_path))) as detector:
        found = [detector.detect(frame) for frame in frames]
    assert sum(map(len, expected)) >= 12
    for ours, theirs in zip(found, expected):
        sure = [wanted for wanted in theirs if wanted.score > 0.2 + 2 * spread]
        for label, score, box in sure:
            nearest = min((other for other in ours if other.label == label), key=lambda other: distance(other.box, box))
            assert distance(nearest.box, box) < 40 * spread + 0.05 and abs(nearest.score - score) < spread
        assert len([other for other in ours if other.score > 0.2 + 2 * spread]) <= len(theirs)


def distance(one, other):
    return max(abs(a - b) for a, b in zip(one.corners, other.corners))


def street(count):
    """The first frames of the built-in scene, in its own format."""
    from edgecam.capture import open_camera
    frames = []
    with open_camera(load_config(overrides=["capture.input=test://street"]).capture) as camera:
        for frame in camera:
            with frame:
                frames.append(type(frame)(frame.number, frame.time, frame.pts, frame.format, tuple(plane.copy() for plane in frame.planes)))
            if len(frames) == count:
                return frames


def test_int8_takes_ranges_that_were_measured_on_the_pictures(folder, tmp_path):
    """The builder reads the pictures as a type that depends on its version: the wrong one gives wild ranges without a word, or breaks the GPU's memory."""
    cv2 = pytest.importorskip("cv2")
    for number in range(16):
        cv2.imwrite(str(tmp_path / "{}.png".format(number)), np.random.RandomState(number).randint(0, 256, (64, 96, 3)).astype(np.uint8))
    with open_detector(settings(folder, precision="int8", calibration=str(tmp_path), plans=str(tmp_path / "plans"))) as detector:
        found = detector.detect(picture("NV12", squares=((5, 3),)))
    table, = [path for path in (tmp_path / "plans").iterdir() if path.suffix == ".calibration"]
    ranges = dict(line.split(": ") for line in table.read_text().splitlines()[1:])
    scale = float(np.array(int(ranges["image"], 16), "u4").view("f4"))
    assert 1.8 < scale < 2.2                    # 255 / 127
    assert found[0].box == pytest.approx((40, 24, 8, 8), abs=1)


def test_int8_without_pictures_says_what_it_takes(folder):
    from edgecam.errors import ConfigError
    with pytest.raises(ConfigError, match="calibration"):
        open_detector(settings(folder, precision="int8"))
