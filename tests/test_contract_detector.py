"""What every engine must keep, over one small real network that boxes bright cells."""
import os
import threading
from fractions import Fraction

import numpy as np
import pytest

from edgecam.config import load_config
from edgecam.detect import NoDetector, choose_engine, open_detector
from edgecam.errors import BackendUnavailable, ConfigError, DetectorError, EdgecamError, ModelError
from edgecam.vocabulary import Frame, VideoFormat
from tiny_onnx import bright_cells, bright_description, write_bright

WIDTH, HEIGHT = 96, 64
NEAR = 0.02         # pixels: OpenVINO computes FP32 networks in bfloat16 on processors with AMX


@pytest.fixture(params=["onnx", "openvino", "tensorrt"])
def engine(request):
    try:
        choose_engine(request.param)
    except BackendUnavailable as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def folder(tmp_path):
    write_bright(tmp_path)
    return tmp_path


def settings(folder, engine, **changes):
    return load_config().detect.replace(backend=engine, model="bright", models=str(folder), **changes)


def picture(fourcc="GREY", width=WIDTH, height=HEIGHT, squares=((1, 2),), number=0):
    """A black frame with white cells at (column, row), each an 8x8 of the 96x64 picture scaled to this size."""
    luma = np.full((height, width), 16, np.uint8)
    for column, row in squares:
        luma[row * height // 8:(row + 1) * height // 8, column * width // 12:(column + 1) * width // 12] = 235
    half = (height + 1) // 2, (width + 1) // 2
    planes = {"GREY": lambda: (luma,), "I420": lambda: (luma, np.full(half, 128, np.uint8), np.full(half, 128, np.uint8)),
              "NV12": lambda: (luma, np.full(half + (2,), 128, np.uint8)),
              "YUYV": lambda: (np.stack([luma, np.full_like(luma, 128)], axis=2),),
              "BGR3": lambda: (np.repeat(luma[:, :, None], 3, axis=2),)}[fourcc]()
    video = VideoFormat(width, height, fourcc, Fraction(30), Fraction(1, 30), False)
    return Frame(number, number / 30.0, number, video, planes)


def test_finds_the_cell_in_frame_pixels(engine, folder):
    with open_detector(settings(folder, engine)) as detector:
        found, = detector.detect(picture())
    assert found.label == "light" and found.score > 0.99
    assert found.box == pytest.approx((8, 16, 8, 8), abs=NEAR)
    assert detector.name == engine and detector.model == "bright" and detector.size == (96, 64) and detector.labels == ("light",)


@pytest.mark.parametrize("fourcc", ["I420", "NV12", "YUYV", "GREY", "BGR3"])
@pytest.mark.parametrize("size", [(96, 64), (192, 128), (960, 640), (48, 32)])
def test_every_format_and_size_gives_the_same_box(engine, folder, fourcc, size):
    with open_detector(settings(folder, engine)) as detector:
        found = detector.detect(picture(fourcc, *size))[0]
    scale = size[0] / 96.0
    assert found.box == pytest.approx((8 * scale, 16 * scale, 8 * scale, 8 * scale), abs=0.02 * scale)


def test_packed_bytes_as_input(engine, tmp_path):
    write_bright(tmp_path, bright_cells(packed=True), input={"name": "image", "width": 96, "height": 64, "layout": "NHWC", "dtype": "uint8"})
    with open_detector(settings(tmp_path, engine)) as detector:
        for column in (1, 7):
            assert detector.detect(picture("NV12", squares=((column, 2),)))[0].box == pytest.approx((8 * column, 16, 8, 8), abs=NEAR)


def test_several_threads_give_the_same(engine, folder):
    with open_detector(settings(folder, engine, threads=1)) as one, open_detector(settings(folder, engine, threads=2)) as two:
        assert (one.threads, two.threads) == ((1, 1) if engine == "tensorrt" else (1, 2))       # on a GPU there is one of ours
        assert one.detect(picture()) == two.detect(picture())


def test_bare_engine_runs_without_the_rest(engine, folder):
    with open_detector(settings(folder, engine)) as detector:
        outputs = detector.bare_engine(picture())()
    assert sorted(outputs) == ["box", "cov"] and outputs["cov"].shape == (1, 1, 8, 12)


def test_the_size_may_change_between_frames(engine, folder):
    with open_detector(settings(folder, engine)) as detector:
        for width, height in ((192, 128), (96, 64), (192, 128)):
            assert detector.detect(picture("I420", width, height))[0].box.w == pytest.approx(width / 12.0, abs=0.1)


def test_best_first_and_threshold(engine, folder):
    grey = picture(squares=())
    grey.planes[0][16:24, 8:16] = 16 + 219 * 135 // 255        # a little over the middle
    grey.planes[0][40:48, 40:48] = 235
    with open_detector(settings(folder, engine)) as detector:
        scores = [found.score for found in detector.detect(grey)]
        assert len(scores) == 2 and scores == sorted(scores, reverse=True)
        assert len(detector.detect(grey, threshold=0.9)) == 1
        assert len(detector.detect(grey, threshold=0.0)) == 50          # the description's limit of the 96 cells


def test_settings_overrule_the_description(engine, folder):
    with open_detector(settings(folder, engine, threshold=0.0, max_detections=7)) as detector:
        assert len(detector.detect(picture())) == 7


def test_results_outlive_the_next_call(engine, folder):
    with open_detector(settings(folder, engine)) as detector:
        first = detector.detect(picture(squares=((1, 2),)))
        detector.detect(picture(squares=((5, 5),)))
    assert first[0].box == pytest.approx((8, 16, 8, 8), abs=NEAR)


def test_empty_picture_gives_an_empty_list(engine, folder):
    with open_detector(settings(folder, engine)) as detector:
        assert detector.detect(picture(squares=())) == []


def test_runs_in_a_lane_of_its_own_at_lower_priority(engine, folder):
    answers = []

    def lane():
        with open_detector(settings(folder, engine, nice=7)) as detector:
            answers.append(detector.detect(picture()))
            answers.append(os.getpriority(os.PRIO_PROCESS, 0))
    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=lane)
    thread.start()
    thread.join()
    assert len(answers[0]) == 1 and answers[1] == max(7, before)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_closing_twice_is_fine(engine, folder):
    detector = open_detector(settings(folder, engine))
    detector.close()
    detector.close()


def test_frame_without_planes_is_refused(engine, folder):
    bare = Frame(0, 0.0, 0, picture().format, ())
    with open_detector(settings(folder, engine)) as detector:
        with pytest.raises(DetectorError, match="no planes"):
            detector.detect(bare)


@pytest.mark.parametrize("change, words", [
    ({"network": b"\x89PNG not a network"}, "can't load it"),
    ({"network": b""}, "can't load it"),
    ({"network": bright_cells()[:400]}, "can't load it"),
    ({"sha256": "0" * 64}, "SHA-256 differs"),
    ({"input": {"name": "data", "width": 96, "height": 64}}, "its inputs are image"),
    ({"input": {"name": "image", "width": 960, "height": 540}}, "its input image is float32 1x3x64x96"),
    ({"input": {"name": "image", "width": 96, "height": 64, "dtype": "uint8"}}, "describes uint8"),
    ({"output": {"names": ["cov", "box", "fine"]}}, "has no output fine"),
    ({"decoder": dict(bright_description()["decoder"], groups=[{"label": "light"}] * 2)}, "2 groups"),
])
def test_what_does_not_fit_is_one_clear_line(engine, tmp_path, change, words):
    write_bright(tmp_path, **change)
    with pytest.raises(ModelError) as caught:
        open_detector(settings(tmp_path, engine))
    assert words in str(caught.value) and "\n" not in str(caught.value) and "bright" in str(caught.value)


def test_missing_network_file(engine, folder):
    (folder / "bright.onnx").unlink()
    with pytest.raises(ModelError, match="missing"):
        open_detector(settings(folder, engine))


def test_unknown_class_in_the_filter(engine, folder):
    with pytest.raises(ConfigError, match="knows no cat; its labels are light"):
        open_detector(settings(folder, engine, classes=["cat"]))


def test_none_sees_nothing():
    with open_detector(load_config().detect.replace(backend="none")) as detector:
        assert isinstance(detector, NoDetector) and detector.detect(picture()) == []


def test_a_named_engine_that_is_absent_fails_with_the_reason(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendUnavailable, match="OpenVINO is not installed") as caught:
        open_detector(load_config().detect.replace(backend="openvino", model="bright"))
    assert isinstance(caught.value, EdgecamError)


def test_automatic_choice_says_what_it_passed_over(monkeypatch, caplog, folder):
    import sys
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    caplog.set_level("INFO")
    with open_detector(settings(folder, "auto")) as detector:
        assert detector.name == "onnx"
    assert "openvino passed over: OpenVINO is not installed" in caplog.text and "detector: <bright on onnx" in caplog.text
