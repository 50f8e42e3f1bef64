"""RTP and RTCP bytes: taken apart by a small depacketiser of their own, on random streams too."""
import base64
import struct
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from edgecam import h264
from edgecam.errors import OutputError
from edgecam.outputs import sdp
from edgecam.outputs.rtp import RtpStream, payloads
from edgecam.vocabulary import Packet
from streams import FILE, STREAM, TIME_BASE, make_packets, read


def depacketize(datagrams):
    """Return [(time stamp, units)] of the access units in RTP packets; fails on a gap or a broken FU-A."""
    units, piece, made, expected = [], None, [], None
    for datagram in datagrams:
        first, second, sequence, stamp, _ = struct.unpack_from(">BBHII", datagram)
        assert first == 0x80 and second & 0x7F == 96
        assert expected is None or sequence == expected
        expected = sequence + 1 & 0xFFFF
        payload = datagram[12:]
        kind = payload[0] & 31
        if kind == 24:
            assert piece is None
            units += stap_units(payload[1:])
        elif kind == 28:
            start, end = payload[1] & 0x80, payload[1] & 0x40
            assert bool(start) == (piece is None) and not (start and end)
            piece = bytes((payload[0] & 0xE0 | payload[1] & 31,)) if start else piece
            piece += payload[2:]
            if end:
                units.append(piece)
                piece = None
        else:
            assert piece is None and 1 <= kind <= 23
            units.append(payload)
        if second & 0x80:
            assert piece is None
            made.append((stamp, units))
            units = []
    assert not units
    return made


def stap_units(rest):
    units = []
    while rest:
        size = int.from_bytes(rest[:2], "big")
        assert 0 < size <= len(rest) - 2
        units.append(rest[2:2 + size])
        rest = rest[2 + size:]
    assert len(units) > 1
    return units


def worthwhile(units):
    return [unit for unit in units if unit[0] & 31 not in (9, 12)]


UNITS = st.lists(st.tuples(st.sampled_from([1, 5, 6, 7, 8, 9, 12]), st.integers(0, 3), st.integers(1, 700)),
                 min_size=1, max_size=6)


@given(UNITS, st.integers(80, 300))
def test_any_unit_goes_round_in_packets_that_fit(kinds, mtu):
    units = [bytes((priority << 5 | kind,)) + bytes(1 + at % 255 for at in range(size)) for kind, priority, size in kinds]
    stream = RtpStream(mtu)
    datagrams = stream.pack(Packet(h264.annexb(units), 0, TIME_BASE, False))
    assert all(len(datagram) <= mtu for datagram in datagrams)
    assert [unit for _, got in depacketize(datagrams) for unit in got] == worthwhile(units)
    assert (stream.packets, stream.octets) == (len(datagrams), sum(map(len, datagrams)) - 12 * len(datagrams))


@pytest.mark.parametrize("mtu", [200, 500, 1400, 65000])
def test_a_stream_goes_round(mtu):
    stream = RtpStream(mtu)
    datagrams = [datagram for packet in make_packets() for datagram in stream.pack(packet)]
    got = depacketize(datagrams)
    assert [unit for _, units in got for unit in units] == h264.nal_units(read(FILE))
    assert [stamp - got[0][0] & 0xFFFFFFFF for stamp, _ in got] == [3000 * number for number in range(60)]


def test_parameter_sets_share_a_packet_before_each_keyframe():
    for packet in make_packets():
        kinds = [payload[0] & 31 for payload in payloads(h264.nal_units(packet.payload), 1388)]
        assert (kinds[0] == 24) == packet.keyframe
        if packet.keyframe:
            assert [unit[0] & 31 for unit in stap_units(payloads(h264.nal_units(packet.payload), 1388)[0][1:])] == [7, 8]
            assert set(kinds[1:]) == {28}


def test_numbers_begin_at_random_and_wrap():
    begun = {(stream.ssrc, stream.sequence) for stream in (RtpStream(1400) for _ in range(8))}
    assert len(begun) == 8
    stream = RtpStream(1400)
    stream.sequence = 65534
    datagrams = [datagram for packet in make_packets()[:3] for datagram in stream.pack(packet)]
    depacketize(datagrams)
    assert struct.unpack_from(">H", datagrams[2], 2) == (0,)


@given(st.integers(0, 2 ** 40), st.fractions(min_value=Fraction(1, 10 ** 6), max_value=1))
def test_time_stamps_follow_the_pts(pts, base):
    stream = RtpStream(1400)
    origin = stream.timestamp(Packet(b"", 0, base, False))
    stamp = stream.timestamp(Packet(b"", pts, base, False))
    assert stamp - origin & 0xFFFFFFFF == int(pts * base * 90000) & 0xFFFFFFFF


def parse_rtcp(octets):
    """Return [(packet type, count, body)] of a compound RTCP packet; fails where lengths don't add up."""
    parts = []
    while octets:
        first, kind, words = struct.unpack_from(">BBH", octets)
        assert first >> 6 == 2 and len(octets) >= 4 + 4 * words
        parts.append((kind, first & 31, octets[4:4 + 4 * words]))
        octets = octets[4 + 4 * words:]
    return parts


def test_a_sender_report_ties_rtp_time_to_wall_time():
    stream, packet = RtpStream(1400), make_packets(first=90000)[0]._replace(time=100.0)
    stream.pack(packet)
    sr, sdes = parse_rtcp(stream.report(packet, now=100.25, wall=1700000000.5))
    assert (sr[0], sr[1], sdes[0], sdes[1]) == (200, 0, 202, 1)
    ssrc, seconds, fraction, stamp, packets, octets = struct.unpack(">6I", sr[2])
    assert (ssrc, packets, octets) == (stream.ssrc, stream.packets, stream.octets)
    assert (seconds, fraction) == (1700000000 + 2208988800, 1 << 31)
    assert stamp == stream.timestamp(packet) + 22500 & 0xFFFFFFFF       # captured a quarter of a second ago
    chunk = sdes[2]
    assert struct.unpack_from(">IBB", chunk) == (stream.ssrc, 1, len(stream.cname))
    assert chunk[6:].rstrip(b"\0") == stream.cname and chunk.endswith(b"\0")


def test_a_file_has_no_capture_time():
    stream, packet = RtpStream(1400), make_packets()[0]
    sr, _ = parse_rtcp(stream.report(packet, now=5000.0, wall=0.0))
    assert struct.unpack(">6I", sr[2])[3] == stream.timestamp(packet)


def test_goodbye():
    stream, packet = RtpStream(1400), make_packets()[0]
    parts = parse_rtcp(stream.report(packet, 0.0, 0.0, bye=True))
    assert [kind for kind, _, _ in parts] == [200, 202, 203]
    assert parts[2] == (203, 1, struct.pack(">I", stream.ssrc))


def sets():
    return h264.parameter_sets(h264.nal_units(read(FILE)))


def test_the_description_of_a_stream():
    lines = sdp.describe(STREAM, sets(), "192.168.1.20", 5600, 4, session=7).split("\r\n")
    assert lines[:6] == ["v=0", "o=- 7 1 IN IP4 127.0.0.1", "s=edgecam", "c=IN IP4 192.168.1.20", "t=0 0",
                         "m=video 5600 RTP/AVP 96"]
    fields = dict(field.split("=", 1) for field in lines[8].partition(" ")[2].split(";"))
    assert fields["packetization-mode"] == "1"
    assert [base64.b64decode(text) for text in fields["sprop-parameter-sets"].split(",")] == sets()[0] + sets()[1]
    assert fields["profile-level-id"] == sets()[0][0][1:4].hex().upper()
    assert lines[-1] == ""


@pytest.mark.parametrize("address, line", [
    ("239.1.2.3", "c=IN IP4 239.1.2.3/4"), ("ff15::7", "c=IN IP6 ff15::7"), ("fe80::1%lo", "c=IN IP6 fe80::1")])
def test_addresses_in_descriptions(address, line):
    assert line in sdp.describe(STREAM, sets(), address, 5600, 4).split("\r\n")


def test_a_description_replaces_descriptions_alone(tmp_path):
    path = tmp_path / "x.sdp"
    for text in ("v=0\r\none", "v=0\r\ntwo"):
        sdp.save(str(path), text)
        assert path.read_bytes() == text.encode()
    path.write_bytes(b"a video")
    with pytest.raises(OutputError) as caught:
        sdp.save(str(path), "v=0")
    assert str(caught.value) == "{}: holds something else than a description (SDP); choose another name".format(path)
    assert path.read_bytes() == b"a video"
    with pytest.raises(OutputError, match="no.x.sdp: can't be written: No such file or directory$"):
        sdp.save(str(tmp_path / "no" / "x.sdp"), "v=0")
