"""The region array byte by byte, and what must never reach FFmpeg."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.config import load_config
from edgecam.encode import open_encoder
from edgecam.encode.roi_tagger import PARTS, QP_RANGE, ROI, RoiTagger, balance
from edgecam.vocabulary import NO_PLAN, Box, Frame, Region, VideoFormat

av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
ANY = st.floats(-1e6, 1e6)
REGIONS = st.lists(st.builds(Region, st.builds(Box, ANY, ANY, ANY, ANY), st.integers(-60, 60)), max_size=12)


@pytest.fixture(scope="module")
def tagger():
    return RoiTagger(av, 641, 359, "yuv420p", Fraction(1, 30))


def entries(array):
    return [ROI.unpack_from(array, at) for at in range(0, len(array), ROI.size)]


def picture():
    frame = av.VideoFrame(641, 359, "yuv420p")
    frame.pts, frame.time_base = 7, Fraction(1, 30)
    return frame


@given(regions=REGIONS)
@settings(deadline=None)
def test_whatever_is_asked_stays_inside_the_picture(tagger, regions):
    """FFmpeg's glue to libx264 writes outside its memory otherwise."""
    array = tagger.array(tuple(regions))
    assert len(array) == 9 * ROI.size
    for size, top, bottom, left, right, numerator, denominator in entries(array):
        assert size == ROI.size and denominator > 0 and abs(numerator) <= denominator
        assert 0 <= top <= bottom <= 359 and 0 <= left <= right <= 641


def test_regions_come_first_and_differ_from_the_rest_by_what_was_asked(tagger):
    array = tagger.array((Region(Box(16, 32, 64, 48), -8), Region(Box(320, 0, 16, 16), -4)))
    first, second, rest, empty = entries(array)[:4]
    assert first[1:5] == (32, 80, 16, 80) and second[1:5] == (0, 16, 320, 336) and rest[1:5] == (0, 359, 0, 641)
    assert first[6] == second[6] == rest[6] == PARTS * QP_RANGE
    assert first[5] - rest[5] == -8 * PARTS and second[5] - rest[5] == -4 * PARTS
    assert rest[5] == pytest.approx(PARTS * balance((Region(Box(16, 32, 64, 48), -8), Region(Box(320, 0, 16, 16), -4)), 641, 359), abs=1)
    assert empty[1:6] == (0, 0, 0, 0, 0)


def test_what_is_balanced_costs_the_same_by_the_rule_of_six():
    regions = (Region(Box(0, 0, 50, 100), -6),)
    base = balance(regions, 100, 100)
    assert 0.5 * 2 ** (-(base - 6) / 6) + 0.5 * 2 ** (-base / 6) == pytest.approx(1)
    assert balance((), 100, 100) == 0


def test_what_lies_in_two_regions_or_beside_the_picture_counts_once_or_not():
    half = Region(Box(0, 0, 50, 100), -6)
    inner, beside = Region(Box(10, 10, 30, 30), -12), Region(Box(-500, 0, 500, 100), -12)
    assert balance((half,), 100, 100) == balance((half, half, inner, beside), 100, 100)
    assert balance((inner, half), 100, 100) > balance((half, inner), 100, 100)          # the first one's offset holds


def decoded_picture():
    """Return a picture whose memory FFmpeg counts references to; what old versions of PyAV make themselves has none."""
    conf, video = load_config().encode.replace(backend="x264"), VideoFormat(642, 360, "I420", Fraction(30), Fraction(1, 30), False)
    planes = tuple(np.full(shape, 90, np.uint8) for shape in ((360, 642), (180, 321), (180, 321)))
    with open_encoder(conf, video) as encoder:
        packet = encoder.encode(Frame(0, 0.0, 7, video, planes), NO_PLAN)[0]
    codec = av.CodecContext.create("h264", "r")
    picture = (codec.decode(av.Packet(packet.payload)) + codec.decode(None))[0]
    picture.pts, picture.time_base = 7, Fraction(1, 30)
    return picture


def test_the_frame_given_stays_untagged_and_its_pixels_are_shared():
    frame = decoded_picture()
    before = len(frame.side_data)
    tagged = RoiTagger(av, 642, 360, "yuv420p", Fraction(1, 30)).tag(frame, (Region(Box(0, 0, 16, 16), -8),))
    assert len(frame.side_data) == before
    assert tagged.planes[0].buffer_ptr == frame.planes[0].buffer_ptr
    assert tagged.pts == 7


def test_an_empty_plan_takes_the_regions_of_the_frame_before_away(tagger):
    tagger.tag(picture(), (Region(Box(0, 0, 16, 16), -8),))
    side_data = tagger.tag(picture(), ()).side_data[0]
    assert all(entry[1:6] == (0, 0, 0, 0, 0) for entry in entries(bytes(side_data)))
