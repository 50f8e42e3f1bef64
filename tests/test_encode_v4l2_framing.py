"""Keyframes and headers of what encoders give, and frames in the formats they take."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.encode.v4l2_framing import FwhtFraming, H264Framing, nal_types
from edgecam.encode.v4l2_input import CONVERSIONS, TARGETS, check, painter
from edgecam.errors import EncoderError
from edgecam.vocabulary import VideoFormat


def nal(kind, body=b"\x11\x22\x33", code=b"\0\0\0\1"):
    return code + bytes([0x60 | kind]) + body


def test_types_up_to_the_first_slice():
    assert nal_types(nal(9) + nal(7) + nal(8, code=b"\0\0\1") + nal(5) + nal(5)) == [9, 7, 8, 5]


@given(st.binary(max_size=60))
def test_rubbish_has_types_or_none(rubbish):
    assert all(0 <= kind < 32 for kind in nal_types(rubbish))


def test_headers_alone_make_no_packet_and_go_before_keyframes_without():
    framing = H264Framing()
    headers = nal(7) + nal(8)
    assert framing.feed(headers, 0) is None
    assert framing.feed(nal(5), 0) == (headers + nal(5), True)
    assert framing.feed(nal(1), 0) == (nal(1), False)
    assert framing.feed(nal(5), 0) == (headers + nal(5), True)


def test_headers_of_an_earlier_keyframe_are_remembered():
    framing = H264Framing()
    first = nal(7) + nal(8) + nal(5)
    assert framing.feed(first, 0) == (first, True)
    again, keyframe = framing.feed(nal(5, b"\x44"), 0)
    assert keyframe and nal_types(again) == [7, 8, 5] and again.endswith(nal(5, b"\x44"))


def test_fwht_tells_in_its_header():
    head = bytes(20)
    assert FwhtFraming().feed(head + (1 << 10).to_bytes(4, "big"), 0)[1]
    assert not FwhtFraming().feed(head + bytes(4), 0)[1]


def grid(*shape):
    return np.random.RandomState(3).randint(0, 256, shape).astype(np.uint8)


def test_nv12_and_i420_are_the_same_picture():
    planes = grid(4, 6), grid(2, 3, 2)
    i420 = np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8)
    painter("NV12", "I420")(planes, i420)
    back = np.zeros((4, 6), np.uint8), np.zeros((2, 3, 2), np.uint8)
    painter("I420", "NV12")(i420, back)
    assert all((a == b).all() for a, b in zip(planes, back))


@pytest.mark.parametrize("target", ["NV12", "I420"])
def test_yuyv_keeps_luma_and_takes_the_mean_of_two_rows_of_chroma(target):
    packed = grid(4, 6, 2)
    luma, chroma = np.zeros((4, 6), np.uint8), np.zeros((2, 3, 2), np.uint8)
    views = (luma, chroma) if target == "NV12" else (luma, chroma[:, :, 0], chroma[:, :, 1])
    painter("YUYV", target)((packed,), views)
    assert (luma == packed[:, :, 0]).all()
    u, v = packed[:, 0::2, 1].astype(int), packed[:, 1::2, 1].astype(int)
    assert (chroma[:, :, 0] == (u[0::2] + u[1::2]) // 2).all() and (chroma[:, :, 1] == (v[0::2] + v[1::2]) // 2).all()


def test_every_target_of_every_frame_has_its_way():
    pictures = {"NM12": "NV12", "YM12": "I420", "YU12": "I420"}
    for source, targets in TARGETS.items():
        for target in targets:
            target = pictures.get(target, target)
            assert source == target or (source, target) in CONVERSIONS


@pytest.mark.parametrize("fourcc, width, words", [("RGB3", 64, "not RGB3"), ("YUYV", 65, "65 is an odd width")])
def test_frames_that_no_encoder_takes_are_refused(fourcc, width, words):
    with pytest.raises(EncoderError, match=words):
        check(VideoFormat(width, 64, fourcc, 30, 1, True))
