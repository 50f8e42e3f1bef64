"""The kernels' arithmetic, compiled for the CPU, against letterbox.py, the decoder and nms.py."""
import ctypes
from fractions import Fraction

import numpy as np
import pytest

import cuda_on_cpu
from edgecam.detect.cuda import kernels, nvrtc, pictures, suppression
from edgecam.detect.description import InputSpec, ResizeSpec
from edgecam.detect.letterbox import Letterbox
from edgecam.detect.models import find_model
from edgecam.detect.network import Interpreter
from edgecam.detect.pixels import NumpyPixels
from edgecam.config import load_config
from edgecam.errors import BackendUnavailable, DetectorError
from edgecam.vocabulary import Frame, VideoFormat

SIZES = [(960, 540), (1920, 1080), (1280, 720), (641, 363), (3840, 2160), (320, 240)]


@pytest.fixture(scope="module")
def preprocess(tmp_path_factory):
    return cuda_on_cpu.library(tmp_path_factory.mktemp("preprocess"), cuda_on_cpu.PREPROCESS)


@pytest.fixture(scope="module")
def detectnet(tmp_path_factory):
    return cuda_on_cpu.library(tmp_path_factory.mktemp("detectnet"), cuda_on_cpu.DETECTNET)


def busy_frame(width, height, fourcc, matrix="bt601", full_range=False):
    """Large and small structure over the whole range of values, in rows that are padded."""
    random = np.random.RandomState(width + len(fourcc))
    video = VideoFormat(width, height, fourcc, Fraction(30), Fraction(1, 30), True, matrix, full_range)
    planes = []
    for rows, pitch in pictures.plane_shapes(video):
        blocks = np.kron(random.randint(0, 128, (rows // 8 + 1, pitch // 8 + 1)), np.ones((8, 8), int))[:rows, :pitch]
        padded = np.zeros((rows, pitch + 32), np.uint8)
        padded[:, :pitch] = blocks + random.randint(0, 128, (rows, pitch))
        channels = {"NV12": 2 if planes else 1, "YUYV": 2, "BGR3": 3}.get(fourcc, 1)
        plane = padded[:, :pitch]
        planes.append(np.lib.stride_tricks.as_strided(plane, (rows, pitch // channels, channels), (pitch + 32, channels, 1))
                      if channels > 1 else plane)
    return Frame(0, 0.0, 0, video, tuple(planes))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fourcc", ["NV12", "I420", "YUYV", "GREY", "BGR3"])
def test_preprocess_is_the_letterbox_bit_by_bit(preprocess, size, fourcc):
    if fourcc == "YUYV" and size[0] % 2:
        pytest.skip("YUYV has even widths")
    frame = busy_frame(size[0], size[1], fourcc)
    for spec, resize in [(InputSpec("image", 480, 270), ResizeSpec()),
                         (InputSpec("image", 321, 240, colour="BGR", mean=(104., 117., 123.), scale=(1 / 127., 1 / 128., 1 / 57.)),
                          ResizeSpec("letterbox", 30, "topleft")),
                         (InputSpec("image", 300, 300, layout="NHWC"), ResizeSpec("stretch"))]:
        expected = Letterbox(spec, resize, NumpyPixels()).fill(frame)
        assert np.array_equal(cuda_on_cpu.preprocess(preprocess, frame, spec, resize), expected)


@pytest.mark.parametrize("matrix, full_range", [("bt709", False), ("bt709", True), ("bt601", True)])
def test_every_coding(preprocess, matrix, full_range):
    frame, spec = busy_frame(640, 362, "NV12", matrix, full_range), InputSpec("image", 480, 270)
    expected = Letterbox(spec, ResizeSpec(), NumpyPixels()).fill(frame)
    assert np.array_equal(cuda_on_cpu.preprocess(preprocess, frame, spec, ResizeSpec()), expected)


@pytest.mark.parametrize("fourcc", ["NV12", "BGR3"])
def test_grey_networks_within_a_step(preprocess, fourcc):
    frame, spec = busy_frame(640, 362, fourcc), InputSpec("image", 480, 270, colour="GREY")
    expected = Letterbox(spec, ResizeSpec(), NumpyPixels()).fill(frame)
    assert np.abs(cuda_on_cpu.preprocess(preprocess, frame, spec, ResizeSpec()) - expected).max() <= 1


@pytest.mark.parametrize("fourcc", ["NV12", "I420", "GREY", "YUYV", "BGR3"])
@pytest.mark.parametrize("size, plain", [((480, 270), True), ((480, 200), True), ((300, 270), True), ((298, 270), True), ((296, 270), True),
                                         ((478, 270), True), ((301, 270), False), ((960, 540), False)])
def test_pictures_that_are_not_resized(preprocess, size, fourcc, plain):
    """Four pixels are read at once where they may be: beside bars of any width, in rows of any length and colour order."""
    if fourcc == "YUYV" and size[0] % 2:
        pytest.skip("YUYV has even widths")
    for matrix, full_range in (("bt601", False), ("bt709", False), ("bt709", True)):
        frame = busy_frame(size[0], size[1], fourcc, matrix, full_range)
        for spec, resize in [(InputSpec("image", 480, 270, mean=(3., 2., 1.), scale=(1 / 3., 1 / 4., 1 / 5.)), ResizeSpec()),
                             (InputSpec("image", 480, 270), ResizeSpec("letterbox", 30, "topleft")),
                             (InputSpec("image", 480, 270, colour="BGR", layout="NHWC"), ResizeSpec())]:
            geometry = pictures.Geometry(frame.format, spec, resize)
            assert geometry.record["plain"] == (plain and fourcc in ("NV12", "I420", "GREY"))
            expected = Letterbox(spec, resize, NumpyPixels()).fill(frame)
            assert np.array_equal(cuda_on_cpu.preprocess(preprocess, frame, spec, resize), expected)
            found = cuda_on_cpu.preprocess(preprocess, frame, spec, resize, "float16")
            assert np.array_equal(found, expected.astype(np.float16))


@pytest.mark.parametrize("fourcc", ["NV12", "I420", "GREY", "YUYV", "BGR3"])
@pytest.mark.parametrize("size", [(480, 270), (300, 270), (301, 270), (960, 540)])
@pytest.mark.parametrize("colour", ["RGB", "BGR", "GREY"])
@pytest.mark.parametrize("width", [480, 321])
def test_places_of_four_hold_the_channels_and_zeros(preprocess, fourcc, size, colour, width):
    if fourcc == "YUYV" and size[0] % 2:
        pytest.skip("YUYV has even widths")
    frame, spec = busy_frame(size[0], size[1], fourcc, "bt709"), InputSpec("image", width, 270, colour=colour, mean=(3.,), scale=(1 / 3.,))
    expected = cuda_on_cpu.preprocess(preprocess, frame, spec, ResizeSpec(), "float16")
    found = cuda_on_cpu.preprocess(preprocess, frame, spec, ResizeSpec(), "float16", "chw4")
    assert found.shape == expected.shape and np.array_equal(found, expected)
    assert not np.lib.stride_tricks.as_strided(found[0, 0], (270, width, 4), (8 * width, 8, 2))[..., spec.channels:].any()


def test_pairs_are_those_of_the_picture_wherever_it_starts(preprocess):
    """One column of bars, and luma in memory one byte after a word: words of four pixels would cut its pairs in two."""
    frame, spec = busy_frame(478, 270, "NV12"), InputSpec("image", 480, 270)
    luma = np.zeros((270, 484), np.uint8)[:, 1:479]
    luma[...] = frame.planes[0].reshape(270, 478)
    assert luma.ctypes.data % 4 == 1
    frame = Frame(0, 0.0, 0, frame.format, (luma, frame.planes[1]))
    expected = Letterbox(spec, ResizeSpec(), NumpyPixels()).fill(frame)
    assert np.array_equal(cuda_on_cpu.preprocess(preprocess, frame, spec, ResizeSpec()), expected)


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_other_types_hold_the_same_values(preprocess, dtype):
    frame, spec = busy_frame(1280, 720, "NV12"), InputSpec("image", 480, 270, dtype="uint8" if dtype == "uint8" else "float32")
    expected = Letterbox(spec, ResizeSpec(), NumpyPixels()).fill(frame)
    assert np.array_equal(cuda_on_cpu.preprocess(preprocess, frame, spec, ResizeSpec(), dtype), expected)


def test_formats_that_can_not_be_read_are_named():
    video = VideoFormat(640, 480, "MJPG", Fraction(30), Fraction(1, 30), True)
    with pytest.raises(DetectorError, match="640x480 MJPG"):
        pictures.Geometry(video, InputSpec("image", 480, 270), ResizeSpec())


def test_python_and_c_agree_on_every_structure(preprocess, detectnet):
    assert preprocess.picture_size() == pictures.PICTURE.itemsize
    assert preprocess.target_size() == pictures.TARGET.itemsize
    assert detectnet.decoding_size() == suppression.DECODING.itemsize
    assert detectnet.candidate_size() == suppression.CANDIDATE.itemsize


def grids(batch=1, crowd=0.004):
    """Outputs of the shipped network with *crowd* of the cells above the threshold."""
    random = np.random.RandomState(5)
    outputs = {}
    for stride, name in ((4, "4"), (8, "8")):
        shape = (batch, 3, 540 // stride, 960 // stride)
        outputs["cov" + name] = np.where(random.rand(*shape) < crowd, random.randn(*shape) + 1, -6).astype(np.float32)
        outputs["box" + name] = (random.randn(batch, 12, *shape[2:]) * 0.5 + 1.2).astype(np.float32)
        outputs["fine" + name] = random.randn(batch, 3, *shape[2:]).astype(np.float32)
    return outputs


@pytest.mark.parametrize("classes", [[], ["person", "bus"]])
@pytest.mark.parametrize("picture", [0, 1])
def test_detectnet_keeps_what_the_cpu_keeps(detectnet, classes, picture):
    model, outputs = find_model("edgecam-detectnet-960x540"), grids(batch=2)
    interpreter = Interpreter(model, load_config().detect.replace(classes=classes))
    single = {name: array[picture:picture + 1] for name, array in outputs.items()}
    expected = interpreter.interpret(single, 0.3, lambda boxes: boxes)
    boxes, scores, labels = cuda_on_cpu.detectnet(detectnet, interpreter.decoder, outputs, len(model.labels), 0.3, interpreter.iou,
                                                  interpreter.limit, interpreter.wanted, picture)
    assert 50 < len(expected) == len(scores)
    assert [model.labels[label] for label in labels] == [found.label for found in expected]
    assert np.allclose(scores, [found.score for found in expected], atol=1e-6)
    assert np.allclose(boxes, [found.box.corners for found in expected], atol=1e-3)


@pytest.mark.parametrize("layout", ["linear", "hwc8", "chw32"])
def test_halves_in_either_layout_give_what_floats_give(detectnet, layout):
    model = find_model("edgecam-detectnet-960x540")
    halves = {name: array.astype(np.float16) for name, array in grids(batch=2).items()}
    floats = {name: array.astype(np.float32) for name, array in halves.items()}
    interpreter = Interpreter(model, load_config().detect)
    words = (len(model.labels), 0.3, interpreter.iou, interpreter.limit, None)
    for picture in (0, 1):
        expected = cuda_on_cpu.detectnet(detectnet, interpreter.decoder, floats, *words, picture=picture)
        found = cuda_on_cpu.detectnet(detectnet, interpreter.decoder, halves, *words, picture=picture, layout=layout)
        assert len(expected[0]) > 50 and all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected))


@pytest.mark.parametrize("layout", ["linear", "hwc8", "chw32"])
def test_fine_labels_of_several_groups(detectnet, layout):
    model = find_model("edgecam-detectnet-960x540")
    groups = [{"fine": ["car", "bus"]}, {"label": "person"}, {"fine": ["truck", "two-wheeler", "person"]}]
    model = model._replace(decoder=dict(model.decoder, groups=groups))
    random, outputs = np.random.RandomState(3), grids()
    for name in ("fine4", "fine8"):
        outputs[name] = random.randn(1, 5, *outputs[name].shape[2:])
    halves = {name: array.astype(np.float16) for name, array in outputs.items()}
    interpreter = Interpreter(model, load_config().detect)
    expected = interpreter.interpret({name: array.astype(np.float32) for name, array in halves.items()}, 0.3, lambda boxes: boxes)
    found = cuda_on_cpu.detectnet(detectnet, interpreter.decoder, halves, len(model.labels), 0.3, interpreter.iou, interpreter.limit, layout=layout)
    assert [model.labels[label] for label in found[2]] == [one.label for one in expected] and len({one.label for one in expected}) == 5


@pytest.mark.parametrize("capability", [(5, 3), (6, 2), (7, 2), (8, 7), (9, 0)])
@pytest.mark.parametrize("name", ["preprocess", "detectnet"])
def test_kernels_compile_for_every_board(name, capability):
    try:
        library = nvrtc.load()
    except BackendUnavailable as error:
        pytest.skip(str(error))
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    if capability < (7, 5) and major.value >= 13:
        pytest.skip("CUDA 13 has left this board behind")
    assert len(nvrtc.compile_source(kernels.source(name), name + ".cu", kernels.OPTIONS, capability)[0]) > 1000


def test_what_does_not_compile_is_said():
    try:
        nvrtc.load()
    except BackendUnavailable as error:
        pytest.skip(str(error))
    with pytest.raises(DetectorError, match="broken.cu can't be compiled"):
        nvrtc.compile_source("nonsense", "broken.cu", (), (8, 7))
