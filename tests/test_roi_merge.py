"""Merging, against exhaustive search, and the grid's arithmetic against a picture of it."""
import itertools
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.roi.grid import area, box_of, cells_of, covered, grid_size, union
from edgecam.roi.merge import Group, added, merge, total_area
from edgecam.roi.planner import cells_around
from edgecam.vocabulary import Box, Plan, Region

CELLS = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), st.integers(0, 50), st.integers(0, 30), st.integers(1, 9), st.integers(1, 9))


def painted(*cells):
    picture = np.zeros((50, 70), bool)
    for x0, y0, x1, y1 in cells:
        picture[y0:y1, x0:x1] = True
    return picture


def groups_of(cells):
    return [Group(c, 1.0, -8, (n,)) for n, c in enumerate(cells)]


@given(CELLS, CELLS)
def test_the_added_area_is_what_the_union_paints_beyond_both(a, b):
    assert added(a, b) == painted(union(a, b)).sum() - painted(a, b).sum()
    assert added(a, b) == added(b, a) >= 0


@given(st.lists(CELLS, min_size=1, max_size=60), st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_every_member_lies_in_its_group(cells, limit):
    groups, left_out = merge(groups_of(cells), limit, float("inf"))
    assert len(groups) <= limit and not left_out
    assert sorted(n for group in groups for n in group.ids) == list(range(len(cells)))
    for group in groups:
        members = [cells[n] for n in group.ids]
        assert group.cells == (min(c[0] for c in members), min(c[1] for c in members), max(c[2] for c in members), max(c[3] for c in members))
        assert group.weight == len(members)


def partitions(items, limit):
    """Yield every way to put *items* into at most *limit* groups."""
    for labels in itertools.product(range(limit), repeat=len(items)):
        if all(label <= max(labels[:i], default=-1) + 1 for i, label in enumerate(labels)):
            yield [[item for item, own in zip(items, labels) if own == label] for label in set(labels)]


def test_pairing_is_near_the_best_of_all_ways():
    dice, ratios = random.Random(4), []
    for _ in range(40):
        corners = [(dice.randrange(50), dice.randrange(30)) for _ in range(6)]
        cells = [(x, y, x + dice.randrange(1, 6), y + dice.randrange(1, 6)) for x, y in corners]
        best = min(sum(area(cells_union(part)) for part in parts) for parts in partitions(cells, 3))
        ratios.append(total_area(merge(groups_of(cells), 3, float("inf"))[0]) / best)
    assert sum(ratios) / len(ratios) < 1.1 and sorted(ratios)[len(ratios) // 2] == 1


def cells_union(cells):
    whole = cells[0]
    for one in cells[1:]:
        whole = union(whole, one)
    return whole


@given(st.floats(-50, 700), st.floats(-50, 400), st.floats(0.1, 300), st.floats(0.1, 300))
def test_cells_are_the_macroblocks_that_a_box_touches(x, y, w, h):
    cells = cells_of(Box(x, y, w, h), 641, 359)
    touched = [(column, row) for column in range(41) for row in range(23)
               if min(x + w, 641) > column * 16 and max(x, 0) < column * 16 + 16 and min(y + h, 359) > row * 16 and max(y, 0) < row * 16 + 16
               and x < 641 and y < 359 and x + w > 0 and y + h > 0]
    if not touched:
        assert cells is None
    else:
        columns, rows = zip(*touched)
        assert cells == (min(columns), min(rows), max(columns) + 1, max(rows) + 1)


@given(st.floats(0, 500), st.floats(0, 300), st.floats(1, 100), st.floats(1, 50), st.floats(0, 40), st.floats(0, 40))
def test_cells_around_a_box_hold_it_and_its_margin_within_half_a_macroblock(x, y, w, h, dx, dy):
    x0, y0, x1, y1 = cells_around(x, y, x + w, y + h, dx, dy, grid_size(640, 360))
    assert x0 * 16 <= x and y0 * 16 <= y and min(x + w, 640) <= x1 * 16 and min(y + h, 360) <= y1 * 16
    assert x0 * 16 <= max(0, x - dx) + 8 and x1 * 16 >= min(640, x + w + dx) - 8
    assert y0 * 16 >= min(y - 16, y - dy - 8) - 1e-6 and y1 * 16 <= max(y + h + 16, y + h + dy + 8) + 1e-6


def test_the_last_partial_macroblock_counts():
    assert grid_size(641, 359) == (41, 23)
    assert box_of((40, 22, 41, 23), 641, 359) == Box(640, 352, 1, 7)
    assert covered(Plan(0.0, (Region(Box(640, 352, 1, 7), -5),)), 641, 359)[22, 40]


def test_regions_outside_the_picture_change_nothing():
    assert not covered(Plan(0.0, (Region(Box(700, 0, 20, 20), -5),)), 641, 359).any()
