"""How far a training is, and what follows from it: learning rate, calm last part, averaged weights."""
import copy
import math
import os
import time

import torch

CALM_PART = 0.15                # of the training, at the end: no mosaic, mild scales


class Progress(object):
    """0 to 1, by the clock or by steps, so that a training ends when its machine does.

    The clock runs between steps only, at most ``LONGEST`` seconds for each, so that a training which is stopped for a
    while (SIGSTOP) goes on where it was.  A file ``lengths`` may hold another number of minutes at any time.
    """

    LONGEST = 2.0

    def __init__(self, steps=None, minutes=None, start=0.0, lengths=None):
        self.steps, self.minutes, self.begin, self.lengths = steps, minutes, start, lengths
        self.spent, self.last = 0.0, None

    def tick(self):
        """To be called at every step."""
        now = time.time()
        if self.last is not None:
            self.spent += min(now - self.last, self.LONGEST)
        self.last = now

    def at(self, step):
        """How far a training is that has done ``step`` steps."""
        if self.steps:
            done = step / self.steps
        else:
            if self.lengths and os.path.exists(self.lengths):
                self.minutes = read_minutes(self.lengths, self.minutes)
            done = self.spent / (60.0 * self.minutes)
        return min(1.0, self.begin + (1 - self.begin) * done)


def read_minutes(path, otherwise):
    """The number in a file; ``otherwise`` while it is being written."""
    with open(path) as handle:
        text = handle.read().strip()
    try:
        return max(float(text), 1e-3)
    except ValueError:
        return otherwise


def learning_rate(base, progress, step, warm_steps):
    """Cosine to a hundredth, after a linear start."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return base * (0.01 + 0.99 * cosine) * min(1.0, (step + 1) / max(1, warm_steps))


class Average(object):
    """Exponential moving average of weights and batch norm statistics."""

    def __init__(self, network, decay=0.9996, ramp=300.0):
        self.network = copy.deepcopy(network).eval()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.decay, self.ramp, self.step = decay, ramp, 0
        self.own, self.source = (floats(n) for n in (self.network, network))

    @torch.no_grad()
    def update(self):
        """Take in the source network's present weights."""
        self.step += 1
        keep = self.decay * (1 - math.exp(-self.step / self.ramp))
        torch._foreach_lerp_(self.own, self.source, 1 - keep)


def floats(network):
    """The tensors that are averaged, themselves."""
    return [t for t in network.state_dict().values() if t.is_floating_point()]


def optimiser(network, rate, decay=0.05):
    """AdamW; weight decay on convolution kernels only."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, fused=next(network.parameters()).is_cuda)
