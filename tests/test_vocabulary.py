"""Boxes obey geometry; frames count their leases."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.vocabulary import Box, Frame, Region, VideoFormat, own_areas

sides = st.floats(0.5, 500)
places = st.floats(-500, 500)
boxes = st.builds(Box, places, places, sides, sides)


@given(boxes, boxes)
def test_iou_is_symmetric_and_a_share(a, b):
    assert a.iou(b) == pytest.approx(b.iou(a))
    assert 0 <= a.iou(b) <= 1 + 1e-9
    assert a.iou(a) == pytest.approx(1)


@given(boxes, boxes)
def test_union_holds_both(a, b):
    both = a.union(b)
    assert both.intersection(a) == pytest.approx(a.area, rel=1e-6)
    assert both.intersection(b) == pytest.approx(b.area, rel=1e-6)


@given(boxes, st.integers(1, 400), st.integers(1, 400))
def test_a_clipped_box_is_inside(box, width, height):
    left, top, right, bottom = box.clip(width, height).corners
    assert 0 <= left <= right + 1e-9 and right <= width + 1e-6
    assert 0 <= top <= bottom + 1e-9 and bottom <= height + 1e-6


@given(boxes, st.floats(0.1, 8), st.floats(0.1, 8))
def test_scaling_there_and_back(box, sx, sy):
    back = box.scale(sx, sy).scale(1 / sx, 1 / sy)
    assert list(back) == pytest.approx(list(box), rel=1e-6, abs=1e-6)


whole = st.builds(Box, st.integers(-9, 30), st.integers(-9, 30), st.integers(0, 30), st.integers(0, 30))


@given(st.lists(whole, max_size=8))
def test_own_areas_are_the_pixels_that_a_region_is_the_first_to_cover(found):
    first = np.full((20, 25), -1)
    for index, box in reversed(list(enumerate(found))):
        left, top, right, bottom = box.clip(25, 20).corners
        first[top:bottom, left:right] = index
    assert own_areas([Region(box, -1) for box in found], 25, 20) == [(first == index).sum() for index in range(len(found))]


def make_frame(home=None):
    return Frame(1, 0.0, 0, VideoFormat(16, 16, "GREY", 30, 1, False), (), home=home)


def test_the_last_lease_sends_the_buffer_home():
    returned = []
    frame = make_frame(returned.append)
    frame.hold()
    frame.release()
    assert returned == []
    with frame:
        pass
    assert returned == [frame]


def test_a_released_frame_can_be_neither_held_nor_released():
    frame = make_frame()
    frame.release()
    with pytest.raises(ValueError):
        frame.hold()
    with pytest.raises(ValueError):
        frame.release()
