"""Non-maximum suppression: of boxes that overlap much, the best stays."""
import numpy as np

BLOCK = 256         # boxes compared at once: one block is the usual case, and many boxes stay linear in time and memory


def nms(boxes, scores, groups, iou, limit):
    """Return the indices of the boxes that stay, best first, at most *limit*.

    *boxes* float [n, 4] (left, top, right, bottom), *scores* [n], *groups* int [n]: boxes of
    different groups don't suppress each other. Of two in one group whose intersection over
    union is above *iou*, the one with the lower score goes; of equals the later one.
    """
    order = np.argsort(-scores, kind="stable")
    kept = order[:0]
    for start in range(0, len(order), BLOCK):
        block = order[start:start + BLOCK]
        if len(kept):
            block = block[~overlapping(boxes, groups, kept, block, iou).any(axis=0)]
        kept = np.concatenate([kept, block[greedy(overlapping(boxes, groups, block, block, iou))]])
        if len(kept) >= limit:
            break
    return kept[:limit]


def greedy(overlap):
    """Return which boxes stay of those sorted by score, given the square matrix of who overlaps whom."""
    alive, stays = np.ones(len(overlap), bool), []
    for index in range(len(overlap)):
        if alive[index]:
            stays.append(index)
            alive &= ~overlap[index]
    return np.array(stays, np.intp)


def overlapping(boxes, groups, one, two, iou):
    """Return the bool matrix [len(one), len(two)] of pairs, by index, in one group whose IoU is above *iou*."""
    left, top, right, bottom = (np.ascontiguousarray(edge) for edge in boxes[one].T)
    left_2, top_2, right_2, bottom_2 = (np.ascontiguousarray(edge) for edge in boxes[two].T)
    width = np.minimum(right[:, None], right_2) - np.maximum(left[:, None], left_2)
    height = np.minimum(bottom[:, None], bottom_2) - np.maximum(top[:, None], top_2)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    size, size_2 = (right - left) * (bottom - top), (right_2 - left_2) * (bottom_2 - top_2)
    return (shared * (1 + iou) > iou * (size[:, None] + size_2)) & (groups[one][:, None] == groups[two])
