"""Losses on the coverage and box grids: the modern recipe, the original one, and imitation of a teacher."""
import math

import torch
import torch.nn.functional as F

from assign import assign, covered, decode, highest, overlap, slots, take
from network import FINE, GROUPS, STRIDES

BOX_GAIN, FINE_GAIN = 7.5, 0.3
BEST = {4: 13, 8: 10}
TEACHER_GAIN, TEACHER_BOX_GAIN = 1.0, 2.5


def background(plan, stride, shape):
    """``[B, G, h, w]``: how much each cell counts as background; 0 in open groups' tiles and in ignored boxes."""
    height, width = shape
    cut, weight = plan["cut"], plan["weight"]
    right = (torch.arange(width, device=cut.device) + 0.5)[None, None, None, :] * stride >= cut[:, 0, None, None, None]
    below = (torch.arange(height, device=cut.device) + 0.5)[None, None, :, None] * stride >= cut[:, 1, None, None, None]
    w = weight[..., None, None]
    picked = torch.where(below, torch.where(right, w[:, 3], w[:, 2]), torch.where(right, w[:, 1], w[:, 0]))
    if "ghost_weight" in plan:
        ghost = plan["ghost_weight"][:, 0, :, None, None]
        picked = torch.cat([picked[:len(ghost)].minimum(ghost), picked[len(ghost):]])
    return torch.where(covered(plan["boxes"], stride, shape, len(GROUPS)), torch.zeros_like(picked), picked)


def complete_iou(a, b):
    """CIoU of boxes ``[..., 4]``: IoU less the distance of the centres and the difference in shape."""
    iou = overlap(a, b)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    gap = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(-1) / 4
    size_a, size_b = (a[..., 2:] - a[..., :2]).clamp(min=1e-3), (b[..., 2:] - b[..., :2]).clamp(min=1e-3)
    shape = 4 / math.pi ** 2 * (torch.atan(size_b[..., 0] / size_b[..., 1]) - torch.atan(size_a[..., 0] / size_a[..., 1])) ** 2
    with torch.no_grad():
        alpha = shape / (1 - iou + shape + 1e-6)
    return iou - gap / ((hull ** 2).sum(-1) + 1e-6) - alpha * shape


def grid_loss(cov, box, fine, plan, stride):
    """(coverage, box, fine) losses of one grid from its raw outputs; float32 inside."""
    cov, box, fine = cov.float(), box.float().unflatten(1, (len(GROUPS), 4)), fine.float()
    boxes, shape, count = plan["boxes"], cov.shape[-2:], cov.shape[-2] * cov.shape[-1]
    corners = decode(box, stride)
    cells, target, group = assign(cov.detach().sigmoid(), corners.detach(), boxes, stride, BEST[stride])
    soft = highest(slots(cells, group, len(GROUPS), count), target, cov.numel()).view_as(cov)
    weight = torch.where(soft > 0, torch.ones_like(soft), background(plan, stride, shape))
    total = target.sum().clamp(min=1.0)
    coverage = (F.binary_cross_entropy_with_logits(cov, soft, reduction="none") * weight).sum() / total
    found = take(corners.flatten(3), group, cells)
    shape_loss = ((1 - complete_iou(found, boxes[:, :, None, :4])) * target).sum() / total
    return coverage, BOX_GAIN * shape_loss, FINE_GAIN * fine_loss(fine, boxes, cells, target, total)


def fine_loss(fine, boxes, cells, target, total):
    """Cross-entropy of car, bus, truck on the positives that name one."""
    kind = boxes[..., 5].long()
    logits = take(fine.flatten(2)[:, None], torch.zeros_like(kind), cells)
    named = (kind >= 0).float()[..., None] * target
    wrong = F.cross_entropy(logits.reshape(-1, len(FINE)), kind.clamp(min=0)[..., None].expand_as(cells).reshape(-1), reduction="none")
    return (wrong.view_as(target) * named).sum() / total


def detection_loss(outputs, plan):
    """Sum over both grids, and its parts for the log."""
    parts = [grid_loss(*outputs[k:k + 3], plan=plan, stride=stride) for k, stride in ((0, 4), (3, 8))]
    sums = [sum(column) for column in zip(*parts)]
    return sum(sums), torch.stack([s.detach() for s in sums])


def original_loss(outputs, plan):
    """The original recipe on stride 16: L2 on the coverage of shrunk boxes, 2 x L1 on the corners, no more."""
    cov, box = outputs[0].float().sigmoid(), outputs[1].float().unflatten(1, (len(GROUPS), 4))
    truth, owner = shrunk_coverage(plan["boxes"], cov.shape[-2:])
    weight = torch.where(truth > 0, torch.ones_like(truth), background(plan, 16, cov.shape[-2:]))
    coverage = ((cov - truth) ** 2 * weight).sum() / truth.sum().clamp(min=1)
    wanted = plan["boxes"][torch.arange(len(owner), device=cov.device)[:, None, None, None], owner][..., :4].permute(0, 1, 4, 2, 3)
    wrong = (original_corners(box) - wanted).abs() / 35.0
    extent = (wanted[:, :, 2:] - wanted[:, :, :2]).mean(2, keepdim=True) / 35.0
    shape_loss = 2 * (wrong / extent.clamp(min=0.1) * (truth > 0)[:, :, None]).sum() / (4 * truth.sum().clamp(min=1))
    total = coverage + shape_loss
    return total, torch.stack([coverage.detach(), shape_loss.detach(), torch.zeros_like(total.detach())])


def original_corners(box):
    """Boxes ``[B, G, 4, h, w]`` of the original recipe -> corners in pixels: 35 px offsets from the cell's centre."""
    height, width = box.shape[-2:]
    x = (torch.arange(width, device=box.device, dtype=box.dtype) * 16 + 0.5)[None, :]
    y = (torch.arange(height, device=box.device, dtype=box.dtype) * 16 + 0.5)[:, None]
    return torch.stack([x - 35 * box[:, :, 0], y - 35 * box[:, :, 1], x + 35 * box[:, :, 2], y + 35 * box[:, :, 3]], 2)


@torch.no_grad()
def shrunk_coverage(boxes, shape):
    """Coverage ``[B, G, h, w]`` of boxes shrunk to 0.4 (20 px at least), and the smallest box that owns each cell."""
    height, width = shape
    x = (torch.arange(width, device=boxes.device) + 0.5)[None, :] * 16
    y = (torch.arange(height, device=boxes.device) + 0.5)[:, None] * 16
    centre, size = (boxes[..., :2] + boxes[..., 2:4]) / 2, boxes[..., 2:4] - boxes[..., :2]
    half = torch.maximum(size * 0.4, size.clamp(max=20.0)) / 2 + 8.0 * (size < 16)
    area = size.prod(-1)
    truth = torch.zeros(len(boxes), len(GROUPS), height, width, device=boxes.device)
    owner = torch.zeros(truth.shape, dtype=torch.long, device=boxes.device)
    for group in range(len(GROUPS)):
        real = (boxes[..., 4] == group) & (boxes[..., 6] == 0)
        for index in range(len(boxes)):
            rows = real[index].nonzero()[:, 0]
            if len(rows) == 0:
                continue
            c, h = centre[index, rows], half[index, rows]
            inside = ((x[None] - c[:, 0, None, None]).abs() <= h[:, 0, None, None]) & ((y[None] - c[:, 1, None, None]).abs() <= h[:, 1, None, None])
            cost = torch.where(inside, area[index, rows][:, None, None], torch.full((), 1e9, device=boxes.device))
            least, which = cost.min(0)
            truth[index, group] = (least < 1e9).float()
            owner[index, group] = rows[which]
    return truth, owner


def imitation_loss(outputs, lessons):
    """Distil a teacher (``teacher.py``): its coverage as soft targets everywhere, its boxes where it is sure."""
    total = 0.0
    for (sure, wanted), k, stride in zip(lessons, (0, 3), STRIDES):
        normal = sure.square().sum().clamp(min=1.0)
        logits = outputs[k].float()
        focus = (sure - logits.detach().sigmoid()).abs()
        coverage = (F.binary_cross_entropy_with_logits(logits, sure, reduction="none") * focus).sum() / normal
        mine = decode(outputs[k + 1].float().unflatten(1, (len(GROUPS), 4)), stride)
        apart = 1 - overlap(mine.permute(0, 1, 3, 4, 2), wanted.permute(0, 1, 3, 4, 2))
        total = total + TEACHER_GAIN * coverage + TEACHER_BOX_GAIN * (apart * sure.square()).sum() / normal
    return total
