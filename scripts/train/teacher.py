"""What a trained network tells those that learn from it: on the same canvases, which it may see enlarged."""
import torch
import torch.nn.functional as F

import checkpoint
from assign import decode
from export import deployable
from network import GROUPS, HEIGHT, STRIDES, WIDTH
from render import enlarged


class Teacher(object):
    """A folded, frozen network. Enlarged canvases cost more and show it more: its answers are those of a better network."""

    def __init__(self, path, scale, device, compiled=False):
        network = deployable(checkpoint.load_network(path)[0]).to(device, memory_format=torch.channels_last)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        self.network = torch.compile(network, dynamic=False) if compiled else network
        self.scale = scale

    @torch.no_grad()
    def lessons(self, x, mixed):
        """Canvases -> for each stride (coverage ``[B, G, h, w]``, corners ``[B, G, 4, h, w]`` in canvas pixels) on the learner's grids."""
        with mixed:
            outputs = self.network(enlarged(x, self.scale))
        return [lesson(outputs[k], outputs[k + 1], stride, self.scale) for k, stride in ((0, STRIDES[0]), (3, STRIDES[1]))]


def lesson(cov, box, stride, scale):
    """One raw grid as the learner's grid has it: of the teacher's cells that meet one of the learner's, the surest answers for it."""
    cov = cov.float().sigmoid()
    corners = decode(box.float().unflatten(1, (len(GROUPS), 4)), stride) / scale
    if scale == 1:
        return cov, corners
    cov, which = F.adaptive_max_pool2d(cov, cells(stride), return_indices=True)
    picked = corners.flatten(3).gather(3, which.flatten(2)[:, :, None].expand(-1, -1, 4, -1))
    return cov, picked.view(*corners.shape[:3], *cov.shape[2:])


def cells(stride):
    """(rows, columns) of the learner's grid, whose height is filled up to whole cells of stride 16."""
    return -(-HEIGHT // 16) * 16 // stride, WIDTH // stride
