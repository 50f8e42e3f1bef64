"""One RTSP connection of a publisher: requests, authentication, interleaved packets (RFC 2326, 10.12)."""
import logging
import math
import re
import socket
import ssl
import struct

from edgecam import clock
from edgecam.errors import OutputError, reason
from edgecam.outputs.rtsp_auth import as_bytes, authorization, strength

log = logging.getLogger(__name__)
USER_AGENT = "edgecam"
SESSION_TIMEOUT = 60            # seconds, where the server names none, RFC 2326 12.37
LONGEST_HEAD = 65536            # bytes of an answer that we read
PARTING_TIMEOUT = 1.0           # seconds
NUMBER = re.compile(r"([0-9]{1,9})(?![0-9])")   # not all that int() takes is one in a header, and it refuses thousands of digits


class RtspConnection:
    """A connection to *server* (see `rtsp.Server`); every call is bounded by *timeout* seconds per step.

    Raises `OutputError` with the server's words when it refuses, and never shows the credentials.
    """

    def __init__(self, server, timeout, verify=True):
        self._server, self._timeout = server, timeout
        self._sequence, self._session, self._challenge = 0, None, None
        self._received, self._alive_at, self._keep_alive = b"", -math.inf, SESSION_TIMEOUT / 2
        self.recording = False
        try:
            self._socket = self._connect(verify)
        except (OSError, UnicodeError) as error:        # ssl.SSLError is an OSError, odd letters in a host a UnicodeError
            raise self._failure(error) from error

    def _connect(self, verify):
        server = self._server
        plain = socket.create_connection((server.host, server.port), self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not server.tls:
            return plain
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            return context.wrap_socket(plain, server_hostname=server.host)
        except (OSError, ValueError):
            plain.close()
            raise

    def _failure(self, error):
        words = "no answer within {:g} s".format(self._timeout) if isinstance(error, socket.timeout) else (
            reason(error) if isinstance(error, OSError) else str(error))
        return OutputError("{}: {}".format(self._server.url, words))

    # Requests.

    def record(self, description, track):
        """Announce the stream of the SDP text *description*, set its one *track* up and start to record."""
        url = self._server.url
        self._request("ANNOUNCE", url, {"Content-Type": "application/sdp"}, description.encode())
        answer = self._request("SETUP", "{}/{}".format(url.rstrip("/"), track),
                               {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"})
        name, _, options = answer.get("session", "").partition(";")
        self._session = name.strip() or None
        self._keep_alive = (number_in(options.partition("timeout=")[2], 0) or SESSION_TIMEOUT) / 2      # 0: of no use, or for ever
        self._request("RECORD", url, {"Range": "npt=0.000-"})
        self.recording, self._alive_at = True, clock.now()

    def _request(self, method, url, headers=(), body=b""):
        """Send a request, answer one challenge for a password, and return the answer's headers."""
        status, words, answer = self._exchange(method, url, headers, body)
        if status == 401 and self._server.user is not None and "www-authenticate" in answer:
            self._challenge = answer["www-authenticate"]
            status, words, answer = self._exchange(method, url, headers, body)
        if status != 200:
            hint = "; are user and password right?" if status in (401, 403) else ""
            raise OutputError("{}: the server answers {} to {}: {}{}".format(
                self._server.url, status, method, words, hint))
        return answer

    def _exchange(self, method, url, headers, body):
        try:
            self._socket.sendall(self._head(method, url, headers, body) + body)
            return self._answer()
        except OutputError:
            raise
        except OSError as error:
            raise self._failure(error) from error

    def _head(self, method, url, headers, body=b""):
        self._sequence += 1
        lines = ["{} {} RTSP/1.0".format(method, url), "CSeq: {}".format(self._sequence), "User-Agent: " + USER_AGENT]
        lines += ["{}: {}".format(name, value) for name, value in dict(headers).items()]
        if self._session:
            lines.append("Session: " + self._session)
        if self._challenge:
            lines.append("Authorization: " + authorization(
                self._challenge, self._server, method, url, self._sequence))
        if body:
            lines.append("Content-Length: {}".format(len(body)))
        return as_bytes("\r\n".join(lines) + "\r\n\r\n")

    def _answer(self):
        """Read one answer; return (status, words, headers by lower-case name)."""
        while b"\r\n\r\n" not in self._received:
            self._read()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "replace").split("\r\n")
        match = re.match(r"RTSP/\d\.\d (\d{3}) ?(.*)", first)
        if not match:
            raise OutputError("{}: this is no RTSP server: it says {!r}".format(self._server.url, first[:60]))
        headers = answer_headers(lines)
        size = number_in(headers.get("content-length", ""), 0)
        while len(self._received) < min(size, LONGEST_HEAD):
            self._read()
        self._received = self._received[size:]
        return int(match.group(1)), match.group(2), headers

    def _read(self):
        more = self._socket.recv(4096)
        if not more or len(self._received) > LONGEST_HEAD:
            raise OutputError("{}: the server closed the connection".format(self._server.url))
        self._received += more

    # While recording.

    def send(self, packets):
        """Send (channel, bytes) pairs."""
        recording, self.recording = self.recording, False       # a half-sent packet ends the conversation
        framed = [part for channel, packet in packets
                  for part in (struct.pack(">cBH", b"$", channel, len(packet)), packet)]
        try:
            self._socket.sendall(b"".join(framed))
        except socket.timeout as error:
            raise OutputError("{}: the server took nothing for {:g} s".format(self._server.url, self._timeout)) from error
        except OSError as error:
            raise self._failure(error) from error
        self.recording = recording

    def tend(self, now):
        """Throw away what the server sent (receiver reports, answers), and keep the session alive."""
        if self._hung_up():
            raise OutputError("{}: the server closed the connection".format(self._server.url))
        if now - self._alive_at > self._keep_alive:
            self._alive_at = now
            self._send_request("OPTIONS")

    def _hung_up(self):
        """Read what there is without waiting; tell whether the server closed the connection."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65536):
                pass
            return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError as error:
            raise self._failure(error) from error
        finally:
            self._socket.settimeout(self._timeout)

    def _send_request(self, method):
        """Send a request whose answer nobody waits for."""
        try:
            self._socket.sendall(self._head(method, self._server.url, {}))
        except OSError as error:
            raise self._failure(error) from error

    def leave(self, packets):
        """Say goodbye; a server that is gone does not mind."""
        self._socket.settimeout(PARTING_TIMEOUT)
        try:
            self.send(packets)
            self._send_request("TEARDOWN")
            self._hear_out()
        except OSError as error:            # OutputError is one too
            log.debug("while leaving: %s", error)
        self.recording = False

    def _hear_out(self):
        """Read until the server closes: to close with bytes unread resets the connection, which loses our last packets."""
        self._socket.shutdown(socket.SHUT_WR)
        deadline = clock.now() + PARTING_TIMEOUT
        while clock.now() < deadline and self._socket.recv(65536):
            pass

    def close(self):
        self._socket.close()


def number_in(text, otherwise):
    """Return the whole number that *text* begins with; *otherwise* where there is none, or one that no server means."""
    digits = NUMBER.match(text)
    return int(digits.group(1)) if digits else otherwise


def answer_headers(lines):
    """Return header lines as a dict; of several challenges for a password the strongest we know wins."""
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if name != "www-authenticate" or strength(value) > strength(headers.get(name, "")):
            headers[name] = value
    return headers
