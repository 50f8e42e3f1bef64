"""COCO-style average precision, for groups of boxes with ignored regions; agrees with pycocotools (see the tests)."""
import numpy as np

THRESHOLDS = np.arange(0.5, 0.951, 0.05)
RECALLS = np.linspace(0, 1, 101)
SIZES = {"all": (0, 1e9), "small": (0, 32 ** 2), "medium": (32 ** 2, 96 ** 2), "large": (96 ** 2, 1e9)}


def overlaps(boxes, truth, crowd):
    """IoU ``[d, t]``; for a crowd the intersection over the detection's own area."""
    low, high = np.maximum(boxes[:, None, :2], truth[None, :, :2]), np.minimum(boxes[:, None, 2:4], truth[None, :, 2:4])
    inter = (high - low).clip(0).prod(2)
    area, area_truth = (boxes[:, 2:4] - boxes[:, :2]).prod(1)[:, None], (truth[:, 2:4] - truth[:, :2]).prod(1)[None]
    return inter / np.maximum(np.where(crowd[None], area, area + area_truth - inter), 1e-9)


def match(boxes, truth, crowd, ignore):
    """Greedy matching of detections, best first, at all thresholds.

    Returns ``hit`` and ``skip`` ``[T, d]``: found an object that counts; neither counts for nor against.
    """
    hit = np.zeros((len(THRESHOLDS), len(boxes)), bool)
    skip = np.zeros_like(hit)
    if not len(truth) or not len(boxes):
        return hit, skip
    iou = overlaps(boxes, truth, crowd)
    free = np.ones((len(THRESHOLDS), len(truth)), bool)
    for d in np.flatnonzero(iou.max(1) >= THRESHOLDS[0]):
        able = free & (iou[d][None] >= np.minimum(THRESHOLDS, 1 - 1e-10)[:, None])
        for wanted, mark in ((~ignore, hit), (ignore, skip)):
            value = np.where(able & wanted[None], iou[d][None], -1.0)
            pick = value.shape[1] - 1 - value[:, ::-1].argmax(1)
            rows = np.flatnonzero((value.max(1) >= 0) & ~hit[:, d])
            mark[rows, d] = True
            taken = rows[~crowd[pick[rows]]]
            free[taken, pick[taken]] = False
    return hit, skip


class Tally(object):
    """Collects pictures of one group and gives precision and recall."""

    def __init__(self, area=SIZES["all"]):
        self.area, self.scores, self.hits, self.skips, self.objects = area, [], [], [], 0

    def add(self, rows, truth, crowd, scale=1.0):
        """``rows`` (x1, y1, x2, y2, score) and true boxes of one picture; ``scale``: input pixels a picture pixel."""
        rows = rows[np.argsort(-rows[:, 4], kind="mergesort")]
        outside = ~self.within(truth, scale)
        hit, skip = match(rows, truth, crowd, crowd | outside)
        skip |= ~hit & ~self.within(rows, scale)[None]
        self.scores.append(rows[:, 4])
        self.hits.append(hit)
        self.skips.append(skip)
        self.objects += int((~crowd & ~outside).sum())

    def within(self, boxes, scale):
        area = (boxes[:, 2:4] - boxes[:, :2]).prod(1) * scale ** 2
        return (area >= self.area[0]) & (area <= self.area[1])

    def curves(self):
        """Interpolated precision ``[T, 101]`` and the highest recall ``[T]``; None without objects."""
        if not self.objects:
            return None
        scores = np.concatenate(self.scores)
        order = np.argsort(-scores, kind="mergesort")
        hits, skips = np.concatenate(self.hits, 1)[:, order], np.concatenate(self.skips, 1)[:, order]
        right, wrong = np.cumsum(hits & ~skips, 1), np.cumsum(~hits & ~skips, 1)
        precision = right / np.maximum(right + wrong, 1e-9)
        precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        recall = right / self.objects
        table = np.zeros((len(THRESHOLDS), len(RECALLS)))
        for t in range(len(THRESHOLDS)):
            at = np.searchsorted(recall[t], RECALLS, side="left")
            table[t, at < recall.shape[1]] = precision[t, at[at < recall.shape[1]]]
        return table, recall[:, -1] if recall.shape[1] else np.zeros(len(THRESHOLDS))

    def result(self):
        """(AP50, AP50:95, objects) or None."""
        curves = self.curves()
        return None if curves is None else (float(curves[0][0].mean()), float(curves[0].mean()), self.objects)
