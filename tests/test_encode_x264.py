"""What is x264's own: PyAV pictures pass uncopied, regions count at every preset, the same input gives the same bytes."""
import logging
import re
import sys
from fractions import Fraction

import numpy as np
import pytest

from edgecam import encode
from edgecam.config import load_config
from edgecam.encode import open_encoder
from edgecam.encode.qp import PacketReader, inside
from edgecam.encode.x264 import try_options
from edgecam.errors import BackendUnavailable, ConfigError, EncoderError
from edgecam.events import qp_dict
from edgecam.vocabulary import NO_PLAN, Box, Frame, Plan, Region, VideoFormat

VIDEO = VideoFormat(320, 192, "I420", Fraction(30), Fraction(1, 30), False)
PLAN = Plan(0.0, (Region(Box(32, 32, 96, 64), -8),))


def make_frame(number, video=VIDEO, native=None):
    random = np.random.RandomState(1)
    luma = np.roll(random.randint(60, 180, (192, 320)).astype(np.uint8), 2 * number, 1)
    chroma = np.full((96, 160), 120, np.uint8)
    return Frame(number, number / 30, number, video, (luma, chroma, chroma), native)


def run(plan=PLAN, count=10, **settings):
    pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    settings = load_config().encode.replace(backend="x264", **settings)
    with open_encoder(settings, VIDEO) as encoder:
        packets = [packet for n in range(count) for packet in encoder.encode(make_frame(n), plan)]
        return packets + encoder.flush()


def test_a_missing_pyav_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BackendUnavailable, match="pip install av"):
        open_encoder(load_config().encode.replace(backend="x264"), VIDEO)


def test_a_pyav_without_x264_is_told(monkeypatch):
    av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    monkeypatch.setattr(av, "codecs_available", {"h264"})
    with pytest.raises(BackendUnavailable, match="without libx264"):
        open_encoder(load_config().encode.replace(backend="x264"), VIDEO)


def test_auto_says_why_candidates_are_passed_over(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(encode, "BACKENDS", tuple(entry for entry in encode.BACKENDS if entry[0] == "x264"))
    with caplog.at_level(logging.INFO, "edgecam"), pytest.raises(BackendUnavailable, match="no encoder works here: x264: "):
        open_encoder(load_config().encode, VIDEO)
    assert "x264 passed over" in caplog.text


@pytest.mark.parametrize("preset", ["ultrafast", "superfast", "veryfast"])
def test_regions_count_at_every_preset(preset):
    """x264 ignores them silently without adaptive quantisation, which ultrafast turns off."""
    with_regions, without = run(preset=preset), run(NO_PLAN, preset=preset)
    assert [packet.payload for packet in with_regions] != [packet.payload for packet in without]


def test_regions_count_with_a_strength_of_zero():
    assert run(aq_strength=0)[3].payload != run(NO_PLAN, aq_strength=0)[3].payload


def test_the_same_input_gives_the_same_bytes():
    """By one thread; x264's sliced threads look at each other's progress for the buffer's sake, now and then with another result."""
    assert [packet.payload for packet in run(threads=1)] == [packet.payload for packet in run(threads=1)]


@pytest.mark.parametrize("threads", [1, 4])
def test_each_packet_leaves_before_the_next_frame_comes(threads):
    pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    with open_encoder(load_config().encode.replace(backend="x264", threads=threads), VIDEO) as encoder:
        for number in range(5):
            assert [packet.number for packet in encoder.encode(make_frame(number), NO_PLAN)] == [number]


def native_picture(av, number):
    """Return a PyAV frame as a decoder leaves it: with a picture type of its own."""
    picture = av.VideoFrame(320, 192, "yuv420p")
    for plane, source in zip(picture.planes, make_frame(number).planes):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        rows[:, :plane.width] = source
    picture.pts, picture.time_base = 10 ** 6 + number, Fraction(1, 1000)
    picture.pict_type = av.video.frame.PictureType.I
    return picture


def test_a_decoded_picture_is_encoded_as_its_planes_are_but_not_copied(monkeypatch):
    """Its own picture type and timestamps don't count either."""
    av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    from edgecam.encode import picture
    expected = run(count=6)
    monkeypatch.setattr(picture, "paint", None)         # nobody may copy
    with open_encoder(load_config().encode.replace(backend="x264"), VIDEO) as encoder:
        packets = [packet for n in range(6) for packet in encoder.encode(make_frame(n, native=native_picture(av, n)), PLAN)]
    assert [packet.payload for packet in packets] == [packet.payload for packet in expected]
    assert [packet.pts for packet in packets] == list(range(6))
    assert [packet.keyframe for packet in packets] == [True] + 5 * [False]


def test_the_callers_picture_stays_as_it_was():
    av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    native = native_picture(av, 0)
    with open_encoder(load_config().encode.replace(backend="x264"), VIDEO) as encoder:
        encoder.encode(make_frame(0, native=native), PLAN)
    assert native.pts == 10 ** 6 and native.pict_type == av.video.frame.PictureType.I and len(native.side_data) == 0


def test_frames_in_device_memory_are_refused():
    pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    with open_encoder(load_config().encode.replace(backend="x264"), VIDEO) as encoder:
        with pytest.raises(EncoderError, match="device memory"):
            encoder.encode(Frame(0, 0.0, 0, VIDEO, None, object()), NO_PLAN)


def test_a_rate_of_nothing_is_refused():
    pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    with open_encoder(load_config().encode.replace(backend="x264"), VIDEO) as encoder:
        with pytest.raises(EncoderError, match="too low"):
            encoder.set_bitrate(0)


def test_a_change_within_the_headroom_needs_no_keyframe():
    pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    with open_encoder(load_config().encode.replace(backend="x264", bitrate=1000000), VIDEO) as encoder:
        packets = encoder.encode(make_frame(0), NO_PLAN)
        encoder.set_bitrate(900000)
        packets += encoder.encode(make_frame(1), NO_PLAN)
        encoder.set_bitrate(300000)
        packets += encoder.encode(make_frame(2), NO_PLAN)
    assert [packet.keyframe for packet in packets] == [True, False, True]


def test_each_frames_qp_is_near_the_one_in_the_stream():
    av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    random = np.random.RandomState(3)
    with open_encoder(load_config().encode.replace(backend="x264", bitrate=2000000), VIDEO) as encoder:
        frames = [make_frame(n) for n in range(12)]
        for frame in frames:
            frame.planes[0][...] = random.randint(60, 180, (192, 320))      # every macroblock has something to say
        packets = [packet for frame in frames for packet in encoder.encode(frame, PLAN)]
    if packets[0].qp is None:
        pytest.skip("this PyAV does not hand out side data of packets")
    reader = PacketReader(av)
    reader.remember(packets[0].payload)
    for packet in packets:
        look = reader.look(packet.payload, packet.keyframe)
        mask = inside(PLAN, look.qp.shape)
        told = qp_dict(packet.qp, PLAN, (VIDEO.width, VIDEO.height))
        assert told["frame"] == pytest.approx(look.qp.mean(), abs=4)
        assert told["outside"] - told["inside"] == pytest.approx(look.qp[~mask].mean() - look.qp[mask].mean(), abs=2)


@pytest.mark.parametrize("options", ["bframes=1", "subme=2:bframes=3", "annexb=0", "no-annexb=1", "repeat-headers=0", "repeat_headers=0", "no-repeat-headers=1",
                                     "pass=1", "stats=x.log", "dump-yuv=x.yuv", "dump_yuv=x.yuv", "garbage",
                                     "rc-lookahead=10", "ref=2:rc_lookahead=10", "sliced-threads=0", "no-sliced-threads=1", "intra-refresh=1",
                                     "'bframes'=3", r"\bframes=3", "'stats'=x.log", "ref=2:subme='2'"])
def test_options_that_the_stream_can_not_carry_are_refused(options, tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    with pytest.raises(ConfigError, match="^encode.options = " + re.escape(options)) as failure:
        open_encoder(load_config(overrides=["encode.backend=x264", "encode.options=" + options]).encode, VIDEO)
    assert failure.value.keys == ("encode.options",) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", ["subme=1", "bframes=0", "annexb=1:repeat-headers=1", "no-mbtree=1:ref=2", "rc-lookahead=0:sliced-threads=1:intra-refresh=0"])
def test_other_options_are_not(options):
    pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    with open_encoder(load_config(overrides=["encode.backend=x264", "encode.options=" + options]).encode, VIDEO) as encoder:
        assert encoder.name == "x264"


def test_what_ffmpeg_logs_is_as_before_when_x264_was_asked():
    av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    try_options(load_config(overrides=["encode.options=subme=1:no-mbtree=1:partitions=none:deblock=1,1"]).encode)
    with pytest.raises(ConfigError, match="no parameter subme, or it can't be much"):
        try_options(load_config(overrides=["encode.options=subme=much"]).encode)
    with pytest.raises(ConfigError, match="no parameter sub me, or it can't be 2; leave sub me=2 out"):
        try_options(load_config(overrides=["encode.options=ref=2:sub me=2"]).encode)
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before
