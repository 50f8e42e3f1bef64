"""What a build and a calibration ask of TensorRT, against recorded signatures; the real ones are in test_detect_tensorrt_gpu.py."""
from types import SimpleNamespace

import pytest

from edgecam.detect import tensorrt_build
from edgecam.detect.models import find_model
from edgecam.detect.tensorrt_calibration import Calibration
from edgecam.errors import ModelError
from test_detect_tensorrt_layouts import CHW4, LINEAR, OUTPUTS, Network, folder, trt  # noqa: F401


@pytest.fixture
def building(monkeypatch, trt):
    """Return what a build did: the network and the configuration, with the plan that TensorRT makes of them."""
    done = SimpleNamespace(network=Network(trt, OUTPUTS), config=trt.Config(), plan=b"plan")
    done.config.get_timing_cache = lambda: SimpleNamespace(serialize=lambda: b"timings")
    builder = SimpleNamespace(create_network=lambda flags: done.network, create_builder_config=lambda: done.config,
                              build_serialized_network=lambda network, config: done.plan)
    monkeypatch.setattr(trt, "Builder", lambda logger: builder, raising=False)
    monkeypatch.setattr(tensorrt_build, "import_tensorrt", lambda: trt)
    monkeypatch.setattr(tensorrt_build, "parse", lambda trt, network, logger, model: None)
    return done


def test_ranges_are_measured_with_float32_planes_and_used_with_halves(trt, folder, building):
    model, flags = find_model("bright", str(folder)), tensorrt_build.BuildFlags(trt, 64)
    tensorrt_build.calibrate(model, 4, flags, "calibrator")
    assert (building.network.image.dtype, building.network.image.allowed_formats) == (trt.DataType.FLOAT, None)
    assert building.config.said["flags"] == ["INT8"] and building.config.int8_calibrator == "calibrator"
    building.config.said["flags"] = []
    plan, timings = tensorrt_build.build_plan(model, "int8", 4, flags, b"before", "calibrator")
    assert (plan, timings) == (b"plan", b"timings")
    assert (building.network.image.dtype, building.network.image.allowed_formats) == (trt.DataType.HALF, LINEAR | CHW4)
    assert building.config.said["flags"] == ["FP16", "INT8"]


def test_a_build_that_fails_says_what_it_was_for(trt, folder, building):
    building.plan = None
    model, flags = find_model("bright", str(folder)), tensorrt_build.BuildFlags(trt, 64)
    with pytest.raises(ModelError, match="can't measure its ranges: no reason given"):
        tensorrt_build.calibrate(model, 4, flags, "calibrator")
    with pytest.raises(ModelError, match="can't build it: no reason given"):
        tensorrt_build.build_plan(model, "fp16", 4, flags)


def test_a_table_that_no_folder_takes_is_there_for_the_build(folder):
    for number in range(16):
        (folder / "{}.png".format(number)).write_bytes(b"a picture")
    cache = SimpleNamespace(load=lambda name, key: None, store=lambda name, content, key: None)
    calibration = Calibration(find_model("bright", str(folder)), str(folder), "minmax", cache)
    assert calibration.table() is None
    calibration.keep(b"ranges")
    assert calibration.table() == b"ranges"
