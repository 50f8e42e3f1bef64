"""Softening: regions stay as they are, the rest loses its noise, and there is no edge between them."""
from fractions import Fraction

import numpy as np
import pytest

from edgecam.config import load_config
from edgecam.roi.soften import open_background
from edgecam.vocabulary import NO_PLAN, Box, Frame, Plan, Region, VideoFormat

pytest.importorskip("cv2", reason="OpenCV softens")
SHAPES = {"I420": ((359, 641), (180, 321), (180, 321)), "NV12": ((359, 641), (180, 321, 2)),
          "YUYV": ((359, 642, 2),), "GREY": ((359, 641),)}
PLAN = Plan(0.0, (Region(Box(160, 96, 128, 64), -8),))


def make_frame(fourcc, planes=None):
    width = 642 if fourcc == "YUYV" else 641
    video = VideoFormat(width, 359, fourcc, Fraction(30), Fraction(1, 30), False)
    random = np.random.RandomState(8)
    return Frame(5, 0.5, 7, video, planes or tuple(random.randint(0, 255, shape).astype(np.uint8) for shape in SHAPES[fourcc]), object())


def softener(frame, **changes):
    conf = load_config().roi.replace(background="soften", **changes)
    return open_background(conf, (frame.width, frame.height))


@pytest.mark.parametrize("fourcc", sorted(SHAPES))
def test_regions_stay_and_the_rest_loses_its_noise(fourcc):
    frame = make_frame(fourcc)
    before = [plane.copy() for plane in frame.planes]
    soft = softener(frame).apply(frame, PLAN)
    assert (soft.number, soft.time, soft.pts, soft.format) == (5, 0.5, 7, frame.format) and soft.native is None
    for index, (plane, old) in enumerate(zip(soft.planes, before)):
        assert plane.shape == old.shape and plane.dtype == np.uint8
        assert np.array_equal(frame.planes[index], old)
        part = 1 if index == 0 else 2
        region = (slice(96 // part, 160 // part), slice(160 // part, 288 // part))
        assert np.array_equal(plane[region], old[region])
        far = (slice(0, 60 // part), slice(400 // part, 600 // part))
        assert plane[far].std() < 0.6 * old[far].std()


@pytest.mark.parametrize("fourcc", sorted(SHAPES))
def test_flat_colours_stay_as_they_are(fourcc):
    frame = make_frame(fourcc, tuple(np.full(shape, 77, np.uint8) for shape in SHAPES[fourcc]))
    soft = softener(frame).apply(frame, PLAN)
    assert all(np.abs(plane.astype(int) - 77).max() <= 1 for plane in soft.planes)


def test_sharpness_fades_over_a_macroblock_without_an_edge():
    frame = make_frame("GREY")
    changed = np.abs(softener(frame).apply(frame, PLAN).planes[0].astype(int) - frame.planes[0])
    inside, rim, beyond = (changed[96:160, columns].mean() for columns in (slice(272, 288), slice(288, 304), slice(312, 328)))
    assert inside == 0 < rim < beyond
    steps = [changed[96:160, column:column + 2].mean() for column in range(286, 320, 2)]
    assert max(np.diff(steps)) < 0.35 * beyond


def test_regions_without_an_offset_stay_sharp_too():
    """`roi.qp: 0` with a soft background, and classes with so little weight that their share of the offset is none."""
    frame = make_frame("GREY")
    level = PLAN._replace(regions=tuple(region._replace(qp=0) for region in PLAN.regions))
    soft = softener(frame).apply(frame, level).planes[0]
    assert np.array_equal(soft[96:160, 160:288], frame.planes[0][96:160, 160:288])
    assert not np.array_equal(soft[:60, 400:600], frame.planes[0][:60, 400:600])


def test_a_frame_without_regions_stays_as_it_is():
    frame = make_frame("I420")
    same = softener(frame).apply(frame, NO_PLAN)
    assert (same.number, same.time, same.pts, same.format) == (5, 0.5, 7, frame.format)
    assert all(plane is old for plane, old in zip(same.planes, frame.planes))


def test_regions_that_move_take_their_sharpness_along():
    frame = make_frame("GREY")
    tool = softener(frame)
    tool.apply(frame, PLAN)
    moved = tool.apply(frame, Plan(0.1, (Region(Box(400, 200, 64, 64), -8),))).planes[0]
    assert np.array_equal(moved[200:256, 400:464], frame.planes[0][200:256, 400:464])
    assert not np.array_equal(moved[96:160, 160:288], frame.planes[0][96:160, 160:288])


def test_it_is_off_unless_asked_for():
    assert open_background(load_config().roi, (640, 360)) is None
    frame = make_frame("I420")                                      # regions that are off may be switched on at any time
    background = softener(frame, enabled=False)
    assert background.apply(frame, NO_PLAN).planes == frame.planes
    assert not np.array_equal(background.apply(frame, PLAN).planes[0], frame.planes[0])
