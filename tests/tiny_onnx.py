"""Small ONNX files written byte by byte (onnx.proto3's field numbers), so that engines run in tests without the onnx package."""
import json
import struct

import numpy as np

ELEMENT = {"float32": 1, "uint8": 2, "int64": 7}


def varint(value):
    value, out = value & (2 ** 64 - 1), bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """One field: an int, or bytes or text with their length in front."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, array):
    """An initializer."""
    dims = b"".join(field(1, size) for size in array.shape)
    return dims + field(2, ELEMENT[array.dtype.name]) + field(8, name) + field(9, array.tobytes())


def value(name, dtype, shape):
    """A graph's input or output; a text in *shape* is a free dimension."""
    dims = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, ELEMENT[dtype]) + field(2, dims)))


def attribute(name, setting):
    if isinstance(setting, float):
        return field(1, name) + varint(2 << 3 | 5) + struct.pack("<f", setting) + field(20, 1)
    if isinstance(setting, int):
        return field(1, name) + field(3, setting) + field(20, 2)
    return field(1, name) + b"".join(field(8, item) for item in setting) + field(20, 7)


def node(kind, inputs, outputs, **attributes):
    return (b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs) + field(4, kind)
            + b"".join(field(5, attribute(*item)) for item in sorted(attributes.items())))


def model(nodes, initializers, inputs, outputs):
    """Return the bytes of a model at opset 13, IR version 7."""
    graph = (b"".join(field(1, item) for item in nodes) + field(2, "tiny")
             + b"".join(field(5, tensor(name, array)) for name, array in initializers.items())
             + b"".join(field(11, value(*item)) for item in inputs) + b"".join(field(12, value(*item)) for item in outputs))
    return field(1, 7) + field(8, field(1, "") + field(2, 13)) + field(7, graph)


def bright_cells(width=96, height=64, stride=8, packed=False):
    """A DetectNet that boxes each *stride* x *stride* cell which is brighter than the middle: outputs cov, box.

    cov is (mean of the cell - 128) / 8 as raw score; box is half a stride to each side. *packed*: the
    input is uint8 NHWC.
    """
    initializers = {"w": np.full((1, 3, stride, stride), 1.0 / (3 * stride * stride * 8), np.float32), "b": np.float32([-16]),
                    "zero": np.zeros((4, 3, stride, stride), np.float32), "half": np.full(4, np.log(0.5), np.float32)}
    unpack = [node("Cast", ["image"], ["real"], to=1), node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2])] if packed else []
    planes, dtype, shape = ("planes", "uint8", [1, height, width, 3]) if packed else ("image", "float32", [1, 3, height, width])
    nodes = unpack + [node("Conv", [planes, "w", "b"], ["cov"], strides=[stride, stride]),
                      node("Conv", [planes, "zero", "half"], ["box"], strides=[stride, stride])]
    grid = [height // stride, width // stride]
    return model(nodes, initializers, [("image", dtype, shape)],
                 [("cov", "float32", [1, 1] + grid), ("box", "float32", [1, 4] + grid)])


def bright_description(name="bright", width=96, height=64, stride=8):
    """The description of `bright_cells`, as a dict."""
    return {"format": 1, "name": name, "file": name + ".onnx", "licence": "Apache-2.0", "gflops": 0.01,
            "input": {"name": "image", "width": width, "height": height}, "output": {"names": ["cov", "box"]},
            "decoder": {"kind": "detectnet", "grids": [{"stride": stride, "coverage": "cov", "boxes": "box"}],
                        "coverage_activation": "sigmoid", "box_encoding": "ltrb-exp", "groups": [{"label": "light"}]},
            "labels": ["light"], "nms": {"iou": 0.5, "max_detections": 50}, "threshold": 0.5}


def write_bright(folder, network=None, **changes):
    """Write `bright_cells`, or another *network*, into *folder* with its description, *changes* made to it, and return that one's path."""
    (folder / "bright.onnx").write_bytes(bright_cells() if network is None else network)
    (folder / "bright.json").write_text(json.dumps(dict(bright_description(), **changes)))
    return str(folder / "bright.json")


def of_persons():
    """Return the changes that make persons of what `bright_cells` finds."""
    return {"labels": ["person"], "decoder": dict(bright_description()["decoder"], groups=[{"label": "person"}])}

