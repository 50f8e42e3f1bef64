"""The field's two yardsticks as networks with random weights: GoogleNet at 224x224, and its trunk as a detector at 960x540.

Shapes are torchvision's `GoogLeNet` (Szegedy et al. 2014 with 3x3 in place of 5x5 convolutions, batch norm folded, no
auxiliary heads); the detector is that trunk without pool4, so that it ends at stride 16, and two 1x1 convolutions,
coverage and boxes, as in NVIDIA's first DetectNet. Weights don't matter to the clock: they are drawn anew from one seed.
"""
import json
import os

import numpy as np

from edgecam.detect.description import read_description
from edgecam.errors import BackendUnavailable, OutputError, reason
from edgecam.whole_file import write_whole

# 1x1 / 3x3 reduce, 3x3 / second 3x3 reduce, second 3x3 / pool projection
STAGES = {"3": ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
          "4": ((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
                (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128)),
          "5": ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))}
SEEDS = ("googlenet-224", "googlenet-detectnet-960x540")


def write_seed(name, folder):
    """Write the network *name*, one of `SEEDS`, with its description into *folder* unless it is there, and return its
    `ModelDescription`. Raises `BackendUnavailable` without the package onnx, `OutputError` where the folder takes nothing.
    """
    path = os.path.join(folder, name + ".json")
    if not os.path.isfile(path):
        network, describe = {SEEDS[0]: (googlenet, classifier), SEEDS[1]: (detectnet, detector)}[name]
        content = network()
        description = dict(describe(), format=1, name=name, file=name + ".onnx", licence="random weights")
        try:
            os.makedirs(folder, exist_ok=True)
            write_whole(os.path.join(folder, name + ".onnx"), content)
            write_whole(path, json.dumps(description, indent=1).encode())
        except OSError as error:
            raise OutputError("{}: can't be written: {}".format(path, reason(error))) from error
    return read_description(path)


def classifier():
    return {"input": {"name": "image", "width": 224, "height": 224, "mean": [123.7, 116.3, 103.5], "scale": [0.0171, 0.0175, 0.0174]},
            "output": {"names": ["logits"]}, "labels": ["class"], "decoder": {"kind": "none"}, "gflops": 3.0}


def detector():
    grid = {"stride": 16, "coverage": "coverage", "boxes": "boxes"}
    return {"input": {"name": "image", "width": 960, "height": 540, "mean": 128, "scale": 0.0078125},
            "output": {"names": ["coverage", "boxes"]}, "labels": ["object"], "gflops": 40.0,
            "decoder": {"kind": "detectnet", "grids": [grid], "groups": [{"label": "object"}],
                        "coverage_activation": "sigmoid", "box_encoding": "corners"}}


def googlenet():
    layers = Layers(224, 224)
    trunk(layers, pool4=True)
    layers.add("GlobalAveragePool")
    layers.add("Flatten", axis=1)
    return layers.finish({"logits": layers.linear(1000)}, {"logits": [1, 1000]})


def detectnet():
    layers = Layers(960, 540)
    trunk(layers, pool4=False)
    features = layers.last
    heads = {"coverage": layers.convolve(1, 1, source=features, rectified=False, bias=-8.0),
             "boxes": layers.convolve(4, 1, source=features, rectified=False)}
    return layers.finish(heads, {name: [1, channels, 33, 60] for name, channels in (("coverage", 1), ("boxes", 4))})


def trunk(layers, pool4):
    layers.convolve(64, 7, 2)
    layers.pool(3, 2)
    layers.convolve(64, 1)
    layers.convolve(192, 3)
    layers.pool(3, 2)
    for row in STAGES["3"]:
        inception(layers, row)
    layers.pool(3, 2)
    for row in STAGES["4"]:
        inception(layers, row)
    if pool4:
        layers.pool(2, 2)
    for row in STAGES["5"]:
        inception(layers, row)


def inception(layers, row):
    one, reduce_3, three, reduce_5, five, projected = row
    source = layers.last
    layers.join([layers.convolve(one, 1, source=source),
                 layers.convolve(three, 3, source=layers.convolve(reduce_3, 1, source=source)),
                 layers.convolve(five, 3, source=layers.convolve(reduce_5, 1, source=source)),
                 layers.convolve(projected, 1, source=layers.pool(3, 1, source=source))])


class Layers:
    """An ONNX graph (opset 13, batch 1) under construction; each step works on the last tensor unless a *source* is named."""

    def __init__(self, width, height):
        try:
            import onnx
            from onnx import helper, numpy_helper
        except ImportError as error:
            raise BackendUnavailable("the yardstick networks are not measured here ({}): pip install onnx".format(error)) from error
        self._onnx, self._helper, self._to_tensor = onnx, helper, numpy_helper.from_array
        self._random, self._nodes, self._weights = np.random.RandomState(0), [], []
        self._input = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, height, width])
        self.last, self._channels = "image", {"image": 3}

    def add(self, kind, sources=None, channels=None, **attributes):
        sources = sources or [self.last]
        name = "{}{}".format(kind.lower(), len(self._nodes))
        self._nodes.append(self._helper.make_node(kind, sources, [name], name=name, **attributes))
        self._channels[name] = channels or self._channels[sources[0]]
        self.last = name
        return name

    def _weight(self, shape, fan_in):
        name = "w{}".format(len(self._weights))
        values = self._random.standard_normal(shape) * (2.0 / fan_in) ** 0.5
        self._weights.append(self._to_tensor(values.astype(np.float32), name))
        return name

    def _bias(self, channels, value):
        name = "b{}".format(len(self._weights))
        self._weights.append(self._to_tensor(np.full(channels, value, np.float32), name))
        return name

    def convolve(self, channels, size, stride=1, source=None, rectified=True, bias=0.0):
        source = source or self.last
        taken = self._channels[source]
        tensors = [source, self._weight((channels, taken, size, size), taken * size * size), self._bias(channels, bias)]
        name = self.add("Conv", tensors, channels, kernel_shape=[size, size], strides=[stride, stride], pads=[size // 2] * 4)
        return self.add("Relu") if rectified else name

    def pool(self, size, stride, source=None):
        pads = [1] * 4 if stride == 1 else [0] * 4
        return self.add("MaxPool", [source or self.last], kernel_shape=[size, size], strides=[stride, stride], pads=pads, ceil_mode=1)

    def join(self, names):
        return self.add("Concat", names, sum(self._channels[name] for name in names), axis=1)

    def linear(self, channels):
        taken = self._channels[self.last]
        return self.add("Gemm", [self.last, self._weight((channels, taken), taken), self._bias(channels, 0.0)], channels, transB=1)

    def finish(self, outputs, shapes):
        """Return the model's bytes; *outputs* is {name: tensor}, *shapes* {name: sizes}."""
        helper, kind = self._helper, self._onnx.TensorProto.FLOAT
        for name, tensor in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name], name=name))
        graph = helper.make_graph(self._nodes, "seed", [self._input], [helper.make_tensor_value_info(name, kind, shapes[name]) for name in outputs],
                                  self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="edgecam")
        model.ir_version = 7
        self._onnx.checker.check_model(model)
        return model.SerializeToString()
