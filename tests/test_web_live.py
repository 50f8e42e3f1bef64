"""The live stream's bytes, from real packets."""
import io
import json
import struct
from fractions import Fraction

import pytest

import web_rig as rig
from edgecam import mp4
from edgecam.events import make_event
from edgecam.view import Tap
from edgecam.vocabulary import NO_PLAN, Packet
from edgecam.web import live


def packet(number, key=None, pps=rig.PPS):
    key = number % 10 == 0 if key is None else key
    units = [rig.SPS, pps, b"\x65" + bytes(50) + b"\x80"] if key else [b"\x41" + bytes(20) + b"\x80"]
    return Packet(b"".join(b"\0\0\0\1" + unit for unit in units), number, Fraction(1, 30), key, number, number / 30.0)


def event(made):
    return make_event(made, "live", None, [], NO_PLAN, 0.01)


class StreamLike:
    """A view of which only the rate is asked."""

    class stream:
        rate = 30


def boxes(data):
    """[(type, content), ...] of a byte string that must be whole boxes."""
    found = []
    while data:
        size, kind = struct.unpack(">I4s", data[:8])
        assert size <= len(data)
        found.append((kind, data[8:size]))
        data = data[size:]
    return found


def tap_with(packets, size=90):
    tap = Tap(size, True, lambda tap: tap.end())
    for each in packets:
        tap.put(each, event(each))
    tap.end()
    return tap


def test_a_viewer_gets_parameters_then_each_frame_with_its_event_in_front():
    packets = [packet(n) for n in range(12)]
    chunks = list(live.live_mp4(tap_with(packets), live.Fragments(StreamLike)))
    assert [kind for kind, _ in boxes(chunks[0])] == [b"ftyp", b"moov", b"emsg", b"moof", b"mdat"]
    assert all([kind for kind, _ in boxes(chunk)] == [b"emsg", b"moof", b"mdat"] for chunk in chunks[1:])
    for made, chunk in zip(packets, chunks):
        content = dict(boxes(chunk))[b"emsg"]
        timescale, time, _, number = struct.unpack(">IQII", content[4:24])
        assert (time / timescale, number) == (made.seconds, made.number)
        assert json.loads(content[24:].split(b"\0")[2].decode()) == event(made)


def test_new_parameters_are_sent_again_and_old_ones_are_not():
    packets = [packet(0), packet(10), packet(20, pps=rig.PPS + b"\x90")]
    chunks = list(live.live_mp4(tap_with(packets), live.Fragments(StreamLike)))
    assert [b"moov" in dict(boxes(chunk)) for chunk in chunks] == [True, False, True]


def test_all_viewers_share_the_bytes_and_memory_is_bounded():
    fragments, first = live.Fragments(StreamLike), packet(0)
    assert fragments.get(first, event(first))[1] is fragments.get(first, event(first))[1]
    for n in range(1, 1000):
        made = packet(n)
        fragments.get(made, event(made))
    assert len(fragments._made) == live.KEPT


def test_a_quiet_stream_finds_out_whether_its_viewer_is_there():
    tap = Tap(90, True, lambda tap: tap.end())
    chunks = live.live_mp4(tap, live.Fragments(StreamLike), idle=0.01)
    assert next(chunks) == mp4.box(b"free")


def test_events_are_one_message_each():
    packets = [packet(n) for n in range(3)]
    text = b"".join(live.sse(tap_with(packets))).decode()
    messages = text.split("\n\n")[1:-1]
    assert [json.loads(m.split("data: ")[1])["frame"] for m in messages] == [0, 1, 2]
    assert messages[2].startswith("id: 2\n")


def test_a_full_queue_goes_on_at_the_next_keyframe_without_asking_for_one():
    tap = Tap(8, True, lambda tap: tap.end())
    asked = [tap.put(packet(n), None) for n in range(5, 28)]
    assert asked[:5] == [True] * 5          # it has just come and sees nothing yet
    assert not any(asked[5:])               # later it is merely late
    numbers = [tap.get(0)[0].number for _ in range(len(tap))]
    assert numbers[0] == 20 and numbers == list(range(20, 20 + len(numbers))) and tap.drops == 23 - len(numbers)


def test_other_players_can_play_it():
    av = pytest.importorskip("av")
    if not rig.have_encoder():
        pytest.skip("PyAV has no libx264")
    with rig.page() as (server, view):
        with rig.stream(server, "/api/cameras/camera/live.mp4") as answer:
            assert answer.getheader("Content-Type") == "video/mp4"
            data = b"".join(answer.read1(65536) for _ in range(50))
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        times, shown = [], 0
        for seen in container.demux(stream):
            if seen.pts is not None:
                times.append(float(seen.pts * seen.time_base))
                shown += len(seen.decode())
    kinds, events = whole_boxes(data)
    assert shown >= 20 and abs(len(times) - kinds.count(b"mdat")) <= 1
    numbers = [e["frame"] for e in events]
    assert numbers == sorted(set(numbers))              # a busy machine's camera skips some
    assert times == pytest.approx([e["pts"] / 30.0 for e in events[:len(times)]], abs=1e-6)
    assert events[0]["keyframe"] and (view.stream.width, view.stream.height) == (640, 360)


def whole_boxes(data):
    """(types, events) of a byte string whose last box may be cut short."""
    kinds, events = [], []
    while len(data) >= 8 and len(data) >= struct.unpack(">I", data[:4])[0]:
        size, kind = struct.unpack(">I4s", data[:8])
        kinds.append(kind)
        if kind == b"emsg":
            events.append(json.loads(data[32:size].split(b"\0")[2].decode()))
        data = data[size:]
    return kinds, events
