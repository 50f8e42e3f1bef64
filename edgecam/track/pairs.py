"""Which boxes can belong together at all: pairs of rows, found without comparing all with all.

Boxes here are arrays (n, 4) of centre x, centre y, width, height.
"""
import numpy as np

FEW = 4096          # up to so many pairs comparing all with all is the fastest way


def near(a, b, reach):
    """Return (i, j): all pairs whose centres lie within *reach*, (n, 2) for the rows of *a*, along x and y."""
    if len(a) * len(b) <= FEW:
        apart = np.abs(a.T[:2, :, None] - b.T[:2, None])
        x, y = apart <= reach.T[:, :, None]
        return (x & y).nonzero()
    i, j = by_strips(a, b, reach)
    x, y = np.abs(a[i, :2] - b[j, :2]).T <= reach[i].T
    close = x & y
    return i[close], j[close]


def by_strips(a, b, reach):
    """Return a superset of the near pairs, by sorting *b* into horizontal strips and along x."""
    reach_x, reach_y = reach.T
    height = max(np.median(reach_y) * 2, 1e-6)
    top, left = b[:, 1].min(), b[:, 0].min()
    length = b[:, 0].max() - left + 1.0
    strips = np.floor((b[:, 1] - top) / height)
    count = strips.max() + 1
    key = strips * length + (b[:, 0] - left)
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.clip(np.floor((a[:, 1] - reach_y - top) / height), 0, count)
    last = np.clip(np.floor((a[:, 1] + reach_y - top) / height), -1, count - 1)
    row, strip = spans(first, last - first + 1)
    low = np.clip(a[row, 0] - reach_x[row] - left, 0, length)
    high = np.clip(a[row, 0] + reach_x[row] - left, 0, length - 0.5)
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
    """Return the intersection over union of boxes row by row, or of everything that broadcasts."""
    at, half, other_at, other_half = a[..., :2], a[..., 2:] / 2, b[..., :2], b[..., 2:] / 2
    shared = np.minimum(at + half, other_at + other_half) - np.maximum(at - half, other_at - other_half)
    np.maximum(shared, 0, out=shared)
    shared = shared[..., 0] * shared[..., 1]
    return shared / np.maximum(a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - shared, 1e-9)
