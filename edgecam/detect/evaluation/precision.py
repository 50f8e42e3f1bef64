"""Average precision as COCO defines it, checked against pycocotools in the tests.

Detections are matched to true boxes best first; precision is read at 101 recalls after it was
made monotonous; AP50 at an IoU of 0.5, AP the mean over 0.5 to 0.95. Ignored boxes are COCO's
crowds: the overlap with them is the part of the detection inside, and they take any number.
"""
from typing import NamedTuple

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
EVERYTHING = (0.0, float("inf"))
SIZES = {"small": (0, 32 ** 2), "medium": (32 ** 2, 96 ** 2), "large": (96 ** 2, float("inf"))}      # COCO's, square pixels


class Score(NamedTuple):
    """How well objects of one kind are found."""

    ap50: float
    ap: float               # mean over the IoU thresholds
    recall: float           # the highest that is reached, mean over the thresholds (COCO's AR)
    objects: int


class Tally:
    """Collects pictures and gives their `Score`. *area*: only objects of so many square pixels count."""

    def __init__(self, area=EVERYTHING):
        self._area = area
        self._scores, self._hits, self._skips = [], [], []
        self._scenes, self._objects = [], []

    @property
    def objects(self):
        """How many objects count."""
        return sum(self._objects)

    def add(self, boxes, scores, truth, scale=1.0, scene=None):
        """Count one picture: found *boxes* float [n, 4] (corners) with *scores* [n], and the `Truth`.

        *scale* turns the picture's pixels into those that *area* is given in. Pictures of one *scene* are alike; without, each is one.
        """
        order = np.argsort(-scores, kind="stable")
        boxes, scores = boxes[order], scores[order]
        ignore = truth.ignore | ~self._counts(truth.boxes, scale)
        hits, skips = match(overlaps(boxes, truth), truth.ignore, ignore)
        skips |= ~hits & ~self._counts(boxes, scale)
        self._scores.append(scores)
        self._hits.append(hits)
        self._skips.append(skips)
        self._scenes.append(str(len(self._scenes) if scene is None else scene))
        self._objects.append(int((~ignore).sum()))

    def _counts(self, boxes, scale):
        size = area(boxes) * scale ** 2
        return (size >= self._area[0]) & (size <= self._area[1])

    def curve(self):
        """Return (precision [thresholds, 101] at `RECALLS`, highest recall [thresholds]); None without objects."""
        if not self.objects:
            return None
        order = np.argsort(-np.concatenate(self._scores), kind="mergesort")
        hits = np.concatenate(self._hits, axis=1)[:, order]
        counted = ~np.concatenate(self._skips, axis=1)[:, order]
        right = np.cumsum(hits & counted, axis=1)
        wrong = np.cumsum(~hits & counted, axis=1)
        recall = right / float(self.objects)
        precision = right / np.maximum(right + wrong, 1e-9)
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return np.array([read_at(*row) for row in zip(recall, precision)]), recall.max(axis=1) if recall.size else np.zeros(len(hits))

    def score(self):
        """Return the `Score`, or None without objects."""
        curve = self.curve()
        if curve is None:
            return None
        return Score(float(curve[0][0].mean()), float(curve[0].mean()), float(curve[1].mean()), self.objects)

    def redrawn(self, draws, seed=0):
        """Return AP50 [draws] of as many scenes drawn anew from these, with repeats: what chance makes of it (bootstrap). NaN without objects."""
        names, scene = np.unique(self._scenes, return_inverse=True)
        order = np.argsort(-np.concatenate(self._scores), kind="mergesort")
        picture = np.repeat(np.arange(len(self._scores)), [len(scores) for scores in self._scores])[order]
        hit = np.concatenate([hits[0] for hits in self._hits])[order]
        counted = ~np.concatenate([skips[0] for skips in self._skips])[order]
        random, found = np.random.RandomState(seed), []
        for _ in range(draws):
            times = np.bincount(random.randint(len(names), size=len(names)), minlength=len(names))[scene]
            found.append(weighted(hit * times[picture], counted * times[picture], np.dot(self._objects, times)))
        return np.array(found)


def weighted(hits, counted, objects):
    """Return the average precision of detections, best first, that count so many times each; NaN without *objects*."""
    right, total = np.cumsum(hits * (counted > 0)), np.cumsum(counted)
    if not objects:
        return float("nan")
    precision = np.maximum.accumulate((right / np.maximum(total, 1e-9))[::-1])[::-1]
    return read_at(right / float(objects), precision).mean()


def read_at(recall, precision):
    """Return the precision at each of `RECALLS`, 0 where it is never reached."""
    places = np.searchsorted(recall, RECALLS, side="left")
    return np.append(precision, 0.0)[np.minimum(places, len(precision))]


def area(boxes):
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def overlaps(boxes, truth):
    """Return [found, true] intersection over union; for ignored boxes over the found one's own area."""
    low = np.maximum(boxes[:, None, :2], truth.boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth.boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    own = area(boxes)[:, None]
    total = np.where(truth.ignore[None, :], own, own + area(truth.boxes)[None, :] - shared)
    return shared / np.maximum(total, 1e-9)


def match(overlap, crowd, ignore):
    """Match found boxes (rows, best first) to true ones (columns) at every threshold.

    An object that counts goes before an ignored one, then the larger overlap decides. Returns two
    bool [thresholds, found]: has an object that counts; touches an ignored one and is left out.
    """
    hits = np.zeros((len(THRESHOLDS), len(overlap)), bool)
    skips = np.zeros_like(hits)
    if overlap.size == 0:
        return hits, skips
    free = np.ones((len(THRESHOLDS), overlap.shape[1]), bool)
    for row in np.flatnonzero(overlap.max(axis=1) >= THRESHOLDS[0] - 1e-9):
        able = free & (overlap[row] >= np.minimum(THRESHOLDS, 1 - 1e-10)[:, None])
        worth = np.where(able, overlap[row] - 2.0 * ignore, -np.inf)        # any that counts beats any ignored
        best = worth.shape[1] - 1 - worth[:, ::-1].argmax(axis=1)           # of equals the last, as pycocotools does
        found = np.flatnonzero(able.any(axis=1))
        best = best[found]
        hits[found, row], skips[found, row] = ~ignore[best], ignore[best]
        taken = ~crowd[best]
        free[found[taken], best[taken]] = False
    return hits, skips
