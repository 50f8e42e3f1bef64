"""Which of TensorRT's APIs is spoken, on recorded signatures of three generations; no GPU is needed."""
import sys
from types import SimpleNamespace

import pytest

import recorded_tensorrt
from edgecam.detect import choose_engine, tensorrt_api, tensorrt_build
from edgecam.errors import BackendUnavailable, ConfigError, DetectorError, ModelError

VERSIONS = ("8.2", "8.5", "10")
EXPECTED = {"8.2": "bindings", "8.5": "named tensors", "10": "named tensors"}
ADDRESSES = {"cov": 20, "image": 10, "box": 30}


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def trt(version):
    return recorded_tensorrt.module(version)


@pytest.fixture
def engine(trt):
    return tensorrt_api.LoadedEngine(trt, b"a plan")


def test_the_generation_is_what_the_engine_has(engine, version):
    assert engine.generation == EXPECTED[version]


def test_the_tensors_are_the_same_by_either_way(engine):
    assert engine.tensors == [("image", True, (2, 3, 64, 96), "float16", "linear"), ("cov", False, (2, 1, 8, 12), "float32", "linear"),
                              ("box", False, (2, 4, 8, 12), "float32", "linear")]


def test_an_inference_is_queued_with_every_address(trt, engine, version):
    engine.runner(ADDRESSES)(5)
    if version == "8.2":
        assert trt.diary == [("v2", (10, 20, 30), 5)]           # in the engine's order
    else:
        assert sorted(trt.diary[:3]) == sorted(ADDRESSES.items()) and trt.diary[3:] == [("v3", 5)]


def test_the_older_way_can_be_asked_for_where_both_are(version):
    trt = recorded_tensorrt.module("8.5")
    engine = tensorrt_api.LoadedEngine(trt, b"a plan", tensorrt_api.NumberedTensors)
    engine.runner(ADDRESSES)(5)
    assert engine.generation == "bindings" and trt.diary == [("v2", (10, 20, 30), 5)]


@pytest.mark.parametrize("version", ["8.2", "8.5"])
def test_an_implicit_batch_is_told_with_each_inference(trt):
    """As UFF's networks have it: named tensors know no such engines."""
    explicit, trt.implicit = tensorrt_api.LoadedEngine(trt, b"a plan").tensors, True
    engine = tensorrt_api.LoadedEngine(trt, b"a plan")
    engine.runner(ADDRESSES)(5)
    assert engine.generation == "bindings" and engine.tensors == explicit and trt.diary == [("v1", 2, (10, 20, 30), 5)]


def test_a_failure_on_a_frame_is_a_detector_error():
    engine = tensorrt_api.LoadedEngine(recorded_tensorrt.module("10"), b"a plan")
    with pytest.raises(DetectorError, match="TensorRT failed"):
        engine.runner(ADDRESSES)(13)


def test_a_plan_that_is_none_fails_with_tensorrts_word(trt):
    with pytest.raises(ModelError, match="can't be loaded: Serialization assertion magicTag failed"):
        tensorrt_api.LoadedEngine(trt, b"junk")


def test_an_engine_of_neither_kind():
    with pytest.raises(DetectorError, match="neither named tensors nor bindings"):
        tensorrt_api.generation_of(object())


def test_the_types_need_no_nptype(trt, version):
    names = tensorrt_api.dtype_names(trt)
    assert names[trt.DataType.HALF] == "float16" and ("uint8" in names.values()) == (version != "8.2")
    assert ("int64" in names.values()) == (version == "10")


@pytest.mark.parametrize("precision, flags", [("fp32", []), ("fp16", ["FP16"]), ("int8", ["FP16"])])
def test_a_build_is_configured_as_each_generation_wants(trt, version, precision, flags):
    config, chosen = trt.Config(), tensorrt_build.BuildFlags(trt, 64)
    tensorrt_build.configure(trt, config, precision, chosen)
    if version == "8.2":
        assert config.max_workspace_size == 64 << 20
    else:
        assert config.said["workspace"] == ("WORKSPACE", 64 << 20)
    assert config.said["flags"] == flags
    assert config.said["tactics"] == sum(1 << int(getattr(trt.TacticSource, name)) for name in chosen.libraries)


def test_ranges_allow_int8(trt):
    config = trt.Config()
    tensorrt_build.use_ranges(trt, config, "calibrator")
    assert config.said["flags"] == ["INT8"] and config.int8_calibrator == "calibrator"


def test_a_build_in_haste_sets_what_this_generation_has():
    older, newer = SimpleNamespace(avg_timing_iterations=4, min_timing_iterations=2), SimpleNamespace(avg_timing_iterations=1, builder_optimization_level=3)
    for config in (older, newer):
        tensorrt_build.hurry(config)
    assert vars(older) == {"avg_timing_iterations": 1, "min_timing_iterations": 1}
    assert vars(newer) == {"avg_timing_iterations": 1, "builder_optimization_level": 0}


@pytest.mark.parametrize("wanted, fp16, expected", [("auto", True, "fp16"), ("auto", False, "fp32"), ("fp32", True, "fp32"), ("int8", True, "int8")])
def test_the_precision(monkeypatch, trt, wanted, fp16, expected):
    monkeypatch.setattr(trt, "Builder", lambda logger: SimpleNamespace(platform_has_fast_fp16=fp16, platform_has_fast_int8=True), raising=False)
    assert tensorrt_build.choose_precision(trt, wanted) == expected


def test_a_board_without_int8_is_told(monkeypatch, trt):
    monkeypatch.setattr(trt, "Builder", lambda logger: SimpleNamespace(platform_has_fast_fp16=True, platform_has_fast_int8=False), raising=False)
    with pytest.raises(ConfigError, match="no INT8 arithmetic .*use fp16"):
        tensorrt_build.choose_precision(trt, "int8")


@pytest.mark.parametrize("dtype, precision, expected", [("float32", "fp32", "float32"), ("float32", "fp16", "float16"), ("float32", "int8", "float16"),
                                                        ("float16", "fp32", "float16"), ("uint8", "int8", "uint8")])
def test_the_type_of_the_input(dtype, precision, expected):
    assert tensorrt_build.input_type(SimpleNamespace(dtype=dtype), precision) == expected


def test_networks_carry_their_batch(trt, version):
    assert tensorrt_build.explicit_batch(trt) == (0 if version == "10" else 1)


@pytest.mark.parametrize("content, used", [(b"", b""), (b"timings", b"timings"), (b"of another GPU", b"")])
def test_timings_of_another_gpu_are_dropped(trt, content, used):
    config = trt.Config()
    assert tensorrt_build.attach_timing(config, content) == used and config.said["cache"] == used


def test_no_tensorrt_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendUnavailable, match="TensorRT is not installed here .*docs/tensorrt.md"):
        choose_engine("tensorrt")


def test_tensorrt_without_pycuda_is_said(monkeypatch, trt):
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(BackendUnavailable, match="pycuda is not installed here"):
        choose_engine("tensorrt")


def test_automatic_choice_goes_past_it(monkeypatch, caplog):
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    caplog.set_level("INFO")
    assert choose_engine("auto").NAME in ("onnx", "openvino")
    assert "detector engine tensorrt passed over: TensorRT is not installed here" in caplog.text
