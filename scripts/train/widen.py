"""Carry a trained network over to other widths: ``python widen.py OLD.pt --data DATA --store STORE --variant full -o init.pt``.

The two differ in the trunk's Inception blocks alone.  Filters are copied.  What a smaller branch has no room for is what its
readers hardly read, and they are fitted to do without; new filters are random and read with zeros at first.  Where the pool
moves behind its 1x1 convolution the function changes, so that convolution is fitted, block by block, to what the branch gave
before on real canvases.  Pool branches keep their width.  A training has to follow.
"""
import argparse
import sys

import torch
import torch.nn.functional as F

import checkpoint
from export import folded
from network import build
from refused import run
from unfold import filter_gain, normalise, training_canvases

NEW = -1


def kept(before, after, worth):
    """For each of ``after`` channels the one of ``before`` that it carries on, or NEW; the least worth go first."""
    if after >= before:
        return list(range(before)) + [NEW] * (after - before)
    return sorted(worth.argsort(descending=True)[:after].tolist())


def copy(new, old, rows, columns, first=0, source=0):
    """Carry filters of a ConvBN over: ``new``'s filters from ``first`` are ``old``'s ``rows`` from ``source``."""
    to = [k + first for k, row in enumerate(rows) if row != NEW]
    of = [row + source for row in rows if row != NEW]
    known = [k for k, column in enumerate(columns) if column != NEW]
    weight = old.conv.weight.new_zeros(len(to), len(columns), *old.conv.kernel_size)
    weight[:, known] = old.conv.weight[of][:, [columns[k] for k in known]]
    new.conv.weight[to] = weight
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(new.bn, name)[to] = getattr(old.bn, name)[of]


def readings(convolution, count, first=0):
    """How much a convolution reads each of ``count`` input channels from ``first``."""
    return convolution.weight[:, first:first + count].abs().sum((0, 2, 3))


class Carried(object):
    """One Inception block on its way: its filters copied, and which old channel each new one is.

    ``columns``: the same for the block's input; ``following``: the old convolutions that read its output.
    """

    def __init__(self, new, old, columns, following):
        self.new, self.old = new, old
        ends = [0]
        for width in old.widths:
            ends.append(ends[-1] + width)
        self.narrower = any(column not in columns for column in range(old.entry.conv.in_channels))
        read = [sum(readings(c, width, first) for c in following) for width, first in zip(old.widths, ends)]
        self.outputs = [kept(before, after, worth) for before, after, worth in zip(old.widths, new.widths, read)]
        inner = [kept(old.parts[k], new.parts[k], readings(reader.conv, old.parts[k]) * old.entry.bn.weight[source:][:old.parts[k]])
                 for k, reader, source in ((1, old.three, old.parts[0]), (2, old.five, sum(old.parts[:2])))]
        for k, rows in enumerate([self.outputs[0]] + inner):
            copy(new.entry, old.entry, rows, columns, sum(new.parts[:k]), sum(old.parts[:k]))
        copy(new.three, old.three, self.outputs[1], inner[0])
        copy(new.five, old.five, self.outputs[2], inner[1])
        if new.pool is not None:
            copy(new.pool, old.pool, self.outputs[3], columns)
        elif old.pool is None:
            copy(new.entry, old.entry, self.outputs[3], columns, sum(new.parts[:3]), sum(old.parts[:3]))
        self.came_from = columns
        self.columns = [row if row == NEW else row + first for rows, first in zip(self.outputs, ends) for row in rows]
        entered = [row for rows in [self.outputs[0]] + inner for row in rows]
        self.fresh = {new.entry: marked(entered, sum(new.parts)), new.three: marked(self.outputs[1]), new.five: marked(self.outputs[2])}
        if new.pool is not None:
            self.fresh[new.pool] = marked(self.outputs[3])

    def mend(self, x, before, ridge=1e-3):
        """Where channels are gone that the entry read, its other columns take their part, by least squares over canvases.

        ``x``, ``before``: the block's input, new and old.  Of blocks whose filters are all carried on.
        """
        size, wanted = x.shape[1] + 1, F.conv2d(before, self.old.entry.conv.weight)
        weight = torch.cat([self.new.entry.conv.weight.flatten(1), torch.zeros(wanted.shape[1], 1)], 1).double()
        seen, missed = torch.zeros(size, size, dtype=torch.double), torch.zeros(wanted.shape[1], size, dtype=torch.double)
        for found, target in zip(x.split(4), wanted.split(4)):
            rows = torch.cat([found, torch.ones_like(found[:, :1])], 1).transpose(0, 1).flatten(1).double()
            seen += rows @ rows.T
            missed += (target.transpose(0, 1).flatten(1).double() - weight @ rows) @ rows.T
        weight += torch.linalg.solve(seen + ridge * seen.diagonal().mean() * torch.eye(size, dtype=torch.double), missed.T).T
        self.new.entry.conv.weight.copy_(weight[:, :-1].float().view_as(self.new.entry.conv.weight))
        self.new.entry.bn.running_mean -= weight[:, -1].float()

    def fit_pool(self, x, wanted, steps):
        """Fit the 1x1 convolution in front of the pool to what the old branch gave; returns the error left of the variance."""
        new, old, first = self.new, self.old, sum(self.new.parts[:3])
        plain = folded(old.pool)
        known = [k for k, column in enumerate(self.came_from) if column != NEW]
        weight = x.new_zeros(new.widths[3], x.shape[1], 1, 1)
        weight[:, known] = plain.weight.data[:, [self.came_from[k] for k in known]]
        bias = plain.bias.data
        error = fit(weight, bias, x, wanted, steps)
        gain = filter_gain(weight)
        weight *= gain[:, None, None, None]
        new.entry.conv.weight[first:] = weight
        normalise(new.entry.bn, F.conv2d(x[:8], weight), bias, gain, slice(first, None))
        return error


def marked(rows, count=None):
    """Which filters are new, as a mask of ``count``."""
    return torch.tensor([row == NEW for row in rows] + [False] * ((count or len(rows)) - len(rows)))


def fit(weight, bias, x, wanted, steps, batch=4):
    """Change ``weight`` and ``bias`` so that the pooled convolution of ``x`` gives ``wanted``."""
    weight.requires_grad_(True)
    bias.requires_grad_(True)
    optimiser = torch.optim.Adam([weight, bias], 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    last = []
    for _ in range(steps):
        some = torch.randperm(len(x))[:batch]
        with torch.enable_grad():
            found = F.max_pool2d(F.relu(F.conv2d(x[some], weight, bias)), 3, 1, 1)
            loss = F.mse_loss(found, wanted[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        last = (last + [float(loss.detach())])[-20:]
    weight.requires_grad_(False)
    bias.requires_grad_(False)
    return sum(last) / len(last) / float(wanted.var())


def measured(carried, x):
    """The new block's output, once its fresh filters have taken their statistics from ``x``."""
    def measure(fresh):
        def hook(bn, inputs):
            variance, mean = torch.var_mean(inputs[0], (0, 2, 3))
            bn.running_mean[fresh], bn.running_var[fresh] = mean[fresh], variance[fresh]
        return hook
    hooks = [block.bn.register_forward_pre_hook(measure(fresh)) for block, fresh in carried.fresh.items()]
    carried.new(x[:8])
    for hook in hooks:
        hook.remove()
    return by_parts(carried.new, x)


def by_parts(module, x):
    """``module`` of ``x``, a few canvases at a time."""
    return torch.cat([module(part) for part in x.split(4)])


def blocks(network):
    """The trunk's Inception blocks in order."""
    return list(network.trunk.stage3) + list(network.trunk.stage45)


def widen(new, old, pictures, steps):
    """Fill ``new`` from ``old``; prints what each block's fit leaves."""
    own = new.state_dict()
    new.load_state_dict({k: v for k, v in old.state_dict().items() if k in own and own[k].shape == v.shape}, strict=False)
    x = before = by_parts(lambda part: F.max_pool2d(old.trunk.stem(part), 3, 2, ceil_mode=True), pictures)
    columns, pairs = list(range(x.shape[1])), list(zip(blocks(new), blocks(old)))
    for number, (mine, its) in enumerate(pairs):
        carried = Carried(mine, its, columns, followers(old, pairs, number))
        if carried.narrower and mine.parts == its.parts:
            carried.mend(x, before)
        if mine.pool is None and its.pool is not None:
            wanted = by_parts(lambda part: its.pool(F.max_pool2d(part, 3, 1, 1)), before)
            print("block %d: %.3f of the pool branch's variance left" % (number, carried.fit_pool(x, wanted, steps)), flush=True)
        x, before, columns = measured(carried, x), by_parts(its, before), carried.columns
        if mine is new.trunk.stage3[-1]:
            copy(new.side8, old.side8, list(range(old.side8.conv.out_channels)), columns)
            x, before = (F.max_pool2d(t, 3, 2, ceil_mode=True) for t in (x, before))
    copy(new.context.enter, old.context.enter, list(range(old.context.enter.conv.out_channels)), columns)
    return new


def followers(old, pairs, number):
    """The convolutions that read a block's output."""
    found = [old.side8.conv] if pairs[number][1] is old.trunk.stage3[-1] else []
    if number + 1 == len(pairs):
        return found + [old.context.enter.conv]
    following = pairs[number + 1][1]
    return found + [following.entry.conv] + ([following.pool.conv] if following.pool is not None else [])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="of another variant, such as full-eights")
    parser.add_argument("--variant", default="full")
    parser.add_argument("--data", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--count", type=int, default=40, help="canvases to fit on")
    parser.add_argument("--steps", type=int, default=250, help="of each block's fit")
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args(argv)
    old, new = checkpoint.load_network(options.checkpoint)[0], build(options.variant).eval()
    pictures = training_canvases(options.data, options.store, options.count)
    with torch.no_grad():
        widen(new, old, pictures, options.steps)
    checkpoint.save_start(options.output, options.variant, new)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
