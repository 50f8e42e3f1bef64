"""The bytes of fragmented MP4, read back by a small parser of their own."""
import struct
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from edgecam import h264, mp4
from edgecam.vocabulary import Packet
from streams import TIME_BASE, make_packets

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf", b"mfra"}


def parse(octets, at=0, end=None):
    """Return [(kind, body or list of boxes)]; fails where sizes don't add up."""
    end, boxes = len(octets) if end is None else end, []
    while at < end:
        size, kind = struct.unpack_from(">I4s", octets, at)
        assert 8 <= size <= end - at, "{} of {} bytes in {}".format(kind, size, end - at)
        inside = parse(octets, at + 8, at + size) if kind in CONTAINERS else octets[at + 8:at + size]
        boxes.append((kind, inside))
        at += size
    return boxes


def find(boxes, *path):
    for kind, inside in boxes:
        if kind == path[0]:
            return inside if len(path) == 1 else find(inside, *path[1:])
    raise AssertionError("no {} in {}".format(path[0], [kind for kind, _ in boxes]))


def sets_of(packet):
    return h264.parameter_sets(h264.nal_units(packet.payload))


def test_init_segment():
    first = make_packets()[0]
    sps, pps = sets_of(first)
    boxes = parse(mp4.init_segment(sps, pps, TIME_BASE))
    assert [kind for kind, _ in boxes] == [b"ftyp", b"moov"]
    avc1 = find(boxes, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")[8:]
    assert struct.unpack_from(">HH", avc1, 8 + 24) == (320, 180)
    inner = parse(avc1[8 + 78:])
    assert h264.parse_avcc(find(inner, b"avcC")) == (sps, pps, 4)
    assert find(inner, b"colr") == b"nclx" + struct.pack(">3HB", 1, 1, 1, 0)
    assert struct.unpack_from(">I", find(boxes, b"moov", b"trak", b"mdia", b"mdhd"), 12) == (90000,)
    assert struct.unpack(">6I", find(boxes, b"moov", b"mvex", b"trex")) == (0, 1, 1, 0, 0, 0)


def test_a_live_fragment():
    packet = make_packets(first=1 << 33)[0]         # past what 32 bits hold: a camera up for a day
    boxes = parse(mp4.fragment(packet, 3000, 7))
    assert [kind for kind, _ in boxes] == [b"moof", b"mdat"]
    moof, mdat = boxes[0][1], boxes[1][1]
    assert struct.unpack(">II", find(moof, b"mfhd")) == (0, 7)
    assert struct.unpack(">IQ", find(moof, b"traf", b"tfdt")) == (1 << 24, 1 << 33)
    flags, count, offset, duration, size, kind = struct.unpack(">6I", find(moof, b"traf", b"trun"))
    assert (flags, count, duration, size, kind) == (0x701, 1, 3000, len(mdat), 0x02000000)
    whole = mp4.fragment(packet, 3000, 7)
    assert whole[offset:offset + size] == mdat
    assert [unit[0] & 31 for unit in split(mdat)] == [h264.IDR]


def split(sample):
    units = []
    while sample:
        size = int.from_bytes(sample[:4], "big")
        units.append(sample[4:4 + size])
        sample = sample[4 + size:]
    return units


def test_a_difference_picture_is_no_sync_sample():
    packet = make_packets()[1]
    assert struct.unpack(">6I", find(parse(mp4.fragment(packet, 3000, 8)), b"moof", b"traf", b"trun"))[5] == 0x01010000


UNITS = st.lists(st.tuples(st.sampled_from([1, 5, 6, 7, 8, 9, 12]), st.binary(max_size=50)), max_size=8)


@given(UNITS)
def test_samples_hold_the_units_that_count(kinds):
    units = [bytes((0x60 | kind,)) + body.replace(b"\x00", b"\x02") + b"\x80" for kind, body in kinds]
    payload = h264.annexb(units)
    assert split(mp4.sample(payload)) == [unit for unit in units if unit[0] & 31 in (1, 5, 6)]
    assert split(mp4.sample(payload, mp4.NOT_FOR_VIEWERS)) == [unit for unit in units if unit[0] & 31 in (1, 5)]


@given(st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 2 ** 32 - 1), st.booleans()), min_size=1, max_size=20),
       st.integers(0, 2 ** 63), st.integers(1, 2 ** 32 - 1))
def test_moof_and_mdat_fit_together(samples, start, sequence):
    octets = mp4.moof_mdat(samples, start, sequence)
    (_, moof), (_, mdat) = parse(octets)
    trun = find(moof, b"traf", b"trun")
    _, count, offset = struct.unpack_from(">3I", trun)
    table = list(struct.iter_unpack(">3I", trun[12:]))
    assert count == len(samples) == len(table)
    assert octets[offset:] == mdat == b"".join(units for units, _, _ in samples)
    assert [(size, duration) for duration, size, _ in table] == [(len(units), lasts) for units, lasts, _ in samples]
    assert struct.unpack(">IQ", find(moof, b"traf", b"tfdt"))[1] == start


@given(st.fractions(min_value=Fraction(1, 10 ** 9), max_value=1, max_denominator=2 ** 32 - 1),
       st.integers(0, 10 ** 6), st.integers(1, 100))
def test_any_time_base_keeps_exact_times(base, pts, duration):
    packet = Packet(b"\x00\x00\x01\x41\x9a", pts, base, False)
    boxes = parse(mp4.fragment(packet, duration, 1))
    ticks = struct.unpack(">IQ", find(boxes, b"moof", b"traf", b"tfdt"))[1]
    assert Fraction(ticks, base.denominator) == pts * base


def test_a_time_base_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="time base"):
        mp4.init_segment(*sets_of(make_packets()[0]), time_base=Fraction(1, 2 ** 32))


def test_pixels_that_are_too_wide_are_told(monkeypatch):
    sps, pps = sets_of(make_packets()[0])
    monkeypatch.setattr(mp4, "parse_sps", lambda unit: h264.parse_sps(unit)._replace(aspect=Fraction(60000)))
    with pytest.raises(ValueError, match="60000 times as wide as high"):
        mp4.init_segment(sps, pps, TIME_BASE)


def test_the_index_points_at_keyframes():
    entries = [(0, 700), (90000, 12345), (1 << 40, 1 << 41)]
    octets = mp4.index(entries)
    boxes = parse(octets)
    tfra = find(boxes, b"mfra", b"tfra")
    assert struct.unpack_from(">4I", tfra) == (1 << 24, 1, 0, 3)
    assert [(tick, offset) for tick, offset, *_ in struct.iter_unpack(">2Q3B", tfra[16:])] == entries
    assert struct.unpack(">II", find(boxes, b"mfra", b"mfro")) == (0, len(octets))


def test_mehd_fits_into_its_placeholder():
    assert len(mp4.mehd(1 << 40)) == len(mp4.placeholder(20)) == 20
