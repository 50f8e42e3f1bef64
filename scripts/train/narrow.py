"""Carry a trained network over to narrower layers: ``python narrow.py OLD.pt --data DATA --store STORE --variant enlarged -o init.pt``.

Of each layer's channels those are kept that tell the most about all of them (greedy, on real canvases, by what their readers
make of them).  Then the new network's layers are fitted in the order of their work, each by least squares: from what the new
layers before it give, it is to make what the old network had there.  The old one sees the canvases enlarged as the new one
enlarges them.  A training has to follow.
"""
import argparse
import math
import sys

import torch
import torch.nn.functional as F
from torch import nn

import checkpoint
from network import STRIDES, ConvBN, Inception, brought_back, build, scaled
from unfold import filter_gain, normalise, training_canvases

SPOTS = 1600                    # places a canvas and layer; every other one where the old network sees something
RIDGE = 1e-4


class Spots(object):
    """The same places on every map of a size, for each canvas: half at random, half where ``interest`` ``[N, 1, h, w]`` is high."""

    def __init__(self, interest):
        self.interest, self.known = interest, {}

    def cells(self, shape):
        """``[N, SPOTS]`` indices into maps of ``shape`` (rows, columns)."""
        if shape not in self.known:
            sure = F.interpolate(self.interest, shape, mode="bilinear").flatten(1) + 1e-4
            anywhere = torch.randint(sure.shape[1], (len(sure), SPOTS - SPOTS // 2))
            self.known[shape] = torch.cat([torch.multinomial(sure, SPOTS // 2, True), anywhere], 1)
        return self.known[shape]

    def of(self, maps, first):
        """Maps ``[n, C, h, w]`` of the canvases from ``first`` on -> rows ``[n * SPOTS, C]``."""
        index = self.cells(tuple(maps.shape[2:]))[first:first + len(maps), None].expand(-1, maps.shape[1], -1)
        return maps.flatten(2).gather(2, index).transpose(1, 2).flatten(0, 1)

    def read_by(self, conv, maps):
        """What a convolution reads from ``maps`` at the places of its own output: rows ``[N * SPOTS, C * k * k]``."""
        kernel, stride, pad = conv.kernel_size[0], conv.stride[0], conv.padding[0]
        shape, width = tuple((size + 2 * pad - kernel) // stride + 1 for size in maps.shape[2:]), maps.shape[3] + 2 * pad
        cells = self.cells(shape)
        corner = torch.div(cells, shape[1], rounding_mode="floor") * stride * width + cells % shape[1] * stride
        window = (torch.arange(kernel)[:, None] * width + torch.arange(kernel)).flatten()
        rows = []
        for one, where in zip(F.pad(maps, (pad,) * 4).flatten(2), (corner[:, :, None] + window).flatten(1)):
            rows.append(one[:, where].view(len(one), SPOTS, -1).transpose(0, 1).flatten(1))
        return torch.cat(rows)


def chosen(rows, weight, count):
    """Of the channels of ``rows`` ``[n, C]`` the ``count`` that explain the most of all, each with its ``weight``: greedy."""
    rows = (rows - rows.mean(0)).double() * weight.double()
    left, picked = rows.T @ rows / len(rows), []
    for _ in range(count):
        gain = left.square().sum(1) / left.diagonal().clamp(min=1e-12)
        gain[picked] = -1.0
        best = int(gain.argmax())
        picked.append(best)
        left = left - torch.outer(left[best], left[best]) / left[best, best].clamp(min=1e-12)
    return sorted(picked)


def fitted(x, wanted):
    """(weight, bias) of the linear map of rows ``x`` ``[n, C]`` that comes closest to ``wanted`` ``[n, D]``."""
    x, wanted = x.double(), wanted.double()
    mean, aim = x.mean(0), wanted.mean(0)
    seen = (x - mean).T @ (x - mean)
    seen += RIDGE * seen.diagonal().mean() * torch.eye(len(seen), dtype=torch.double)
    weight = torch.linalg.solve(seen, (x - mean).T @ (wanted - aim)).T
    return weight.float(), (aim - weight @ mean).float()


def layers(network):
    """{name: convolution, with its batch norm where it has one} in the order of their work."""
    return {name: m for name, m in network.named_modules()
            if isinstance(m, ConvBN) or isinstance(m, nn.Conv2d) and not name.endswith(".conv")}


def convolution(layer):
    """A layer's convolution itself."""
    return layer.conv if isinstance(layer, ConvBN) else layer


def parts(network, name):
    """The channels of a layer's separate parts: four of an Inception block's entry, one of everything else."""
    owner = network.get_submodule(name.rpartition(".")[0])
    if isinstance(owner, Inception) and name.endswith(".entry"):
        return list(owner.parts)
    return [convolution(network.get_submodule(name)).out_channels]


class Readers(object):
    """Who reads which channels of a layer, where widths may change."""

    def __init__(self, network):
        self.found, trunk = {}, network.trunk
        chain = [("trunk.stage3.%d" % k, block) for k, block in enumerate(trunk.stage3)]
        chain += [("trunk.stage45.%d" % k, block) for k, block in enumerate(trunk.stage45)]
        self.add("trunk.conv1", trunk.conv2)
        self.add("trunk.conv2", trunk.conv3)
        self.add("trunk.conv3", trunk.stage3[0].entry)
        self.add("trunk.conv3", network.side4)
        for number, (name, block) in enumerate(chain):
            following = chain[number + 1][1] if number + 1 < len(chain) else None
            after = [following.entry, following.pool] if following else [network.context.enter]
            self.block(name, block, [layer for layer in after if layer] + [network.side8] * (block is trunk.stage3[-1]))
        self.add("refine4.enter", network.refine4.leave)
        for name in ("head4", "head8"):
            head = getattr(network, name)
            self.branch(name + ".score.%d", head.score, (head.cov, head.fine))
            self.branch(name + ".shape.%d", head.shape, (head.box,))

    def add(self, name, layer, at=0, source=0, count=None):
        """``layer`` reads ``count`` channels of ``name`` from ``source`` on as its inputs from ``at`` on."""
        conv = convolution(layer)
        self.found.setdefault(name, []).append((conv, at, source, count or conv.in_channels))

    def block(self, name, block, after):
        """An Inception block whose output the layers ``after`` read."""
        one, reduce3, reduce5 = block.parts[:3]
        pooled = (".pool", 0) if block.pool else (".entry", one + reduce3 + reduce5)
        self.add(name + ".entry", block.three, 0, one, reduce3)
        self.add(name + ".entry", block.five, 0, one + reduce3, reduce5)
        for layer in after:
            self.add(name + ".entry", layer, 0, 0, one)
            self.add(name + ".three", layer, one, 0, block.widths[1])
            self.add(name + ".five", layer, sum(block.widths[:2]), 0, block.widths[2])
            self.add(name + pooled[0], layer, sum(block.widths[:3]), pooled[1], block.widths[3])

    def branch(self, name, convs, ends):
        """A head's branch, read by ``ends``."""
        for k in range(len(convs)):
            for layer in [convs[k + 1]] if k + 1 < len(convs) else ends:
                self.add(name % k, layer)

    def weight(self, name, channels):
        """How much each channel of a layer is read: root of the squares of all weights on it."""
        total = torch.zeros(channels)
        for conv, at, source, count in self.found.get(name, ()):
            total[source:source + count] += conv.weight[:, at:at + count].square().sum((0, 2, 3))
        return total.sqrt()


class Memory(object):
    """What the old network has at each layer, before its ReLU, at the spots of the new one's grids: ``rows[name]``."""

    def __init__(self, old, new, pictures):
        self.inner, self.first, self.rows, scale = new.inner, 0, {}, new.inner / old.inner
        self.spots = Spots(torch.cat([old(scaled(some, scale))[3] for some in pictures.split(2)]).sigmoid().amax(1, keepdim=True))
        hooks = [layer.register_forward_hook(self.keeping(name)) for name, layer in layers(old).items()]
        for self.first in range(0, len(pictures), 2):
            old(scaled(pictures[self.first:self.first + 2], scale))
        for hook in hooks:
            hook.remove()
        self.rows = {name: torch.cat(rows) for name, rows in self.rows.items()}

    def keeping(self, name):
        def hook(layer, inputs, output):
            if isinstance(layer, ConvBN):
                output = layer.bn(layer.conv(inputs[0]))
            if name.startswith(("refine4", "head")):
                output = brought_back(output, self.inner, STRIDES["head8" in name])
            if name.endswith(".box"):
                output = output - math.log(self.inner)          # the same distance in pixels of the picture as it came
            self.rows.setdefault(name, []).append(self.spots.of(output, self.first))
        return hook


class Carrying(object):
    """Fills ``new`` from ``old``, layer by layer, while canvases go through it."""

    def __init__(self, new, old, pictures):
        self.new, self.old, self.readers = new, old, Readers(old)
        self.memory = Memory(old, new, pictures)

    def kept(self, name, rows, rectified):
        """Which of the old layer's channels the new one carries on, of each of its parts."""
        found, first, weight = [], 0, self.readers.weight(name, rows.shape[1])
        for before, after in zip(parts(self.old, name), parts(self.new, name)):
            some = slice(first, first + before)
            shown = rows[:, some].relu() if rectified else rows[:, some]
            found += [k + first for k in (chosen(shown, weight[some], after) if after < before else range(before))]
            first += before
        return found

    def fit(self, name, layer, x):
        """Set a layer by what it reads, ``x``; returns what is left of the variance that it was to make."""
        conv, wanted = convolution(layer), self.memory.rows.pop(name)
        wanted = wanted[:, self.kept(name, wanted, getattr(layer, "rectified", False))]
        rows = self.memory.spots.read_by(conv, x)
        weight, bias = fitted(rows, wanted)
        left = (rows @ weight.T + bias - wanted).var(0).sum() / wanted.var(0).sum()
        weight = weight.view_as(conv.weight)
        if isinstance(layer, ConvBN):
            gain = filter_gain(weight)
            weight *= gain[:, None, None, None]
            normalise(layer.bn, F.conv2d(x[::3], weight, None, conv.stride, conv.padding), bias, gain)
        else:
            conv.bias.copy_(bias)
        conv.weight.copy_(weight)
        return float(left)


def narrowed(new, old, pictures):
    """Fill ``new`` from ``old`` on canvases ``[N, 3, 540, 960]``; prints what each layer's fit leaves."""
    def fitting(name):
        def hook(layer, inputs):
            left = carrying.fit(name, layer, inputs[0])
            print("%-26s %.3f of the variance left" % (name, left), flush=True)
        return hook

    with torch.no_grad():
        carrying = Carrying(new, old, pictures)
        hooks = [layer.register_forward_pre_hook(fitting(name)) for name, layer in layers(new).items()]
        new.eval()(pictures)
    for hook in hooks:
        hook.remove()
    return new


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="of a variant of the same shape, such as full")
    parser.add_argument("--variant", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--count", type=int, default=36, help="canvases to fit on")
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args(argv)
    old, new = checkpoint.load_network(options.checkpoint)[0], build(options.variant)
    narrowed(new, old, training_canvases(options.data, options.store, options.count))
    checkpoint.save_start(options.output, options.variant, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
