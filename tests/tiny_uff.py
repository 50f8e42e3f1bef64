"""The network of tiny_onnx as a UFF network, written byte by byte.

Field numbers and constants are those that Netron reads (lutzroeder/netron, source/uff-proto.js). Operations, their fields and
how axes are named are those of NVIDIA's package uff 0.6 (model/core_descriptor.py, graph.py, meta_graph.py), and the nodes are
what its converter makes of TensorFlow's Conv2D and BiasAdd in NCHW (converters/tensorflow/converter_functions.py).
"""
import json

import numpy as np

from tiny_onnx import bright_description, field, varint

TEXT, INTS, BLOB, REFERENCE, TYPE, ORDERS = 1, 8, 9, 100, 101, 104      # fields of Data
FLOAT32 = 0x20020
SPECIAL, ONWARDS = -1, 0x7fffffff       # OE_SPECIAL, the key of an order; OE_INCREMENT: all axes from the last named one on
NCHW, KCHW, HWCK = (0, 1, 2, ONWARDS), (0, 1, 2, ONWARDS), (2, ONWARDS, 1, 0)     # "NC+"; "KC+" and "+CK", of weights


def ints(values):
    return field(1, b"".join(varint(value) for value in values))


def orders(*axes):
    """Data: which axis lies where, of each input."""
    return field(ORDERS, b"".join(field(1, field(1, field(1, SPECIAL) + field(2, ints(order)))) for order in axes))


def node(kind, name, *inputs, **fields):
    entries = [field(1, key) + field(2, data) for key, data in sorted(fields.items())]
    return field(1, name) + b"".join(field(2, name) for name in inputs) + field(3, kind) + b"".join(field(4, entry) for entry in entries)


def typed(kind, name, shape, **fields):
    return node(kind, name, dtype=field(TYPE, FLOAT32), shape=field(INTS, ints(shape)), **fields)


def layer(name, weights, bias, stride=8):
    """Return the nodes of a convolution of `image` with its bias, and what they refer to. *weights* are HWCK, as TensorFlow has them."""
    arrays = {name + "/kernel": weights, name + "/bias": bias.reshape(-1, 1, 1)}
    nodes = [typed("Const", key, array.shape, values=field(REFERENCE, "weights_" + key)) for key, array in arrays.items()]
    nodes += [node("Conv", name + "/Conv2D", "image", name + "/kernel", inputs_orders=field(REFERENCE, "orders_NC+_+CK"),
                   strides=field(INTS, ints([stride, stride]))),
              node("Binary", name, name + "/Conv2D", name + "/bias", func=field(TEXT, "add"))]
    return nodes, {"weights_" + key: field(BLOB, array.astype("<f4").tobytes()) for key, array in arrays.items()}


def meta_graph(nodes, referenced):
    """Return the bytes of a file: version 1 of the format and of its operations."""
    return (field(1, 1) + field(2, 1) + field(4, field(1, "main") + b"".join(field(2, item) for item in nodes))
            + b"".join(field(5, field(1, key) + field(2, data)) for key, data in referenced.items()))


def bright_uff():
    cov, seen = layer("cov", np.full((8, 8, 3, 1), 1.0 / (3 * 64 * 8)), np.array([-16.0]))
    box, more = layer("box", np.zeros((8, 8, 3, 4)), np.full(4, np.log(0.5)))
    ends = [node("MarkOutput", "MarkOutput_0", "cov"), node("MarkOutput", "MarkOutput_1", "box")]
    return meta_graph([typed("Input", "image", (-1, 3, 64, 96))] + cov + box + ends, dict(seen, **more, **{"orders_NC+_+CK": orders(NCHW, HWCK)}))


def write_uff(folder):
    """Write bright.uff and bright.json into *folder*."""
    (folder / "bright.uff").write_bytes(bright_uff())
    (folder / "bright.json").write_text(json.dumps(dict(bright_description(), file="bright.uff")))
