"""How far a training is, and what follows from it: learning rate, calm last part, averaged weights."""
import copy
import math
import time

import torch

CALM_PART = 0.15                # of the training, at the end: no mosaic, mild scales


class Progress(object):
    """0 to 1, by the clock or by steps, so that a training ends when its machine does."""

    def __init__(self, steps=None, minutes=None, start=0.0):
        self.steps, self.minutes, self.begin, self.first = steps, minutes, start, None

    def at(self, step):
        if self.steps:
            done = step / self.steps
        else:
            self.first = self.first or time.time()
            done = (time.time() - self.first) / (60.0 * self.minutes)
        return min(1.0, self.begin + (1 - self.begin) * done)


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
