"""Which mode of a camera is taken."""
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.v4l2.negotiation import PREFERENCE, Mode, choose, nearest, offered


def mode(fourcc, width, height, rate=30):
    return Mode(fourcc, width, height, None if rate is None else Fraction(rate))


# A usual USB camera: YUYV is slow at large sizes, MJPEG is not.
WEBCAM = [mode("MJPG", 1280, 720, 30), mode("MJPG", 640, 480, 30), mode("YUYV", 1280, 720, 10), mode("YUYV", 640, 480, 30),
          mode("YUYV", 960, 540, 15), mode("MJPG", 960, 540, 30)]


@pytest.mark.parametrize("wish, taken", [
    ((640, 480, 30), mode("YUYV", 640, 480, 30)),           # no decoder where none is needed
    ((1280, 720, 30), mode("MJPG", 1280, 720, 30)),         # MJPEG as the only way to the rate
    ((1280, 720, 10), mode("YUYV", 1280, 720, 10)),
    ((960, 540, 15), mode("YUYV", 960, 540, 15)),
    ((960, 540, 30), mode("MJPG", 960, 540, 30)),
    ((800, 500, 15), mode("YUYV", 960, 540, 15)),           # the smallest size that covers the wish
    ((1920, 1080, 30), mode("MJPG", 1280, 720, 30)),        # else the largest
])
def test_a_webcam(wish, taken):
    assert choose(WEBCAM, *wish) == taken


def test_nv12_before_yuyv_and_ntsc_rates_count_as_whole():
    modes = [mode("YUYV", 960, 540, 30), mode("NV12", 960, 540, Fraction(30000, 1001))]
    assert choose(modes, 960, 540, 30).fourcc == "NV12"


def test_an_unknown_rate_is_believed():
    assert choose([mode("YUYV", 960, 540, None), mode("MJPG", 960, 540, 60)], 960, 540, 30).fourcc == "YUYV"


def test_nothing_fits_nothing():
    assert choose([], 960, 540, 30) is None


@given(st.integers(1, 5000), st.integers(1, 2000), st.integers(0, 3000), st.integers(0, 64))
def test_a_size_of_a_range_keeps_to_its_steps(wish, low, span, step):
    size = nearest(wish, low, low + span, step)
    assert low <= size <= low + span and (size - low) % (step or 1) == 0


def test_sizes_that_are_not_listed_are_tried_as_asked():
    assert offered([], 960, 540) == [(960, 540)]
    assert offered(((16, 16), (1920, 1080), (16, 8)), 960, 540) == [(960, 536)]


@given(st.lists(st.builds(Mode, st.sampled_from(PREFERENCE), st.integers(16, 2000), st.integers(16, 2000),
                          st.fractions(1, 120)), min_size=1, max_size=12))
def test_the_choice_is_never_beaten_in_size_and_rate_together(modes):
    taken = choose(modes, 960, 540, 30)
    assert taken in modes
    for other in modes:
        same_size = (other.width, other.height) == (taken.width, taken.height)
        assert not (same_size and min(other.rate, 29) > min(taken.rate, 29) and taken.rate < Fraction(297, 10))
