"""Which files a network consists of, and what is said where this TensorRT can't read them; no GPU is needed."""
import json

import pytest

import recorded_tensorrt
from edgecam.detect import plans, tensorrt_parsers
from edgecam.detect.models import find_model
from edgecam.errors import ModelError
from tiny_onnx import bright_description
from tiny_uff import bright_uff, write_uff


@pytest.fixture
def make(tmp_path):
    def make(file, *others):
        for name in (file,) + others:
            (tmp_path / name).write_bytes(name.encode())
        (tmp_path / "bright.json").write_text(json.dumps(dict(bright_description(), file=file)))
        return find_model(str(tmp_path / file))
    return make


@pytest.mark.parametrize("others, found", [(("ped.prototxt", "deploy.prototxt"), "ped.prototxt"), (("deploy.prototxt",), "deploy.prototxt")])
def test_a_caffe_network_is_two_files(make, tmp_path, others, found):
    model = make("ped.caffemodel", *others)
    assert tensorrt_parsers.network_files(model) == [str(tmp_path / "ped.caffemodel"), str(tmp_path / found)]


def test_layers_that_are_missing(make):
    with pytest.raises(ModelError, match="put ped.prototxt or deploy.prototxt beside it"):
        tensorrt_parsers.network_files(make("ped.caffemodel"))


def test_other_layers_make_another_plan(make, tmp_path):
    gpu = type("Gpu", (), {"name": "Nano", "capability": (5, 3)})
    model = make("ped.caffemodel", "ped.prototxt")
    before = plans.plan_key(model, "8.2", gpu, "fp16", 1, {})
    (tmp_path / "ped.prototxt").write_text("another")
    assert plans.plan_key(model, "8.2", gpu, "fp16", 1, {}) != before


@pytest.mark.parametrize("file, kind", [("ped.caffemodel", "Caffe"), ("ssd.uff", "UFF")])
def test_tensorrt_10_says_that_it_reads_them_no_more(make, file, kind):
    model = make(file, "ped.prototxt")
    with pytest.raises(ModelError, match="this TensorRT 10.3.0 reads no {}: .* convert the network to ONNX".format(kind)):
        tensorrt_parsers.parse(recorded_tensorrt.module("10"), None, None, model)


def test_a_missing_blob_is_named(make):
    class Parser:
        def parse(self, deploy, model, network, dtype):
            assert deploy.endswith("ped.prototxt") and model.endswith("ped.caffemodel")
            return Blobs()

    class Blobs:
        def find(self, name):
            return "tensor" if name == "cov" else None

    class Network:
        marked = []

        def mark_output(self, tensor):
            self.marked.append(tensor)
    trt = recorded_tensorrt.module("8.2")
    trt.CaffeParser, trt.float32 = Parser, trt.DataType.FLOAT
    with pytest.raises(ModelError, match="ped.prototxt: has no blob box"):
        tensorrt_parsers.parse(trt, Network(), None, make("ped.caffemodel", "ped.prototxt"))
    assert Network.marked == ["tensor"]


def test_a_uff_network_is_told_its_ends_and_lacks_the_batch(monkeypatch, tmp_path):
    class Parser:
        told = []

        def register_input(self, name, shape):
            self.told.append((name, shape))

        def register_output(self, name):
            self.told.append(name)

        def parse(self, file, network):
            self.told.append((open(file, "rb").read(), network))
            return len(self.told) < 5
    write_uff(tmp_path)
    trt, model = recorded_tensorrt.module("8.2"), find_model("bright", str(tmp_path))
    monkeypatch.setattr(trt, "UffParser", Parser)
    assert isinstance(tensorrt_parsers.parse(trt, "network", None, model), Parser) and not tensorrt_parsers.carries_batch(model)
    assert Parser.told == [("image", (3, 64, 96)), "cov", "box", (bright_uff(), "network")]
    with pytest.raises(ModelError, match="bright.uff: TensorRT can't read it: Conv"):
        tensorrt_parsers.parse(trt, "network", type("Logger", (), {"last": "Conv"}), model)
