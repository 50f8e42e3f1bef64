"""Session descriptions (RFC 4566, RFC 6184 section 8) that tell a player what an RTP stream is."""
import base64
import ipaddress
import os
from contextlib import contextmanager

from edgecam.errors import OutputError, reason
from edgecam.outputs.rtp import CLOCK_RATE, PAYLOAD_TYPE
from edgecam.whole_file import write_beside, write_whole


def describe(stream, sets, address, port, ttl=None, session=0, control=None):
    """Return the SDP text of an H.264 stream sent to *address* (numeric) and *port*.

    *sets* are the lists of SPS and PPS units, *ttl* is for IPv4 multicast, *control* is
    the name of the stream at an RTSP server.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    family = "IN IP{}".format(ip.version)
    scope = "/{}".format(ttl) if ip.is_multicast and ip.version == 4 else ""
    lines = ["v=0",
             "o=- {} 1 {} {}".format(session, family, "127.0.0.1" if ip.version == 4 else "::1"),
             "s=edgecam",
             "c={} {}{}".format(family, ip, scope),
             "t=0 0",
             "m=video {} RTP/AVP {}".format(port, PAYLOAD_TYPE),
             "b=AS:{}".format(max(stream.bitrate * 11 // 10000, 1)),         # kbit/s, headers included
             "a=rtpmap:{} H264/{}".format(PAYLOAD_TYPE, CLOCK_RATE),
             "a=fmtp:{} {}".format(PAYLOAD_TYPE, parameters(sets))]
    if stream.rate:
        lines.append("a=framerate:{:g}".format(round(float(stream.rate), 3)))
    if control:
        lines.append("a=control:" + control)
    return "\r\n".join(lines) + "\r\n"


def parameters(sets):
    """Return the fmtp parameters for lists of SPS and PPS units (RFC 6184, 8.1)."""
    sps, pps = sets
    coded = ",".join(base64.b64encode(unit).decode() for unit in sps + pps)
    return "packetization-mode=1;profile-level-id={};sprop-parameter-sets={}".format(sps[0][1:4].hex().upper(), coded)


def describes(path):
    """Say whether the file *path* is empty or an SDP file: these are made anew by every run."""
    with open(path, "rb") as file:
        return file.read(2) in (b"", b"v=")


def refuse_foreign(path):
    """Raise `OutputError` where something else than a description is at *path*: a folder, a device or a pipe, or a file that holds another thing."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OutputError("{}: is no file; choose another name".format(path))
    try:
        foreign = os.path.isfile(path) and not describes(path)
    except OSError as error:
        raise OutputError("{}: can't be read: {}".format(path, reason(error))) from error
    if foreign:
        raise OutputError("{}: holds something else than a description (SDP); choose another name".format(path))


def prove(path):
    """Raise `OutputError` where `save` would fail. What is at *path* stays: the description itself is known with the first keyframe alone."""
    refuse_foreign(path)
    with told(path):
        os.unlink(write_beside(os.path.realpath(path), b"v=0\r\n"))


def save(path, text):
    """Write *text* to *path* so that nobody reads half of it. Raises `OutputError`, also where *path* holds something else."""
    refuse_foreign(path)
    with told(path):
        write_whole(path, text.encode())


@contextmanager
def told(path):
    """Raise `OutputError` for an `OSError` inside: *path* can't be written."""
    try:
        yield
    except OSError as error:
        raise OutputError("{}: can't be written: {}".format(path, reason(error))) from error
