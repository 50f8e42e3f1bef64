"""Which boxes can belong together at all: pairs of rows, found without comparing all with all.

Boxes here are arrays (4, n) of centre x, centre y, width, height.
"""
import numpy as np

FEW = 4096          # up to so many pairs comparing all with all is the fastest way


def near(a, b, reach):
    """Return (i, j): all pairs whose centres lie within *reach*, (2, n) for the boxes of *a*, along x and y."""
    if a.shape[1] * b.shape[1] <= FEW:
        x, y = np.abs(a[:2, :, None] - b[:2, None]) <= reach[:, :, None]
        return (x & y).nonzero()
    i, j = by_strips(a, b, reach)
    x, y = np.abs(a[:2].take(i, axis=1) - b[:2].take(j, axis=1)) <= reach.take(i, axis=1)
    close = x & y
    return i[close], j[close]


def by_strips(a, b, reach):
    """Return a superset of the near pairs, by sorting *b* into horizontal strips and along x."""
    (a_x, a_y), (b_x, b_y), (reach_x, reach_y) = a[:2], b[:2], reach
    height = max(np.median(reach_y) * 2, 1e-6)
    top, left = b_y.min(), b_x.min()
    length = b_x.max() - left + 1.0
    strips = np.floor((b_y - top) / height)
    count = strips.max() + 1
    key = strips * length + (b_x - left)
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.clip(np.floor((a_y - reach_y - top) / height), 0, count)
    last = np.clip(np.floor((a_y + reach_y - top) / height), -1, count - 1)
    row, strip = spans(first, last - first + 1)
    low = np.clip(a_x[row] - reach_x[row] - left, 0, length)
    high = np.clip(a_x[row] + reach_x[row] - left, 0, length - 0.5)
    begin = np.searchsorted(key, strip * length + low, "left")
    end = np.searchsorted(key, strip * length + high, "right")
    index, place = spans(begin, end - begin)
    return row[index], order[place.astype(np.intp)]


def spans(starts, lengths):
    """Return (row, value) for every value of the ranges [start, start + length) of the rows."""
    lengths = np.maximum(lengths, 0).astype(np.intp)
    row = np.repeat(np.arange(len(lengths)), lengths)
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return row, np.asarray(starts)[row] + offset


def iou(a, b):
    """Return the intersection over union of boxes pair by pair."""
    half, other_half = a[2:] / 2, b[2:] / 2
    shared = np.minimum(a[:2] + half, b[:2] + other_half) - np.maximum(a[:2] - half, b[:2] - other_half)
    np.maximum(shared, 0, out=shared)
    shared = shared[0] * shared[1]
    return shared / np.maximum(a[2] * a[3] + b[2] * b[3] - shared, 1e-9)
