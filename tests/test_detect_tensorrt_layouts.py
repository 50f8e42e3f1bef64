"""An engine's ends lie as it chose, linear, HWC8, CHW4 or CHW32: told by either API, asked for by the builder, written and read everywhere."""
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cuda_on_cpu
import gpu_on_cpu
import recorded_tensorrt
from edgecam.config import load_config
from edgecam.detect import tensorrt, tensorrt_api, tensorrt_build
from edgecam.detect.cuda import slot, suppression
from edgecam.detect.models import find_model
from edgecam.detect.tensorrt_api import TensorInfo
from edgecam.errors import ModelError
from test_contract_detector import picture
from tiny_onnx import write_bright

LINEAR, HWC8, CHW4, CHW32 = 1 << 0, 1 << 2, 1 << 3, 1 << 5         # bits of TensorRT's formats


@pytest.fixture(params=["8.2", "8.5", "10"])
def trt(request):
    return recorded_tensorrt.module(request.param)


def load(trt, generation=None):
    return {tensor.name: tensor for tensor in tensorrt_api.LoadedEngine(trt, b"a plan", generation).tensors}


@pytest.fixture(params=[("8.2", None), ("8.5", None), ("8.5", tensorrt_api.NumberedTensors), ("10", None)], ids=str)
def spoken(request):
    return recorded_tensorrt.module(request.param[0]), request.param[1]


def test_the_layout_is_what_the_engine_says(spoken):
    trt, generation = spoken
    trt.layouts.update(image="HWC8", cov="HWC8")
    trt.types.update(cov="HALF", box="HALF")
    tensors = load(trt, generation)
    assert [tensors[name].layout for name in ("image", "cov", "box")] == ["hwc8", "hwc8", "linear"]
    assert tensors["image"].held == 2 * 64 * 96 * 8 and tensors["image"].strides == (64 * 96 * 8, 1, 96 * 8, 8)
    assert tensors["box"].nbytes == 2 * 4 * 8 * 12 * 2 and tensors["box"].strides == (4 * 8 * 12, 8 * 12, 12, 1)


def test_pictures_in_places_of_four(spoken):
    trt, generation = spoken
    trt.layouts["image"], trt.types["image"] = "CHW4", "HALF"
    image = load(trt, generation)["image"]
    assert (image.layout, image.strides, image.nbytes) == ("chw4", (64 * 96 * 4, 1, 96 * 4, 4), 2 * 64 * 96 * 4 * 2)


def test_more_channels_than_a_place_has_are_several_planes_of_them(spoken):
    trt, generation = spoken
    trt.layouts["box"], trt.types["box"] = "CHW4", "HALF"
    assert load(trt, generation)["box"].strides == (4 * 8 * 12, 1, 4 * 12, 4)
    with pytest.raises(ModelError, match="its tensor box .*2x5x8x12.* in the layout CHW4"):
        tensorrt_api.tensor_info(trt, "box", False, (2, 5, 8, 12), trt.DataType.HALF, trt.TensorFormat.CHW4)


def test_outputs_in_places_of_thirty_two(spoken):
    trt, generation = spoken
    trt.layouts["box"], trt.types["box"] = "CHW32", "HALF"
    assert load(trt, generation)["box"].strides == (32 * 8 * 12, 1, 32 * 12, 32)
    assert tensorrt_api.tensor_info(trt, "box", False, (2, 32, 8, 12), trt.DataType.HALF, trt.TensorFormat.CHW32).held == 2 * 8 * 12 * 32
    with pytest.raises(ModelError, match="its tensor box .*2x33x8x12.* in the layout CHW32"):
        tensorrt_api.tensor_info(trt, "box", False, (2, 33, 8, 12), trt.DataType.HALF, trt.TensorFormat.CHW32)


@pytest.mark.parametrize("dtype, layout", [("HALF", "CHW16"), ("INT8", "CHW32"), ("FLOAT", "HWC8")])
def test_a_layout_that_we_can_not_read_is_said(spoken, dtype, layout):
    trt, generation = spoken
    trt.layouts["cov"], trt.types["cov"] = layout, dtype
    with pytest.raises(ModelError, match="its tensor cov .*2x1x8x12.* in the layout {}: edgecam reads LINEAR and".format(layout)):
        load(trt, generation)


@pytest.mark.parametrize("kind, method", [("NumberedTensors", "get_binding_format"), ("NamedTensors", "get_tensor_format")])
def test_an_engine_that_says_nothing_is_linear(kind, method):
    trt = recorded_tensorrt.module("8.5")
    trt.layouts["image"] = "HWC8"
    engine = trt.Runtime(None).deserialize_cuda_engine(b"a plan")
    assert getattr(tensorrt_api, kind)(trt, engine).tensors[0].layout == "hwc8"
    delattr(engine, method)
    assert getattr(tensorrt_api, kind)(trt, engine).tensors[0].layout == "linear"


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=4, max_size=4), st.data())
def test_strides_lead_to_places_of_their_own(shape, data):
    for layout in ("linear", "hwc8", "chw32") + ("chw4",) * (shape[1] <= 4):
        tensor = TensorInfo("any", False, tuple(shape), "float16", layout)
        index = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
        place = sum(at * stride for at, stride in zip(index, tensor.strides))
        memory = np.zeros(tensor.held, "float16")
        tensor.view(memory)[index] = 1
        assert np.flatnonzero(memory).tolist() == [place]
        tensor.view(memory)[...] = 1
        assert memory.sum(dtype=int) == np.prod(shape) and tensor.nbytes == memory.nbytes


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=6))
def test_linear_is_numpys_own_order(shape):
    tensor = TensorInfo("any", False, tuple(shape), "float32")
    array = np.arange(tensor.held, dtype="float32")
    assert np.array_equal(tensor.view(array), array.reshape(shape)) and tensor.nbytes == array.nbytes


class Network:
    """A parsed network: image, and the outputs by their shapes."""

    num_inputs = 1

    def __init__(self, trt, outputs, dtype="FLOAT"):
        make = lambda name, shape: SimpleNamespace(name=name, shape=shape, dtype=getattr(trt.DataType, dtype), allowed_formats=None)
        self.image, self.outputs = make("image", (1, 3, 64, 96)), [make(name, shape) for name, shape in outputs.items()]
        self.image.dtype = trt.DataType.FLOAT
        self.num_outputs, self.unmarked = len(outputs), []

    def get_input(self, index):
        return self.image

    def get_output(self, index):
        return self.outputs[index]

    def unmark_output(self, tensor):
        self.unmarked.append(tensor.name)


OUTPUTS = {"cov": (1, 1, 8, 12), "box": (1, 4, 8, 12), "more": (1, 9, 8, 12)}


@pytest.fixture
def folder(tmp_path):
    write_bright(tmp_path)
    return tmp_path


def shaped(trt, folder, precision, outputs=OUTPUTS, dtype="FLOAT"):
    network = Network(trt, outputs, dtype)
    tensorrt_build.shape_network(trt, network, find_model("bright", str(folder)), precision, 4)
    return network


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_half_outputs_may_lie_as_the_engine_likes(trt, folder, precision):
    network = shaped(trt, folder, precision)
    half = trt.DataType.HALF
    assert network.image.shape == (4, 3, 64, 96) and (network.image.dtype, network.image.allowed_formats) == (half, LINEAR | CHW4)
    assert [(tensor.dtype, tensor.allowed_formats) for tensor in network.outputs] == [(half, LINEAR | HWC8 | CHW32)] * 2 + [(trt.DataType.FLOAT, None)]
    assert network.unmarked == ["more"]


def test_shapes_that_lack_the_batch_still_do_and_may_lie_the_same(trt, folder, monkeypatch):
    monkeypatch.setattr(Network, "has_implicit_batch_dimension", True, raising=False)
    network = Network(trt, {name: shape[1:] for name, shape in OUTPUTS.items()})
    network.image.shape = (3, 64, 96)
    tensorrt_build.shape_network(trt, network, find_model("bright", str(folder)), "fp16", 4)
    assert (network.image.shape, network.image.allowed_formats) == ((3, 64, 96), LINEAR | CHW4)
    assert [tensor.allowed_formats for tensor in network.outputs] == [LINEAR | HWC8 | CHW32] * 2 + [None]


def test_fp32_ends_stay(trt, folder):
    network = shaped(trt, folder, "fp32")
    assert {(tensor.dtype, tensor.allowed_formats) for tensor in [network.image] + network.outputs} == {(trt.DataType.FLOAT, None)}


def test_halves_that_the_cpu_decodes_become_float32(trt, folder, monkeypatch):
    monkeypatch.setattr(suppression, "fits", lambda decoder, labels: False)
    network = shaped(trt, folder, "fp16", dtype="HALF")
    assert network.image.allowed_formats == LINEAR | CHW4
    assert [(tensor.dtype, tensor.allowed_formats) for tensor in network.outputs[:2]] == [(trt.DataType.FLOAT, None)] * 2


def test_outputs_of_other_shapes_and_types_stay(trt, folder):
    network = shaped(trt, folder, "fp16", {"cov": (1, 96), "box": (1, 33, 8, 12)})
    assert [tensor.allowed_formats for tensor in network.outputs] == [None, LINEAR | HWC8]      # one plane of CHW32 has 32 channels
    network = shaped(trt, folder, "fp16", dtype="INT32")
    assert {tensor.dtype for tensor in network.outputs} == {trt.DataType.INT32}


def test_a_network_without_boxes_and_packed_pixels(trt, tmp_path):
    write_bright(tmp_path, decoder={"kind": "none"})
    assert [tensor.allowed_formats for tensor in shaped(trt, tmp_path, "fp16").outputs[:2]] == [None, None]


@pytest.mark.parametrize("ends, outputs, dtype", [((), None, "FLOAT"), (("HWC8",), HWC8, "HALF")])
def test_the_choice_can_be_taken_away(trt, folder, monkeypatch, ends, outputs, dtype):
    before = tensorrt_build.BuildFlags(trt, 64).as_dict()
    monkeypatch.setattr(tensorrt_build, "HALF_OUTPUTS", ends)
    network = shaped(trt, folder, "fp16")
    assert network.image.dtype == trt.DataType.HALF and network.image.allowed_formats == LINEAR | CHW4
    assert [(tensor.dtype, tensor.allowed_formats) for tensor in network.outputs[:2]] == [(getattr(trt.DataType, dtype), outputs)] * 2
    assert tensorrt_build.BuildFlags(trt, 64).as_dict() != before              # another plan


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return (cuda_on_cpu.library(tmp_path_factory.mktemp("preprocess"), cuda_on_cpu.PREPROCESS),
            cuda_on_cpu.library(tmp_path_factory.mktemp("detectnet"), cuda_on_cpu.DETECTNET))


def cells(image):
    """`tiny_onnx.bright_cells` in numpy, as an engine in FP16 gives it: to the next half."""
    means = image.astype(np.float32).reshape(len(image), 3, 8, 8, 12, 8).mean(axis=(1, 3, 5))[:, None]
    outputs = {"cov": (means - 128) / 8, "box": np.full((len(image), 4, 8, 12), np.log(0.5))}
    return {name: array.astype(np.float16) for name, array in outputs.items()}


@pytest.fixture
def open_with(monkeypatch, compiled, folder):
    """Return a function that opens a `TensorRtDetector` on an engine of two pictures whose ends are of the type and layout told."""
    def open_with(image, outputs, crowd=False, compute=cells):
        half = "float16" if outputs != ("float32", "linear") else "float32"
        tensors = [TensorInfo("image", True, (2, 3, 64, 96), *image), TensorInfo("cov", False, (2, 1, 8, 12), half, outputs[1]),
                   TensorInfo("box", False, (2, 4, 8, 12), half, outputs[1])]
        monkeypatch.setattr(tensorrt, "import_tensorrt", lambda: None)
        monkeypatch.setattr(tensorrt, "open_gpu", lambda index: gpu)
        monkeypatch.setattr(tensorrt, "LoadedEngine", lambda trt, plan, generation: gpu_on_cpu.Engine(tensors, compute))
        monkeypatch.setattr(tensorrt, "Kernels", gpu_on_cpu.kernels(compiled[0]))
        monkeypatch.setattr(suppression, "Suppression", gpu_on_cpu.suppression_with(compiled[1], crowd))
        conf = load_config().detect.replace(model="bright", models=str(folder), nice=0)
        return tensorrt.TensorRtDetector(find_model("bright", str(folder)), conf, b"", graphs=False)
    gpu = gpu_on_cpu.Gpu()
    yield open_with
    assert gpu.entered == 0


ENDS = [(("float16", "linear"), ("float16", "hwc8")), (("float16", "linear"), ("float16", "linear")), (("float16", "chw4"), ("float16", "hwc8")),
        (("float16", "chw4"), ("float16", "chw32"))]
FRAMES = [picture("NV12", squares=((1, 2), (5, 3))), picture("I420", 192, 128, squares=((7, 1),))]


@pytest.mark.parametrize("way", ["gpu", "crowd", "cpu"])
@pytest.mark.parametrize("image, outputs", ENDS)
def test_detections_are_the_same_in_every_layout(open_with, monkeypatch, image, outputs, way):
    if way == "cpu":
        monkeypatch.setattr(slot.suppression, "fits", lambda decoder, labels: False)
    with open_with(("float32", "linear"), ("float32", "linear"), way == "crowd") as detector:
        expected = [detector.detect_batch(FRAMES), [detector.detect(FRAMES[1], threshold=0.0)]]
    with open_with(image, outputs, way == "crowd") as detector:
        found = [detector.detect_batch(FRAMES), [detector.detect(FRAMES[1], threshold=0.0)]]
    assert found == expected and [len(boxes) for boxes in found[0]] == [2, 1] and len(found[1][0]) == 50
    assert found[0][0][0].box == pytest.approx((8, 16, 8, 8), abs=0.01)


def test_what_is_brought_down_for_the_cpus_decoders():
    """They compare with thresholds that lie between two halves."""
    output = slot.Output(gpu_on_cpu.Gpu(), TensorInfo("cov", False, (2, 3, 5, 7), "float16", "hwc8"))
    array = np.arange(210, dtype=np.float16).reshape(2, 3, 5, 7)
    output.array[...] = array
    assert np.array_equal(output.of(1), array[1:]) and output.of(1).dtype == np.float32
    whole = slot.Output(gpu_on_cpu.Gpu(), TensorInfo("count", False, (2, 5), "int32"))
    assert whole.of(0).shape == (1, 5) and whole.of(0).dtype == np.int32


def test_what_the_network_gives_alone(open_with):
    with open_with(*ENDS[0]) as detector:
        outputs = detector.bare_engine(FRAMES[0])()
        assert outputs["cov"].shape == (2, 1, 8, 12) and outputs["cov"][0, 0, 2, 1] == outputs["cov"].max() == outputs["cov"][0, 0, 3, 5]
        assert np.array_equal(outputs["box"], np.full((2, 4, 8, 12), np.log(0.5), np.float16))


def test_pictures_go_in_as_planes_or_places_of_four(open_with):
    """The kernel writes nothing else; a plan that wants it is built again."""
    with pytest.raises(ModelError, match="takes pictures in the layout hwc8"):
        open_with(("float16", "hwc8"), ("float16", "linear"))
