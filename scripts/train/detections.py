"""From raw grids to boxes, batched: thresholds, the hand-over between the grids by size, and non-maximum suppression."""
import numpy as np
import torch

from assign import decode
from canvas import plain_map
from losses import original_corners
from network import GROUPS
from render import enlarged, gather, to_device

HAND_OVER = 28                  # px, root of the area: smaller boxes come from stride 4, larger ones from stride 8
CANDIDATES, MOST, NMS_IOU, LEAST_SCORE = 800, 300, 0.55, 0.01


def candidates(outputs):
    """All cells as (score ``[B, G, N]``, corners ``[B, G, N, 4]``, fine class ``[B, N]`` or None)."""
    if len(outputs) == 2:
        corners = original_corners(outputs[1].float().unflatten(1, (len(GROUPS), 4)))
        return outputs[0].float().sigmoid().flatten(2), corners.flatten(3).transpose(2, 3), None
    scores, boxes, kinds = [], [], []
    for k, stride in ((0, 4), (3, 8)):
        corners = decode(outputs[k + 1].float().unflatten(1, (len(GROUPS), 4)), stride).flatten(3).transpose(2, 3)
        size = (corners[..., 2:] - corners[..., :2]).clamp(min=0).prod(-1).sqrt()
        answers = size < HAND_OVER if stride == 4 else size >= HAND_OVER
        scores.append(outputs[k].float().sigmoid().flatten(2) * answers)
        boxes.append(corners)
        kinds.append(outputs[k + 2].flatten(2).argmax(1))
    return torch.cat(scores, 2), torch.cat(boxes, 2), torch.cat(kinds, 1)


def suppressed(boxes, limit):
    """Greedy non-maximum suppression of boxes ``[n, K, 4]`` sorted by score: True where a box is kept.

    The rule "kept unless a kept better box overlaps it" is applied until nothing changes: exact, and few rounds.
    """
    low, high = boxes[:, :, None, :2].maximum(boxes[:, None, :, :2]), boxes[:, :, None, 2:].minimum(boxes[:, None, :, 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
    over = (inter > limit * (area[:, :, None] + area[:, None] - inter)).triu(1).float()
    kept = torch.ones(boxes.shape[:2], device=boxes.device)
    while True:
        after = (torch.einsum("nij,ni->nj", over, kept) == 0).float()
        if torch.equal(after, kept):
            return kept > 0
        kept = after


def detect(outputs, nms_iou=NMS_IOU):
    """Raw outputs -> for each picture an array of rows (x1, y1, x2, y2, score, group, fine), canvas pixels."""
    score, corners, fine = candidates(outputs)
    best, order = score.topk(min(CANDIDATES, score.shape[2]), dim=2)
    picked = corners.gather(2, order[..., None].expand(-1, -1, -1, 4))
    count, groups, most = best.shape
    kept = torch.cat([suppressed(rows, nms_iou) for rows in picked.flatten(0, 1).split(24)]).view(count, groups, most)
    kind = fine[:, None].expand(-1, groups, -1).gather(2, order) if fine is not None else torch.zeros_like(order)
    group = torch.arange(groups, device=best.device)[None, :, None].expand_as(best)
    rows = torch.cat([picked, best[..., None], group[..., None].float(), kind[..., None].float()], 3)
    good = kept & (best >= LEAST_SCORE)
    return [limited(rows[i][good[i]].cpu().numpy()) for i in range(count)]


def limited(rows):
    """At most MOST rows of each group, best first."""
    return np.concatenate([part[np.argsort(-part[:, 4], kind="stable")[:MOST]]
                           for part in (rows[rows[:, 5] == g] for g in range(len(GROUPS)))])


def in_picture(rows, picture):
    """Rows in canvas pixels -> rows in the picture's own pixels, cut to the picture."""
    matrix, offset = plain_map(picture)
    rows = rows.copy()
    for k in (0, 1):
        rows[:, k::2][:, :2] = ((rows[:, k::2][:, :2] - offset[k]) / matrix[k, k]).clip(0, picture.size[k])
    return rows


@torch.no_grad()
def run(network, planner, indices, store, batch=16, version=0, flip=False, scale=1.0):
    """Detections of whole pictures, letterboxed as in use and then enlarged: a list of rows in picture pixels."""
    found, device = [], store.pixels.device
    for start in range(0, len(indices), batch):
        part = indices[start:start + batch]
        plan = to_device(planner.plain(part, version), device)
        canvases = enlarged(gather(store.pixels, plan["cut"], plan["affine"], plan["place"]).round(), scale)
        canvases = canvases.contiguous(memory_format=torch.channels_last)
        rows = detect(network(canvases.flip(3) if flip else canvases))
        if flip:
            rows = [mirrored(r, canvases.shape[3]) for r in rows]
        for r in rows:
            r[:, :4] /= scale
        found += [in_picture(r, planner.pictures[i]) for r, i in zip(rows, part)]
    return found


def mirrored(rows, width):
    """Rows found in the mirror image, put back."""
    rows = rows.copy()
    rows[:, [0, 2]] = width - rows[:, [2, 0]]
    return rows
