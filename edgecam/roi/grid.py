"""The macroblock grid: encoders change the QP in squares of 16 pixels and no finer.

Cells are a rectangle of macroblocks, (first column, first row, column behind, row behind).
"""
import numpy as np

from edgecam.vocabulary import Box

SIDE = 16           # pixels of a macroblock (H.264, 7.3)


def grid_size(width, height):
    """Return (columns, rows) of a picture; a partial macroblock at the edge counts."""
    return -(-width // SIDE), -(-height // SIDE)


def area(cells):
    """Return the number of macroblocks."""
    return (cells[2] - cells[0]) * (cells[3] - cells[1])


def union(a, b):
    """Return the smallest cells that hold both."""
    return (a[0] if a[0] < b[0] else b[0], a[1] if a[1] < b[1] else b[1],
            a[2] if a[2] > b[2] else b[2], a[3] if a[3] > b[3] else b[3])


def shared(a, b):
    """Return the number of macroblocks that lie in both."""
    columns = min(a[2], b[2]) - max(a[0], b[0])
    rows = min(a[3], b[3]) - max(a[1], b[1])
    return columns * rows if columns > 0 and rows > 0 else 0


def holds(outer, inner):
    """Return whether *inner* lies inside *outer*."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def cells_of(box, width, height):
    """Return the macroblocks that *box* touches, or None where it lies outside the picture."""
    left, top, right, bottom = max(box.x, 0), max(box.y, 0), min(box.right, width), min(box.bottom, height)
    if left >= right or top >= bottom:
        return None
    return int(left // SIDE), int(top // SIDE), int(-(-right // SIDE)), int(-(-bottom // SIDE))


def box_of(cells, width, height):
    """Return the pixels of *cells*, ending at the picture's edge."""
    left, top = cells[0] * SIDE, cells[1] * SIDE
    return Box(left, top, min(cells[2] * SIDE, width) - left, min(cells[3] * SIDE, height) - top)


def covered(plan, width, height):
    """Return which macroblocks a region covers, in part or whole and whatever its offset: a bool array (rows, columns)."""
    columns, rows = grid_size(width, height)
    table = np.zeros((rows, columns), bool)
    for region in plan.regions:
        cells = cells_of(region.box, width, height)
        if cells is not None:
            table[cells[1]:cells[3], cells[0]:cells[2]] = True
    return table
