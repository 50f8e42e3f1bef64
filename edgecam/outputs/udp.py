"""RTP over UDP: to a player, a ground station or a multicast group, without ever waiting for the network."""
import ipaddress
import logging
import math
import os
import socket
from urllib.parse import unquote, urlsplit

from edgecam import clock
from edgecam.errors import ConfigError, OutputError, reason
from edgecam.h264 import nal_units, parameter_sets
from edgecam.outputs import sdp
from edgecam.outputs.output import Output
from edgecam.outputs.rtp import RtpStream
from edgecam.redaction import hide

log = logging.getLogger(__name__)
BURST = 16                      # packets sent in one go
SEND_BUFFER = 1 << 20           # bytes asked for; a keyframe in one burst fits
LONGEST_FRAME = 1.0             # seconds: pictures that come more rarely are not sent more slowly
REPORT_INTERVAL = 5.0           # seconds between two sender reports, RFC 3550 6.2
CALM = 2.0                      # seconds without an error after which a receiver counts as reached


class RtpOutput(Output):
    """Sends rtp://host:port, with RTCP to the port above.

    Nobody need listen. What the network refuses is lost and counted, told once in *problem*,
    and sending goes on; after packets that the own machine could not send, it resumes at a keyframe.
    """

    retries = True              # a name may be resolved later

    def __init__(self, url, mtu=1400, ttl=1, pace=0.5, sdp_file=None):
        self.url, self._mtu, self._ttl, self._pace, self.sdp_file = url, mtu, ttl, pace, sdp_file
        self._host, self._port = host_and_port(url)
        self._media = self._control = self._rtp = self._newest = self._sets = None

    @property
    def place(self):
        return "rtp", plain_host(self._host), self._port

    def prove(self):
        if self.sdp_file:
            sdp.prove(self.sdp_file)

    def open(self, stream):
        self._stream = stream
        self._rtp = self._rtp or RtpStream(self._mtu)           # the same stream goes on after a reopening
        self._address, family, target = resolve(self._host, self._port, self.url)
        self._media = DatagramSender(udp_socket(family, target, self._ttl, self.url))
        self._control = DatagramSender(udp_socket(family, (target[0], target[1] + 1) + target[2:], self._ttl, self.url))
        self._skipping, self._next_report, self._trouble = False, -math.inf, -math.inf

    def write(self, packet):
        now = clock.now()
        if packet.keyframe:
            self._skipping = False
            self._describe(packet)
        if self._skipping:
            self.drops += 1
            return
        self._send(packet)
        self._media.listen()
        self.wants_keyframe = self.wants_keyframe or self._skipping
        self._newest = packet
        if now >= self._next_report:
            self._control.send(self._rtp.report(packet, clock.now(), clock.wall()))
            self._next_report = now + REPORT_INTERVAL
        self._judge(now)

    def _send(self, packet):
        datagrams = self._rtp.pack(packet)
        pause = self._pause(len(datagrams))
        for at in range(0, len(datagrams), BURST):
            clock.sleep(pause if at else 0)
            for datagram in datagrams[at:at + BURST]:
                if not self._media.send(datagram):
                    self._skipping = self._media.full
                    return

    def _pause(self, count):
        """Return the seconds between two bursts, such that a large frame takes its share of the frame's time."""
        bursts = math.ceil(count / BURST)
        return self._pace * min(1 / float(self._stream.rate or 30), LONGEST_FRAME) / bursts if bursts > 1 else 0

    def _judge(self, now):
        """Tell a new problem at once, its end only after a calm while: errors come now and then."""
        error, self._media.error = self._media.error, None
        if error:
            self.drops += 1
            self.problem = "{}: packets are lost: {}".format(self.url, error)
            self._trouble = now
        elif self.problem and now - self._trouble > CALM:
            self.problem = None
            self.wants_keyframe = True

    def _describe(self, packet):
        sets = parameter_sets(nal_units(packet.payload))
        if not self.sdp_file or not all(sets) or sets == self._sets:
            return
        self._sets = sets
        text = sdp.describe(self._stream, sets, self._address, self._port, self._ttl, self._rtp.ssrc)
        try:
            sdp.save(self.sdp_file, text)
        except OutputError as error:            # the video goes on without its description
            log.warning("output %s: %s", self.url, error)

    def close(self):
        """Say goodbye and close what is open: of an output whose opening failed half-way that is one socket."""
        if self._control is not None and self._newest is not None:
            self._control.send(self._rtp.report(self._newest, clock.now(), clock.wall(), bye=True))
        for sender in (self._media, self._control):
            if sender is not None:
                sender.close()
        self._media = self._control = None


class DatagramSender:
    """Sends datagrams on a connected socket without waiting.

    *error* says in words why a datagram was lost, *full* whether it was our own queue that had no room.
    """

    def __init__(self, sock):
        sock.setblocking(False)
        self._socket, self.error, self.full = sock, None, False

    def send(self, datagram):
        """Send *datagram*, or lose it and return False."""
        self.full = False
        try:
            self._try(datagram)
            return True
        except OSError as error:
            self.full = isinstance(error, BlockingIOError)
            self.error = "the network takes less than the stream brings" if self.full else reason(error).lower()
            return False

    def listen(self):
        """Note in *error* what came back of what was sent: on this machine a refusal is there at once."""
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self.error = os.strerror(number).lower()

    def _try(self, datagram):
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError as error:
            self.error = reason(error).lower()      # of an earlier datagram that nobody listened for; not of this one
            self._socket.send(datagram)

    def close(self):
        self._socket.close()


def host_and_port(url):
    """Return (host, port) of rtp://host:port. Raises `ConfigError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or port > 65534 or parts.path.strip("/") or parts.query or parts.username:
        raise ConfigError("output {}: expected rtp://host:port, the port from 1 to 65534".format(hide(url)))
    return unquote(host), port


def plain_host(host):
    """Return *host* such that an address is one text, however it was written: ::1 for 0:0:0:0:0:0:0:1. A name stays one: nobody is asked."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def resolve(host, port, url):
    """Return (numeric address, family, target) of the first address of *host*. Raises `OutputError`."""
    try:
        family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        raise OutputError("{}: no address for {}: {}".format(url, host, reason(error))) from error
    return target[0], family, target


def udp_socket(family, target, ttl, url):
    """Return a datagram socket connected to *target*. Raises `OutputError` where there is no route, no such protocol, or no socket left."""
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        sock.connect(target)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise OutputError("{}: can't be reached: {}".format(url, reason(error))) from error
    return sock
