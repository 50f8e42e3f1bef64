"""Write a trained network as ONNX with its description: ``python export.py WEIGHTS -o models/NAME.onnx``.

Batch norm and the pixel scale are folded into the convolutions, the joint 1x1 convolutions of the Inception blocks
are taken apart (no Split in the graph), and the inner padding 540 -> 544 becomes an attribute of the first
convolution.  What is left is Conv, Relu, MaxPool (ceil mode), Concat, Resize (nearest, x2) and Add at opset 13,
IR 7: TensorRT 8.2 to 10, ONNX Runtime from 1.10 and OpenVINO parse it.
"""
import argparse
import hashlib
import io
import json
import os
import sys

import numpy as np
import onnx
import torch
from torch import nn

import checkpoint
from detections import HAND_OVER
from network import FINE, GROUPS, HEIGHT, PIXEL_SCALE, STRIDES, WIDTH, ConvBN, Inception, OriginalDetectNet, build, count
from refused import run

OUTPUTS = ("cov4", "box4", "fine4", "cov8", "box8", "fine8")
SUMMARIES = {
    "full": ("people, vehicles and two-wheelers from drones, streets and CCTV", "for GPUs and Jetsons"),
    "light": ("the same outputs at a quarter of the work", "for two CPU cores and Jetson Nano"),
    "tiny": ("the same outputs at a tenth of the work", "for a single slow core"),
    "original": ("the original DetectNet recipe", "for comparison only"),
}
INT8_PLACE = "in INT8, for CPUs only"     # the pairs of quantise.py are made for them; TensorRT makes its own INT8


def folded(block):
    """A convolution with bias that does what ``ConvBN`` does in evaluation, before its ReLU."""
    conv, bn = block.conv, block.bn
    gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    plain = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
    plain.weight.data = conv.weight.data * gain[:, None, None, None]
    plain.bias.data = bn.bias.data - bn.running_mean * gain
    return plain


def apart(entry, parts):
    """The joint 1x1 entry of an Inception block as one convolution for each branch."""
    branches, first = nn.ModuleList(), 0
    for size in parts:
        conv = nn.Conv2d(entry.in_channels, size, 1)
        conv.weight.data, conv.bias.data = entry.weight.data[first:first + size], entry.bias.data[first:first + size]
        branches.append(nn.Sequential(conv, nn.ReLU()))
        first += size
    return branches


def deployable(network):
    """The same function without batch norm; changes ``network`` in place and returns it."""
    with torch.no_grad():
        for module in list(network.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, ConvBN):
                    setattr(module, name, nn.Sequential(folded(child), nn.ReLU()) if child.rectified else folded(child))
        for module in network.modules():
            if isinstance(module, Inception):
                module.entry = apart(module.entry[0], module.parts)
    return network.eval()


def fuse_pad(graph):
    """Move the leading Mul (pixel scale) and Pad into the first Conv."""
    mul, pad, conv = (next(n for n in graph.node if n.op_type == kind) for kind in ("Mul", "Pad", "Conv"))
    assert pad.input[0] == mul.output[0] and conv.input[0] == pad.output[0], "unexpected head of the graph"
    weight = next(w for w in graph.initializer if w.name == conv.input[1])
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(PIXEL_SCALE), weight.name))
    pads = next(a for a in conv.attribute if a.name == "pads").ints
    pads[2] += -HEIGHT % 16
    conv.input[0] = mul.input[0]
    graph.node.remove(mul)
    graph.node.remove(pad)


def drop_unused(graph):
    """Remove constants and nodes whose output nobody reads."""
    kept = {o.name for o in graph.output}
    for node in reversed(list(graph.node)):
        if not kept.intersection(node.output):
            graph.node.remove(node)
        else:
            kept.update(node.input)
    for weight in [w for w in graph.initializer if w.name not in kept]:
        graph.initializer.remove(weight)


def to_onnx(network, batch=1):
    """The deployable network as an ONNX model for a fixed batch."""
    names = OUTPUTS[:2] if isinstance(network, OriginalDetectNet) else OUTPUTS
    if isinstance(network, OriginalDetectNet):
        names = ("cov16", "box16")
    data = io.BytesIO()
    torch.onnx.export(network, (torch.zeros(batch, 3, HEIGHT, WIDTH),), data, opset_version=13, dynamo=False,
                      input_names=["image"], output_names=list(names), do_constant_folding=True)
    model = onnx.load_model_from_string(data.getvalue())
    fuse_pad(model.graph)
    drop_unused(model.graph)
    del model.opset_import[1:]
    model.ir_version = 7
    model.producer_name, model.producer_version = "edgecam", ""
    onnx.checker.check_model(model, full_check=True)
    return model


def decoder(variant):
    """The description's decoder section."""
    groups = [{"label": "person"}, {"label": "vehicle", "fine": list(FINE)}, {"label": "two-wheeler"}]
    if variant == "original":
        grids = [{"stride": 16, "coverage": "cov16", "boxes": "box16", "min_size": 0, "max_size": None}]
        return {"kind": "detectnet", "grids": grids, "coverage_activation": "sigmoid", "box_encoding": "corners",
                "box_norm": 35.0, "cell_offset": 0.5, "groups": [{"label": g} for g in GROUPS]}
    limits = {4: (0, HAND_OVER), 8: (HAND_OVER, None)}
    grids = [{"stride": s, "coverage": "cov%d" % s, "boxes": "box%d" % s, "fine": "fine%d" % s,
              "min_size": limits[s][0], "max_size": limits[s][1]} for s in STRIDES]
    return {"kind": "detectnet", "grids": grids, "coverage_activation": "sigmoid", "box_encoding": "ltrb-exp",
            "boxes_shared": False, "groups": groups}


def description(path, variant, precision, gflops, parameters, names):
    """The model description that edgecam reads, version 1."""
    with open(path, "rb") as handle:
        digest = hashlib.sha256(handle.read()).hexdigest()
    name = os.path.splitext(os.path.basename(path))[0]
    what, place = SUMMARIES[variant]
    labels = list(GROUPS) if variant == "original" else ["person"] + list(FINE) + ["two-wheeler"]
    return {
        "format": 1, "name": name, "file": os.path.basename(path), "sha256": digest,
        "licence": "Apache-2.0 for the file; trained on research-only pictures too, see models/README.md",
        "summary": "; ".join((what, INT8_PLACE if precision == "int8" else place)),
        "gflops": round(gflops, 1), "parameters": parameters, "variant": variant, "precision": precision,
        "input": {"name": "image", "width": WIDTH, "height": HEIGHT, "layout": "NCHW", "dtype": "float32",
                  "colour": "RGB", "mean": [0, 0, 0], "scale": [1, 1, 1]},
        "resize": {"policy": "letterbox", "fill": 114, "anchor": "centre"},
        "output": {"names": list(names)}, "decoder": decoder(variant), "labels": labels,
        "nms": {"iou": 0.55, "max_detections": 300}, "threshold": 0.3,
    }


def parity(network, path, batch=1, seed=0):
    """Largest difference between PyTorch and ONNX Runtime, relative to each output's largest value."""
    import onnxruntime

    picture = torch.from_numpy(np.random.RandomState(seed).randint(0, 256, (batch, 3, HEIGHT, WIDTH)).astype(np.float32))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": picture.numpy()})
    with torch.no_grad():
        wanted = [o.numpy() for o in network(picture)]
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) for a, b in zip(found, wanted))


def save(model, path, variant, precision, gflops, parameters):
    """Write ``model`` and its description beside it."""
    onnx.save(model, path)
    names = [o.name for o in model.graph.output]
    with open(os.path.splitext(path)[0] + ".json", "w") as handle:
        json.dump(description(path, variant, precision, gflops, parameters, names), handle, indent=1)
        handle.write("\n")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="a checkpoint of train.py, or 'random:VARIANT'")
    parser.add_argument("-o", "--output", required=True, help="the .onnx file; its description is written beside it")
    parser.add_argument("--batch", type=int, default=1, help="pictures in a batch (static)")
    options = parser.parse_args(argv)
    if options.weights.startswith("random:"):
        variant = options.weights.split(":")[1]
        network = build(variant)
    else:
        network, variant = checkpoint.load_network(options.weights)
    reference = network.eval()
    parameters, gflops = count(reference)
    picture = torch.rand(1, 3, HEIGHT, WIDTH) * 255
    with torch.no_grad():
        before = reference(picture)
        network = deployable(network)
        folding = max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in zip(network(picture), before))
    save(to_onnx(network, options.batch), options.output, variant, "fp32", gflops, parameters)
    error = parity(network, options.output, options.batch)
    print("%s: %.1f GFLOPs, %d parameters; folding %.1e, ONNX Runtime against PyTorch %.1e"
          % (options.output, gflops, parameters, folding, error))
    return 0 if max(error, folding) < 1e-4 else 1


if __name__ == "__main__":
    sys.exit(run(main))
