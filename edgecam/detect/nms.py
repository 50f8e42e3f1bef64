"""Non-maximum suppression: of boxes that overlap much, the best stays."""
import numpy as np

BLOCK = 256         # boxes compared at once: one block is the usual case, many boxes stay linear in memory


def nms(boxes, scores, groups, iou, limit):
    """Return the indices of the boxes that stay, best first, at most *limit*.

    *boxes* float [n, 4] (left, top, right, bottom), *scores* [n], *groups* int [n]: boxes of
    different groups don't suppress each other. Of two in one group whose intersection over
    union is above *iou*, the one with the lower score goes; of equals the later one.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, groups = boxes[order], groups[order]
    kept, found = [], 0
    while len(order) and found < limit:
        stays = greedy(overlapping(boxes[:BLOCK], groups[:BLOCK], boxes[:BLOCK], groups[:BLOCK], iou))
        kept.append(order[:BLOCK][stays])
        found += len(stays)
        rest = np.ones(len(order) - min(len(order), BLOCK), bool)
        if len(rest):
            rest = ~overlapping(boxes[stays], groups[stays], boxes[BLOCK:], groups[BLOCK:], iou).any(axis=0)
        order, boxes, groups = order[BLOCK:][rest], boxes[BLOCK:][rest], groups[BLOCK:][rest]
    return np.concatenate(kept)[:limit] if kept else np.zeros(0, np.intp)


def greedy(overlap):
    """Return which boxes stay of those sorted by score, given the square matrix of who overlaps whom."""
    alive, stays = np.ones(len(overlap), bool), []
    for index in range(len(overlap)):
        if alive[index]:
            stays.append(index)
            alive &= ~overlap[index]
    return np.array(stays, np.intp)


def overlapping(one, one_groups, two, two_groups, iou):
    """Return the bool matrix [len(one), len(two)] of pairs in one group whose IoU is above *iou*."""
    left_top = np.maximum(one[:, None, :2], two[None, :, :2])
    right_bottom = np.minimum(one[:, None, 2:], two[None, :, 2:])
    size = np.maximum(right_bottom - left_top, 0)
    shared = size[..., 0] * size[..., 1]
    total = area(one)[:, None] + area(two)[None, :] - shared
    return (shared > iou * total) & (one_groups[:, None] == two_groups[None, :])


def area(boxes):
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
