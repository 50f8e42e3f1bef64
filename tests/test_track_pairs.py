"""Neighbours found through strips are those found by comparing all with all."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.track import pairs
from edgecam.vocabulary import Box


def boxes(n, seed, span=1000.0):
    rng = np.random.RandomState(seed)
    return np.concatenate((rng.uniform(-span, span, (2, n)), rng.uniform(1, 120, (2, n))))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 80), st.integers(1, 80), st.integers(0, 10 ** 6), st.floats(0.1, 400))
def test_strips_find_every_neighbour(n, m, seed, reach):
    a, b = boxes(n, seed), boxes(m, seed + 1)
    reach = np.random.RandomState(seed).uniform(0, reach, (2, n))
    wanted = set(zip(*np.nonzero((np.abs(a[0][:, None] - b[0]) <= reach[0][:, None])
                                 & (np.abs(a[1][:, None] - b[1]) <= reach[1][:, None]))))
    if n:
        i, j = pairs.by_strips(a, b, reach)
        assert wanted <= set(zip(i.tolist(), j.tolist()))
        assert len(i) == len(set(zip(i.tolist(), j.tolist())))
    assert wanted == set(zip(*pairs.near(a, b, reach)))


def test_a_thousand_objects_make_few_pairs():
    """The number of looked-at pairs grows with the objects, not with their square."""
    count = {}
    for n in (1000, 4000):
        a = boxes(n, 1, span=250.0 * n ** 0.5)
        count[n] = len(pairs.by_strips(a, a, np.full((2, n), 60.0))[0])
    assert count[4000] < 10 * count[1000]           # strips: between n and n ** 1.5; all pairs would be 16 times
    assert count[1000] < 1000 * 1000 / 10


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10 ** 6))
def test_iou_is_that_of_boxes(seed):
    both = boxes(2, seed, span=60.0)
    as_box = [Box(x - w / 2, y - h / 2, w, h) for x, y, w, h in both.T]
    assert pairs.iou(both[:, 0], both[:, 1]) == pytest.approx(as_box[0].iou(as_box[1]), abs=1e-9)
