"""H.264 over RTP as pure bytes: packets (RFC 3550, RFC 6184 packetization mode 1) and sender reports.

Nothing here knows a socket or a clock; `udp` and `rtsp` send what this makes.
"""
import os
import struct

from edgecam.h264 import AUD, FILLER, VCL, nal_units

PAYLOAD_TYPE = 96
CLOCK_RATE = 90000
HEADER_SIZE = 12
STAP_A, FU_A = 24, 28                       # NAL unit types of RFC 6184, table 1
FU_START, FU_END = 0x80, 0x40
SR, SDES, BYE = 200, 202, 203               # RTCP packet types, RFC 3550 12.1
CNAME = 1
NTP_EPOCH = 2208988800                      # 1970 in seconds since 1900
LEFT_OUT = frozenset((AUD, FILLER))         # the marker bit says as much


def payloads(units, limit):
    """Return the RTP payloads of one access unit, none longer than *limit* bytes (RFC 6184, 5.6 to 5.8).

    Neighbouring units without picture parts (SPS, PPS, SEI) share a STAP-A, longer ones
    travel in FU-A pieces, all others alone.
    """
    made, small = [], []
    for unit in units:
        kind = unit[0] & 31
        if kind in LEFT_OUT:
            continue
        if kind not in VCL and sum(map(len, small)) + 2 * len(small) + len(unit) + 3 <= limit:
            small.append(unit)
            continue
        made += aggregate(small)
        small = []
        made += [unit] if len(unit) <= limit else fragments(unit, limit)
    return made + aggregate(small)


def aggregate(units):
    """Return *units* as one STAP-A payload in a list; a single one goes alone."""
    if len(units) < 2:
        return list(units)
    priority = max(unit[0] & 0x60 for unit in units)
    parts = [bytes((priority | STAP_A,))]
    for unit in units:
        parts += (len(unit).to_bytes(2, "big"), unit)
    return [b"".join(parts)]


def fragments(unit, limit):
    """Return a long unit as FU-A payloads."""
    indicator, kind, size = unit[0] & 0xE0 | FU_A, unit[0] & 31, limit - 2
    pieces = []
    for at in range(1, len(unit), size):
        mark = (FU_START if at == 1 else 0) | (FU_END if at + size >= len(unit) else 0)
        pieces.append(bytes((indicator, mark | kind)) + unit[at:at + size])
    return pieces


class RtpStream:
    """The sender's state of one stream: numbers, time stamps and counts.

    Sequence number, time stamp offset and SSRC begin at random, as RFC 3550 5.1 asks for.
    """

    def __init__(self, mtu):
        self.limit = mtu - HEADER_SIZE
        self.sequence, self._offset, self.ssrc = struct.unpack(">HII", os.urandom(10))
        self.cname = b"edgecam-" + os.urandom(6).hex().encode()         # RFC 7022: random, short-lived
        self.packets = self.octets = 0

    def timestamp(self, packet):
        """Return the RTP time stamp of a `Packet`."""
        base = packet.time_base
        return packet.pts * base.numerator * CLOCK_RATE // base.denominator + self._offset & 0xFFFFFFFF

    def pack(self, packet):
        """Return the RTP packets of one `Packet`, the last one with the marker bit."""
        stamp, ssrc, sequence = self.timestamp(packet), self.ssrc, self.sequence
        made = payloads(nal_units(packet.payload), self.limit)
        last = len(made) - 1
        packets = []
        for number, payload in enumerate(made):
            mark = 0x80 if number == last else 0
            packets.append(struct.pack(">BBHII", 0x80, mark | PAYLOAD_TYPE, sequence, stamp, ssrc) + payload)
            sequence = sequence + 1 & 0xFFFF
        self.sequence = sequence
        self.packets += len(made)
        self.octets += sum(map(len, made))
        return packets

    def report(self, packet, now, wall, bye=False):
        """Return the RTCP packet that ties RTP time to wall clock time (RFC 3550, 6.4.1): SR, SDES, perhaps BYE.

        *packet* is the newest one, *now* the clock's time (that of ``Packet.time``, for live
        sources) and *wall* seconds since 1970 at that very moment.
        """
        stamp = self.timestamp(packet) + round(age(packet, now) * CLOCK_RATE) & 0xFFFFFFFF
        seconds = wall + NTP_EPOCH
        head = struct.pack(">BBHIIIIII", 0x80, SR, 6, self.ssrc, int(seconds) & 0xFFFFFFFF,
                           int(seconds % 1 * 2 ** 32), stamp, self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF)
        return head + self._description() + (struct.pack(">BBHI", 0x81, BYE, 1, self.ssrc) if bye else b"")

    def _description(self):
        chunk = struct.pack(">IBB", self.ssrc, CNAME, len(self.cname)) + self.cname
        chunk += bytes(4 - len(chunk) % 4)
        return struct.pack(">BBH", 0x81, SDES, len(chunk) // 4) + chunk


def age(packet, now):
    """Return how long ago a live packet's frame was captured, in seconds; 0 for files, whose time is no clock's."""
    passed = now - packet.time
    return passed if 0 <= passed < 10 else 0.0
