"""What every encoder promises of its packets, run over each that works here: numbers, times, keyframes and rates."""
import threading
from fractions import Fraction

import numpy as np
import pytest

from edgecam.errors import EncoderError
from edgecam.h264 import nal_units, unit_type
from edgecam.vocabulary import NO_PLAN
from encoder_rig import backend, decode_all, encode_all, h264, make_format, make_frames, open_for     # noqa: F401  (fixtures)


def test_the_bitrate_is_followed_up_and_down(backend):
    """Every encoder: more bits asked, more bits given."""
    video = make_format()
    frames = make_frames(video, 150, contrast=24)
    with open_for(backend, video, bitrate=60000000, keyframe_interval=60) as encoder:
        sizes = []
        for part, rate in enumerate((60000000, 400000, 60000000)):
            encoder.set_bitrate(rate)
            packets = [p for f in frames[part * 50:part * 50 + 50] for p in encoder.encode(f, NO_PLAN)]
            sizes.append(np.mean([len(p.payload) for p in packets[-20:] if not p.keyframe]))
    assert sizes[1] < sizes[0] * 0.9 and sizes[1] < sizes[2] * 0.9


def test_every_frame_comes_out_once_and_in_order(backend):
    video = make_format()
    with open_for(backend, video) as encoder:
        packets = encode_all(encoder, make_frames(video, 7))
    assert [packet.number for packet in packets] == list(range(7))
    assert [packet.pts for packet in packets] == list(range(7))
    assert [packet.time for packet in packets] == [pytest.approx(i / 30) for i in range(7)]
    assert len(decode_all(packets)) == 7


def test_timestamps_of_a_variable_rate_are_carried_through(backend):
    video = make_format(time_base=Fraction(1, 90000))
    pts = [5, 3000, 3001, 93000, 97000]
    with open_for(backend, video) as encoder:
        packets = encode_all(encoder, make_frames(video, 5, pts))
    assert [packet.pts for packet in packets] == pts
    assert {packet.time_base for packet in packets} == {Fraction(1, 90000)} == {encoder.format.time_base}


def test_the_rate_is_kept_with_a_fine_time_base(backend, h264):
    video = make_format(time_base=Fraction(1, 90000))
    with open_for(backend, video, bitrate=400000) as encoder:
        packets = encode_all(encoder, make_frames(video, 90, [i * 3000 for i in range(90)]))
    assert 300000 < 8 * sum(len(packet.payload) for packet in packets) / 3 < 500000


def test_packets_are_bytes_with_start_codes_and_stay_as_they_are(backend, h264):
    video = make_format()
    with open_for(backend, video) as encoder:
        frames = make_frames(video, 5)
        first = encoder.encode(frames[0], NO_PLAN) + encoder.encode(frames[1], NO_PLAN)
        copies = [bytes(bytearray(packet.payload)) for packet in first]
        encode_all(encoder, frames[2:])
    assert [packet.payload for packet in first] == copies
    assert all(isinstance(packet.payload, bytes) and packet.payload.startswith((b"\0\0\0\1", b"\0\0\1")) for packet in first)


def test_each_keyframe_is_an_idr_picture_behind_its_parameter_sets(backend, h264):
    video = make_format()
    with open_for(backend, video, keyframe_interval=0.2) as encoder:
        packets = encode_all(encoder, make_frames(video, 20))
    assert [packet.number for packet in packets if packet.keyframe][:3] == [0, 6, 12]
    for packet in packets:
        kinds = [unit_type(unit) for unit in nal_units(packet.payload)]
        assert packet.keyframe == (5 in kinds)
        if packet.keyframe:
            assert kinds.index(7) < kinds.index(8) < kinds.index(5)


def test_keyframes_keep_their_distance_in_time_when_frames_are_rare(backend):
    video = make_format(time_base=Fraction(1, 1000))
    with open_for(backend, video, keyframe_interval=2) as encoder:
        packets = encode_all(encoder, make_frames(video, 9, [i * 500 for i in range(9)], step=0))
    assert [packet.number for packet in packets if packet.keyframe] == [0, 4, 8]


def test_a_keyframe_comes_at_once_when_it_is_asked_for(backend):
    video = make_format()
    with open_for(backend, video, keyframe_interval=60) as encoder:
        frames = make_frames(video, 6, step=0)
        packets = []
        for frame in frames:
            if frame.number == 3:
                encoder.request_keyframe()
            packets += encoder.encode(frame, NO_PLAN)
        packets += encoder.flush()
    assert [packet.number for packet in packets if packet.keyframe] == [0, 3]


def test_a_later_keyframe_can_be_the_start_of_decoding(backend):
    video = make_format()
    with open_for(backend, video, keyframe_interval=0.2) as encoder:
        packets = encode_all(encoder, make_frames(video, 12))
    start = [packet.keyframe for packet in packets].index(True, 1)
    assert len(decode_all(packets[start:])) == len(packets) - start


@pytest.mark.parametrize("low, high", [(300000, 1200000), (800000, 1000000)])
def test_the_rate_can_be_changed_while_running(backend, h264, low, high):
    video = make_format()
    frames = make_frames(video, 180)
    with open_for(backend, video, bitrate=high) as encoder:
        fast = sum(len(p.payload) for f in frames[:60] for p in encoder.encode(f, NO_PLAN))
        encoder.set_bitrate(low)
        slow = sum(len(p.payload) for f in frames[60:120] for p in encoder.encode(f, NO_PLAN))
        assert encoder.format.bitrate == low
        encoder.set_bitrate(high)
        again = sum(len(p.payload) for f in frames[120:] for p in encoder.encode(f, NO_PLAN))
    assert slow / fast == pytest.approx(low / high, rel=0.3)
    assert again / fast == pytest.approx(1, rel=0.3)


def test_the_rate_may_be_changed_and_keyframes_asked_for_from_another_thread(backend):
    video = make_format()
    frames = make_frames(video, 40)
    with open_for(backend, video) as encoder:
        def nag():
            for rate in range(200000, 1200000, 20000):
                encoder.set_bitrate(rate)
                encoder.request_keyframe()
        nagging = threading.Thread(target=nag)
        nagging.start()
        packets = encode_all(encoder, frames)
        nagging.join()
    assert [packet.number for packet in packets] == list(range(40)) and len(decode_all(packets)) == 40


def test_closing_twice_is_fine_and_flushing_without_frames_too(backend):
    encoder = open_for(backend, make_format())
    assert encoder.flush() == []
    encoder.close()
    encoder.close()
    with pytest.raises(EncoderError, match="closed"):
        encoder.encode(make_frames(make_format(), 1)[0], NO_PLAN)


def test_one_frame_is_a_stream(backend):
    video = make_format()
    with open_for(backend, video) as encoder:
        packets = encode_all(encoder, make_frames(video, 1))
    assert len(packets) == 1 and packets[0].keyframe and len(decode_all(packets)) == 1
