"""Make a checkpoint to go on from out of an exported model: ``python unfold.py MODEL.onnx --data DATA --store STORE -o init.pt``.

An exported model has its batch norms folded away.  Each folded convolution becomes convolution and batch norm again: one
pass over real canvases gives the statistics, and scale and shift are set so that the network computes what it did.
Scores and boxes are the same then; only the optimiser's memory is lost.
"""
import argparse
import os
import sys

import numpy as np
import onnx
import torch

import checkpoint
from canvas import Planner, Settings
from network import HEIGHT, PIXEL_SCALE, VARIANTS, WIDTH, ConvBN, build
from pictures import read_all
from refused import run
from render import canvases, weather
from store import Store


def variant_of(path):
    """The variant whose widths an exported model has; ValueError if none fits."""
    found = folded_weights(path)
    stem, pool_last = found["trunk.conv3.0.weight"].shape[0], "trunk.stage3.0.pool.0.weight" not in found
    names = [name for name, plan in VARIANTS.items() if (plan["stem"][2], plan["rows"].pool_last) == (stem, pool_last)]
    if not names:
        raise ValueError("%s: a stem of %d channels is none of %s" % (path, stem, ", ".join(VARIANTS)))
    return names[0]


def folded_weights(path):
    """{name: tensor} of an exported model; the pixel scale is taken out of the first convolution again."""
    model = onnx.load(path)
    found = {w.name: torch.from_numpy(onnx.numpy_helper.to_array(w).astype(np.float32)) for w in model.graph.initializer}
    found["trunk.conv1.0.weight"] = found["trunk.conv1.0.weight"] / PIXEL_SCALE
    return found


def taken(name, found):
    """(weight, bias) of the ConvBN ``name``: a rectified one, a plain one, or the parts of an Inception block's entry."""
    for key in (name + ".0", name):
        if key + ".weight" in found:
            return found.pop(key + ".weight"), found.pop(key + ".bias")
    parts = []
    while "%s.%d.0.weight" % (name, len(parts)) in found:
        key = "%s.%d.0" % (name, len(parts))
        parts.append((found.pop(key + ".weight"), found.pop(key + ".bias")))
    return tuple(torch.cat(column) for column in zip(*parts))


def usual_norm(weight):
    """What a filter's norm is after a training from scratch: it does not matter to the function, but to the step size."""
    size = weight[0].numel()
    return (1 / 3.0 + size / 500.0) ** 0.5


def normalise(bn, outputs, bias, gain, filters=slice(None)):
    """Set a batch norm's ``filters`` by what their convolution gives, ``outputs``, so that both together add ``bias`` and take ``gain`` out again."""
    variance, mean = torch.var_mean(outputs, (0, 2, 3))
    bn.running_mean[filters], bn.running_var[filters] = mean, variance
    bn.weight.data[filters] = (variance + bn.eps).sqrt() / gain
    bn.bias.data[filters] = bias + mean / gain


def filter_gain(weight):
    """What makes each filter's norm the usual one."""
    return usual_norm(weight) / weight.flatten(1).norm(dim=1).clamp(min=1e-6)


def unfold(network, found, pictures):
    """Fill ``network`` from folded weights, statistics from one pass over ``pictures`` ``[N, 3, 540, 960]``."""
    blocks, hooks = [(n, m) for n, m in network.named_modules() if isinstance(m, ConvBN)], []

    def restore(block, bias, gain):
        return block.bn.register_forward_pre_hook(lambda bn, inputs: normalise(bn, inputs[0], bias, gain))

    with torch.no_grad():
        for name, block in blocks:
            weight, bias = taken(name, found)
            gain = filter_gain(weight)
            block.conv.weight.copy_(weight * gain[:, None, None, None])
            hooks.append(restore(block, bias, gain))
        missing = network.load_state_dict({n: found.pop(n) for n in list(found) if n in network.state_dict()}, strict=False)
        assert not [n for n in missing.missing_keys if ".conv." not in n and ".bn." not in n], missing
        network.eval()(pictures)
    for hook in hooks:
        hook.remove()
    return network


def training_canvases(data, path, count, seed=0):
    """Augmented canvases ``[count, 3, 540, 960]`` of training pictures, as a training shows them."""
    pictures, pixels = read_all(data), Store.open(path)
    indices = [i for i, p in enumerate(pictures) if p.part == "train"]
    torch.manual_seed(seed)
    plan = Planner(pictures, indices, pixels.table, seed).batch(count, Settings(scale=(0.45, 1.9)))
    return weather(canvases(pixels.pixels, plan), 1.0)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an exported .onnx in FP32")
    parser.add_argument("--data", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--count", type=int, default=16, help="canvases to measure the statistics on")
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args(argv)
    variant = variant_of(options.model)
    network = unfold(build(variant), folded_weights(options.model), training_canvases(options.data, options.store, options.count))
    checkpoint.save_start(options.output, variant, network)
    error = difference(checkpoint.load_network(options.output)[0], options.model)
    print("%s: %s, %.1f MiB, against the model %.1e" % (options.output, variant, os.path.getsize(options.output) / 2.0 ** 20, error))
    return 0 if error < 2e-2 else 1


def difference(network, path, seed=0):
    """Largest difference of the outputs on noise that looks like a picture, relative to each output's largest value."""
    import onnxruntime

    coarse = torch.from_numpy(np.random.RandomState(seed).rand(1, 3, 9, 16).astype(np.float32)) * 255
    picture = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic").clamp(0, 255)
    wanted = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"image": picture.numpy()})
    with torch.no_grad():
        return max(float(np.abs(a.numpy() - b).max() / max(1.0, np.abs(b).max())) for a, b in zip(network(picture), wanted))


if __name__ == "__main__":
    sys.exit(run(main))
