"""What a trained network tells those that learn from it: on the same canvases, which it may see enlarged, and more than once."""
import torch
import torch.nn.functional as F

import checkpoint
from assign import decode
from export import deployable
from network import GROUPS, STRIDES, cells
from render import enlarged


class Teacher(object):
    """A folded, frozen network. Enlarged canvases cost more and show it more: its answers are those of a better network.

    What it knows best as it is may be lost so: it may look at several ``scales``, and the surest look answers.
    """

    def __init__(self, path, scales, device, compiled=False):
        network = deployable(checkpoint.load_network(path)[0]).to(device, memory_format=torch.channels_last)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        self.network = torch.compile(network, dynamic=False) if compiled else network
        self.scales = scales

    @torch.no_grad()
    def lessons(self, x, mixed):
        """Canvases -> for each stride (coverage ``[B, G, h, w]``, corners ``[B, G, 4, h, w]`` in canvas pixels) on the learner's grids."""
        looks = [self.look(x, scale, mixed) for scale in self.scales]
        return [surest(answers) for answers in zip(*looks)]

    def look(self, x, scale, mixed):
        """What it sees on canvases enlarged by ``scale``, for each stride."""
        with mixed:
            outputs = self.network(enlarged(x, scale))
        return [lesson(outputs[k], outputs[k + 1], stride, scale) for k, stride in ((0, STRIDES[0]), (3, STRIDES[1]))]


def surest(answers):
    """Of several (coverage, corners) of one grid the one with the most coverage, cell by cell and group by group."""
    cov, corners = answers[0]
    for other, theirs in answers[1:]:
        corners = torch.where((other > cov)[:, :, None], theirs, corners)
        cov = torch.maximum(cov, other)
    return cov, corners


def lesson(cov, box, stride, scale):
    """One raw grid as the learner's grid has it: of the teacher's cells that meet one of the learner's, the surest answers for it.

    Raises ``ValueError`` for a scale that puts no whole number of its cells on the learner's grid.
    """
    cov = cov.float().sigmoid()
    corners = decode(box.float().unflatten(1, (len(GROUPS), 4)), stride) / scale
    if scale == 1:
        return cov, corners
    height, width = (size * scale for size in cells(stride))
    if not fits(stride, scale):
        raise ValueError("canvases enlarged by %s have no whole number of cells of stride %d where the learner has %d x %d" % ((scale, stride) + cells(stride)))
    cov, corners = cov[..., :int(height), :int(width)], corners[..., :int(height), :int(width)]     # without what fills up to stride 16
    cov, which = F.adaptive_max_pool2d(cov, cells(stride), return_indices=True)
    picked = corners.flatten(3).gather(3, which.flatten(2)[:, :, None].expand(-1, -1, 4, -1))
    return cov, picked.view(*corners.shape[:3], *cov.shape[2:])


def fits(stride, scale):
    """Whether canvases enlarged by ``scale`` have whole cells where the learner's grid has them."""
    return not any(size * scale % 1 for size in cells(stride))
