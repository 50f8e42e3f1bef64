"""Which boxes can belong together at all: pairs of rows, found without comparing all with all.

Boxes here are arrays (n, 4) of centre x, centre y, width, height.
"""
import numpy as np

FEW = 4096          # up to so many pairs comparing all with all is the fastest way


def near(a, b, reach_x, reach_y):
    """Return (i, j): all pairs whose centres lie within *reach_x*, *reach_y* (per row of *a*)."""
    if len(a) * len(b) <= FEW:
        return np.nonzero((np.abs(a[:, None, 0] - b[None, :, 0]) <= reach_x[:, None])
                          & (np.abs(a[:, None, 1] - b[None, :, 1]) <= reach_y[:, None]))
    i, j = by_strips(a, b, reach_x, reach_y)
    close = ((np.abs(a[i, 0] - b[j, 0]) <= reach_x[i]) & (np.abs(a[i, 1] - b[j, 1]) <= reach_y[i]))
    return i[close], j[close]


def by_strips(a, b, reach_x, reach_y):
    """Return a superset of the near pairs, by sorting *b* into horizontal strips and along x."""
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
    half_a, half_b = a[..., 2:] / 2, b[..., 2:] / 2
    shared = (np.minimum(a[..., :2] + half_a, b[..., :2] + half_b)
              - np.maximum(a[..., :2] - half_a, b[..., :2] - half_b))
    np.maximum(shared, 0, out=shared)
    shared = shared[..., 0] * shared[..., 1]
    return shared / np.maximum(a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - shared, 1e-9)
