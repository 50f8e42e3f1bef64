"""Publishing to an RTSP server (RFC 2326 ANNOUNCE and RECORD), video and RTCP interleaved on the one connection.

It is some lines of our own, not FFmpeg's muxer, because boards with Python 3.6 have no
PyAV, and because here every wait has an end.
"""
import logging
import math
from urllib.parse import unquote, urlsplit

from edgecam import clock
from edgecam.errors import ConfigError, OutputError
from edgecam.h264 import nal_units, parameter_sets
from edgecam.outputs import sdp
from edgecam.outputs.output import Output
from edgecam.outputs.rtp import RtpStream
from edgecam.outputs.rtsp_connection import RtspConnection
from edgecam.redaction import RTSP_URL, hide

log = logging.getLogger(__name__)
PORTS = {"rtsp": 554, "rtsps": 322}
TRACK = "streamid=0"
REPORT_INTERVAL = 5.0           # seconds between two sender reports
MEDIA, CONTROL = 0, 1           # interleaved channels


class RtspOutput(Output):
    """Publishes to rtsp://[user:password@]host[:port]/path, or rtsps:// for TLS.

    The connection is made at the first keyframe, whose parameter sets the server is told,
    and anew when they change. A server that does not answer, or takes nothing for *timeout*
    seconds, is an `OutputError`; `fanout` then tries again.
    """

    retries = True

    def __init__(self, url, mtu=1400, timeout=5.0, verify=True):
        self.url, self._mtu, self._timeout, self._verify = url, mtu, timeout, verify
        self._server = parse_url(url)
        self._connection = self._rtp = self._sets = self._newest = None

    @property
    def place(self):
        return ("rtsp", self._server.host, self._server.port) + urlsplit(self._server.url)[2:4]

    def open(self, stream):
        self._stream = stream

    def write(self, packet):
        if packet.keyframe:
            self._enter(packet)
        now = clock.now()
        self._connection.send([(MEDIA, datagram) for datagram in self._rtp.pack(packet)])
        self._newest = packet
        if now >= self._next_report:
            self._connection.send([(CONTROL, self._rtp.report(packet, now, clock.wall()))])
            self._next_report = now + REPORT_INTERVAL
        self._connection.tend(now)

    def idle(self):
        if self._connection is not None:
            self._connection.tend(clock.now())

    def _enter(self, packet):
        """Connect at the first keyframe, and anew at one with other parameter sets."""
        sets = parameter_sets(nal_units(packet.payload))
        if self._connection is not None and (sets == self._sets or not all(sets)):
            return
        if not all(sets):
            raise OutputError("{}: keyframe {} comes without SPS or PPS".format(self._server.url, packet.number))
        self.close()
        self._sets, self._rtp, self._next_report = sets, RtpStream(self._mtu), -math.inf
        self._connection = RtspConnection(self._server, self._timeout, self._verify)
        text = sdp.describe(self._stream, sets, "0.0.0.0", 0, session=self._rtp.ssrc, control=TRACK)
        self._connection.record(text, TRACK)

    def close(self):
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._newest is not None and connection.recording:
            bye = self._rtp.report(self._newest, clock.now(), clock.wall(), bye=True)
            connection.leave([(CONTROL, bye)])
        connection.close()


class Server:
    """Where to publish: *url* without credentials, *host*, *port*, *tls*, *user* and *password* (or None)."""

    def __init__(self, url, host, port, tls, user, password):
        self.url, self.host, self.port, self.tls = url, host, port, tls
        self.user, self.password = user, password


def without_login(url):
    """Return *url*, which could not be taken apart, without anything that could belong to a password."""
    scheme, _, _ = url.partition(":")
    _, at, place = url.rpartition("@")
    return hide("{}://***@{}".format(scheme, place) if at else url)


def parse_url(url):
    """Return the `Server` of an rtsp:// or rtsps:// URL. Raises `ConfigError`, without the credentials."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise ConfigError("output {}: expected {}, in the password %2F for a /".format(without_login(url), RTSP_URL))
    place = parts.netloc.rpartition("@")[2]
    public = parts._replace(netloc=place).geturl()
    user = None if parts.username is None else unquote(parts.username)
    return Server(public, host, port or PORTS[scheme], scheme == "rtsps", user, unquote(parts.password or ""))
