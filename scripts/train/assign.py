"""Which grid cells answer for which box: task-aligned assignment on a window of cells around every box's centre.

Cells inside the box (at most 9x9 around its centre) are ranked by ``score^0.5 * IoU^6``; the best ones are positive
with a soft target, which is the aligned score scaled to the IoU that the box reached.  All shapes are static.
"""
import torch

REACH = 4                       # cells on each side of the centre's cell
SCORE_POWER, IOU_POWER = 0.5, 6.0
EPS = 1e-9


def decode(box, stride):
    """Raw boxes ``[B, G, 4, h, w]`` -> corners x1, y1, x2, y2 in pixels, same shape."""
    height, width = box.shape[-2:]
    x = (torch.arange(width, device=box.device, dtype=box.dtype) + 0.5)[None, :] * stride
    y = (torch.arange(height, device=box.device, dtype=box.dtype) + 0.5)[:, None] * stride
    left, top, right, bottom = (box.clamp(max=7).exp() * stride).unbind(2)
    return torch.stack([x - left, y - top, x + right, y + bottom], 2)


def overlap(a, b):
    """IoU of boxes ``[..., 4]``, one by one."""
    edges = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    inter = edges[..., 0] * edges[..., 1]
    area = ((a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1) + (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1))
    return inter / (area - inter + EPS)


def window(boxes, stride, shape):
    """Cell index ``[B, M, K]`` of the window around each box's centre, and which of them may be positive."""
    height, width = shape
    offsets = torch.arange(-REACH, REACH + 1, device=boxes.device)
    cell = ((boxes[..., :2] + boxes[..., 2:4]) / 2 / stride).floor().long()
    x, y = cell[..., 0, None] + offsets, cell[..., 1, None] + offsets
    x, y = torch.broadcast_tensors(x[:, :, None, :], y[:, :, :, None])
    x, y = x.flatten(2), y.flatten(2)
    px, py = (x + 0.5) * stride, (y + 0.5) * stride
    within = ((px > boxes[..., 0, None]) & (px < boxes[..., 2, None]) & (py > boxes[..., 1, None]) & (py < boxes[..., 3, None]))
    within[..., within.shape[-1] // 2] = True               # a box between the centres keeps its own cell
    on_grid = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)), within & on_grid


def take(maps, group, cells):
    """``maps`` ``[B, G, C, h*w]`` at ``group`` ``[B, M]`` and ``cells`` ``[B, M, K]`` -> ``[B, M, K, C]``."""
    count, groups, channels, size = maps.shape
    index = (group[..., None] * size + cells).view(count, 1, -1).expand(-1, channels, -1)
    flat = maps.transpose(1, 2).reshape(count, channels, groups * size).gather(2, index)
    return flat.view(count, channels, *cells.shape[1:]).permute(0, 2, 3, 1)


@torch.no_grad()
def assign(score, corners, boxes, stride, best):
    """Task-aligned positives of one grid.

    ``score`` ``[B, G, h, w]`` probabilities, ``corners`` ``[B, G, 4, h, w]`` predicted boxes, ``boxes`` ``[B, M, 7]``.
    Returns ``cells`` ``[B, M, best]``, their soft ``target`` ``[B, M, best]`` (0: not positive), clamped ``group`` ``[B, M]``.
    """
    shape = score.shape[-2:]
    group = boxes[..., 4].long()
    valid = (group >= 0) & (boxes[..., 6] == 0)
    group = group.clamp(min=0)
    cells, may = window(boxes, stride, shape)
    may &= valid[..., None]
    iou = overlap(take(corners.flatten(3), group, cells), boxes[:, :, None, :4]).clamp(min=0) * may
    chance = take(score.flatten(2)[:, :, None], group, cells)[..., 0]
    metric = (chance ** SCORE_POWER * iou ** IOU_POWER + 1e-12) * may
    metric, order = metric.topk(best, dim=-1)
    cells, iou = cells.gather(-1, order), iou.gather(-1, order)
    won = wins(cells, group, iou, metric > 0, score.shape[1], shape[0] * shape[1])
    metric, iou = metric * won, iou * won
    target = metric / (metric.amax(-1, keepdim=True) + EPS * 1e-6) * iou.amax(-1, keepdim=True)
    return cells, target.clamp(0, 1) * won, group


def wins(cells, group, iou, chosen, groups, count):
    """Where two boxes of a group chose one cell, the one with the larger IoU keeps it."""
    flat = slots(cells, group, groups, count)
    value = torch.where(chosen, iou + 1e-6, torch.zeros_like(iou))
    top = highest(flat, value, cells.shape[0] * groups * count)
    return chosen & (value >= top[flat])


def highest(flat, value, size):
    """The largest ``value`` at each index of a flat map; zeros are spread out, many writers to one cell are slow."""
    spread = torch.arange(flat.numel(), device=flat.device) % size
    index = torch.where(value.flatten() > 0, flat.flatten(), spread)
    return torch.zeros(size, device=value.device).scatter_reduce_(0, index, value.flatten(), "amax")


def slots(cells, group, groups, count):
    """Index of (picture, group, cell) in a flat ``[B, groups, count]``."""
    batch = torch.arange(cells.shape[0], device=cells.device)[:, None, None]
    return (batch * groups + group[..., None]) * count + cells


def covered(boxes, stride, shape, groups):
    """``[B, groups, h, w]``: True in cells whose centre lies in an ignored box of the group."""
    height, width = shape
    ignored = (boxes[..., 6] > 0) & (boxes[..., 4] >= 0)
    group = boxes[..., 4].clamp(min=0).long()
    first = ((boxes[..., :2] / stride - 0.5).ceil().long()).clamp(min=0)
    last = (boxes[..., 2:4] / stride - 0.5).floor().long() + 1
    x1, y1 = first[..., 0].clamp(max=width), first[..., 1].clamp(max=height)
    x2 = torch.maximum(last[..., 0].clamp(0, width), x1)
    y2 = torch.maximum(last[..., 1].clamp(0, height), y1)
    batch = torch.arange(boxes.shape[0], device=boxes.device)[:, None]
    base = (batch * groups + group) * (height + 1)
    steps = torch.zeros(boxes.shape[0] * groups * (height + 1) * (width + 1), device=boxes.device)
    for x, y, sign in ((x1, y1, 1.0), (x2, y1, -1.0), (x1, y2, -1.0), (x2, y2, 1.0)):
        steps.index_add_(0, ((base + y) * (width + 1) + x).flatten(), (ignored.float() * sign).flatten())
    steps = steps.view(-1, groups, height + 1, width + 1)
    return steps.cumsum(2).cumsum(3)[:, :, :height, :width] > 0.5
