"""The network of tiny_onnx as a Caffe network, written byte by byte (caffe.proto's field numbers)."""
import json

import numpy as np

from tiny_onnx import bright_description, field, varint

LAYERS = """name: "bright"
input: "image"
input_shape { dim: 1 dim: 3 dim: 64 dim: 96 }
layer { name: "cov" type: "Convolution" bottom: "image" top: "cov" convolution_param { num_output: 1 kernel_size: 8 stride: 8 } }
layer { name: "box" type: "Convolution" bottom: "image" top: "box" convolution_param { num_output: 4 kernel_size: 8 stride: 8 } }
"""


def blob(array):
    return field(5, array.astype("<f4").tobytes()) + field(7, field(1, b"".join(varint(size) for size in array.shape)))


def layer(name, *weights):
    return field(100, field(1, name) + field(2, "Convolution") + field(3, "image") + field(4, name)
                 + b"".join(field(7, blob(array)) for array in weights))


def write_caffe(folder):
    """Write bright.caffemodel, bright.prototxt and bright.json into *folder*."""
    weights = field(1, "bright") + layer("cov", np.full((1, 3, 8, 8), 1.0 / (3 * 64 * 8)), np.array([-16.0]))
    weights += layer("box", np.zeros((4, 3, 8, 8)), np.full(4, np.log(0.5)))
    (folder / "bright.caffemodel").write_bytes(weights)
    (folder / "bright.prototxt").write_text(LAYERS)
    (folder / "bright.json").write_text(json.dumps(dict(bright_description(), file="bright.caffemodel")))
