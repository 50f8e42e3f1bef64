"""Fewer rectangles than objects: join those whose union adds the least area.

Results depend on the groups alone, not on their order.
"""
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple, Tuple

from edgecam.roi.grid import area, union

CROWD = 32          # above it neighbours are joined tile by tile first: pairing grows with the square
TILES = 8, 4        # columns and rows of tiles: their product is at most CROWD


class Group(NamedTuple):
    """Tracks that share a region."""

    cells: Tuple[int, int, int, int]
    weight: float
    qp: int
    ids: Tuple[int, ...]


def added(a, b):
    """Return the macroblocks that the union of cells *a* and *b* covers and neither of them does."""
    (a0, a1, a2, a3), (b0, b1, b2, b3) = a, b
    left, right = (a0, b0) if a0 < b0 else (b0, a0)             # of the union: left; of the intersection: right
    top, down = (a1, b1) if a1 < b1 else (b1, a1)
    inner_right, outer_right = (a2, b2) if a2 < b2 else (b2, a2)
    inner_down, outer_down = (a3, b3) if a3 < b3 else (b3, a3)
    cost = (outer_right - left) * (outer_down - top) - (a2 - a0) * (a3 - a1) - (b2 - b0) * (b3 - b1)
    if inner_right > right and inner_down > down:
        cost += (inner_right - right) * (inner_down - down)
    return cost


def join(a, b):
    """Return the group of two groups' members."""
    return Group(union(a.cells, b.cells), a.weight + b.weight, min(a.qp, b.qp), a.ids + b.ids)


def total_area(groups):
    """Return the macroblocks of all groups; overlaps count twice."""
    return sum(area(group.cells) for group in groups)


def merge(groups, limit, room):
    """Return (at most *limit* groups, the groups left out).

    While there are too many, the pair with the least added area is joined; where that would
    cover more than *room* macroblocks, the least wanted group is left out instead.
    """
    groups = sorted(groups)
    if len(groups) > max(CROWD, limit):
        groups = by_tile(groups)
    live, names = dict(enumerate(groups)), count(len(groups))
    dropped, covered = [], total_area(groups)
    pairs = [(added(a.cells, b.cells), i, j) for j, b in live.items() for i, a in enumerate(groups[:j])]
    heapify(pairs)
    while len(live) > limit:
        cost, i, j = heappop(pairs)
        if i not in live or j not in live:
            continue
        if covered + cost > room:
            least = min(live, key=lambda key: (live[key].weight, key))
            covered -= area(live[least].cells)
            dropped.append(live.pop(least))
            heappush(pairs, (cost, i, j))
            continue
        a, b = live.pop(i), live.pop(j)
        both = join(a, b)
        covered += area(both.cells) - area(a.cells) - area(b.cells)
        name = next(names)
        for key, other in live.items():
            heappush(pairs, (added(other.cells, both.cells), key, name))
        live[name] = both
    return list(live.values()), dropped


def by_tile(groups):
    """Join the groups whose centres share a tile of the area that all of them span."""
    left, top = min(g.cells[0] for g in groups), min(g.cells[1] for g in groups)
    width = max(g.cells[2] for g in groups) - left
    height = max(g.cells[3] for g in groups) - top
    tiles = {}
    for group in groups:
        x0, y0, x1, y1 = group.cells
        tile = (x0 + x1 - 2 * left) * TILES[0] // (2 * width), (y0 + y1 - 2 * top) * TILES[1] // (2 * height)
        tiles[tile] = join(tiles[tile], group) if tile in tiles else group
    return sorted(tiles.values())
