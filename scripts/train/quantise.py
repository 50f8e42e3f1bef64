"""INT8 for the CPU: ``python quantise.py models/NAME.onnx --data DATA -o models/NAME-int8.onnx``.

Static QDQ quantisation by ONNX Runtime, calibrated on training pictures as the network sees them: weights signed,
per channel and in 7 bits (without VNNI, AVX2 adds pairs of 8-bit products in 16 bits and would saturate), activations
unsigned.  The last convolutions, which give scores and distances, stay in float.
"""
import argparse
import json
import os
import sys

import cv2
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from canvas import letterbox_scale
from export import description
from network import HEIGHT, WIDTH
from pictures import encoded, read_all
from refused import run
from store import decode

GREY = 114


def shown(picture, rgb):
    """A picture as network input ``[1, 3, 540, 960]`` float32."""
    zoom = letterbox_scale(picture.size)
    width, height = (int(round(edge * zoom)) for edge in picture.size)
    canvas = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    canvas[top:top + height, left:left + width] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None]).astype(np.float32)


class Frames(CalibrationDataReader):
    """Every n-th training picture, so that all sources are there."""

    def __init__(self, folder, count):
        pictures = read_all(folder, part="train")
        pictures = pictures[::max(1, len(pictures) // count)][:count]
        self.frames = (shown(pictures[i], decode(data)) for i, data in encoded(folder, pictures))

    def get_next(self):
        frame = next(self.frames, None)
        return None if frame is None else {"image": frame}


def last_convolutions(model):
    """Names of the nodes that give the outputs."""
    outputs = {o.name for o in model.graph.output}
    return [n.name for n in model.graph.node if outputs.intersection(n.output)]


def slim(model):
    """Take out what no runtime needs: names of nodes, long names and shapes of tensors, zero points of weights (all zero)."""
    graph = model.graph
    zeros = {w.name for w in graph.initializer if not onnx.numpy_helper.to_array(w).any() and w.data_type != onnx.TensorProto.FLOAT}
    symmetric = {w.name for w in graph.initializer if w.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.INT32)}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == 3 and node.input[2] in zeros & symmetric:
            del node.input[2]
    used = {name for node in graph.node for name in node.input}
    for weight in [w for w in graph.initializer if w.name not in used]:
        graph.initializer.remove(weight)
    short = dict({v.name: v.name for v in list(graph.input) + list(graph.output)}, **{"": ""})      # "": left out
    for node in graph.node:
        node.name = ""
        node.input[:] = [short.setdefault(name, "t%x" % len(short)) for name in node.input]
        node.output[:] = [short.setdefault(name, "t%x" % len(short)) for name in node.output]
    for weight in graph.initializer:
        weight.name = short[weight.name]
    del graph.value_info[:]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True, help="the folder that holds train/")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--frames", type=int, default=240, help="training pictures to calibrate on")
    options = parser.parse_args(argv)
    model = onnx.load(options.model)
    quantize_static(options.model, options.output, Frames(options.data, options.frames), quant_format=QuantFormat.QDQ,
                    per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    nodes_to_exclude=last_convolutions(model), calibrate_method=CalibrationMethod.MinMax)
    made = onnx.load(options.output)
    for unused in [o for o in made.opset_import if o.domain]:
        made.opset_import.remove(unused)        # ONNX Runtime 1.10 refuses domains that it does not know
    made.ir_version = 7
    slim(made)
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, options.output)
    with open(os.path.splitext(options.model)[0] + ".json") as handle:
        base = json.load(handle)
    found = description(options.output, base["variant"], "int8", base["gflops"], base["parameters"], base["output"]["names"])
    with open(os.path.splitext(options.output)[0] + ".json", "w") as handle:
        json.dump(found, handle, indent=1)
        handle.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
