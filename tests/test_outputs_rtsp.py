"""Publishing over RTSP: to GStreamer's server and to FFmpeg's, and to servers that misbehave."""
import hashlib
import os
import socket
import subprocess
import threading
import time

import pytest

from edgecam import h264
from edgecam.errors import ConfigError, OutputError
from edgecam.outputs.rtsp import RtspOutput, parse_url
from edgecam.outputs.rtsp_auth import authorization
from edgecam.outputs.rtsp_connection import answer_headers
from clips import free_port
from streams import SLICED_FILE, STREAM, make_packets, need, read
from test_outputs_udp import finish, wait_for_size

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"
BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


class GstServer:
    """GStreamer's RTSP server in a process of its own; `url` to publish at, `path` of what it recorded."""

    def __init__(self, path, *account):
        if not os.path.exists(SYSTEM_PYTHON) or subprocess.call([SYSTEM_PYTHON, "-c", BINDINGS], stderr=subprocess.DEVNULL):
            pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0, python3-gi)")
        self.path = path
        self._process = subprocess.Popen([SYSTEM_PYTHON, os.path.join(HERE, "rtsp_server.py"), str(path)] + list(account),
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.port = int(self._process.stdout.readline())
        self.url = "rtsp://127.0.0.1:{}/cam".format(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def publish(url, packets, path=None, pace=0.003):
    """Publish *packets*, wait until *path* no longer grows, and part."""
    with RtspOutput(url) as output:
        output.open(STREAM)
        for packet in packets:
            output.write(packet)
            time.sleep(pace)
        if path is not None:
            wait_for_size(path)


def pictures(stream):
    return [unit for unit in h264.nal_units(stream) if unit[0] & 31 in (1, 5)]


def test_gstreamer_records_every_picture(tmp_path):
    packets = make_packets(rounds=3)
    with GstServer(tmp_path / "got.h264") as server:
        publish(server.url, packets, server.path)
    assert pictures(read(str(server.path))) == pictures(b"".join(packet.payload for packet in packets))


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_passwords(tmp_path, scheme):
    packets = make_packets()
    with GstServer(tmp_path / "got.h264", "me", "s3cret/:@", scheme) as server:
        address = "127.0.0.1:{}/cam".format(server.port)
        with pytest.raises(OutputError, match="401 to ANNOUNCE.*password right") as caught:
            publish("rtsp://me:wrong-one@" + address, packets)
        assert "wrong-one" not in str(caught.value) and "me:" not in str(caught.value)
        with pytest.raises(OutputError, match="401"):
            publish("rtsp://" + address, packets)
        publish("rtsp://me:s3cret%2F%3A%40@" + address, packets, server.path)
    assert pictures(read(str(server.path))) == pictures(b"".join(packet.payload for packet in packets))


def test_another_picture_size_is_announced_anew(tmp_path):
    small = make_packets(SLICED_FILE)
    with GstServer(tmp_path / "got.h264") as server:
        with RtspOutput(server.url) as output:
            output.open(STREAM)
            for packet in make_packets()[:20]:
                output.write(packet)
            deadline = time.monotonic() + 10
            while True:                     # the server needs a moment to let the first session go
                try:
                    for packet in small:
                        output.write(packet)
                    break
                except OutputError:
                    assert time.monotonic() < deadline
                    output.close()
                    time.sleep(0.2)
            wait_for_size(server.path)
    got = pictures(read(str(server.path)))
    assert got[-len(pictures(read(SLICED_FILE))):] == pictures(read(SLICED_FILE))


def test_ffmpeg_listening(tmp_path):
    need("ffmpeg")
    port, path = free_port(), tmp_path / "got.h264"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_flags", "listen", "-i", "rtsp://127.0.0.1:{}/live".format(port),
               "-c", "copy", "-f", "h264", "-flush_packets", "1", str(path)]
    packets = make_packets(rounds=3)
    with subprocess.Popen(command, stderr=subprocess.PIPE) as reader:
        wait_for_listener(port)
        publish("rtsp://127.0.0.1:{}/live".format(port), packets, path)
        finish(reader)
    got, sent = pictures(read(str(path))), pictures(b"".join(packet.payload for packet in packets))
    assert got == sent[:len(got)]
    assert len(got) >= len(sent) - 1


def wait_for_listener(port):
    """Wait until somebody listens at the TCP port, without connecting: FFmpeg takes one connection only."""
    wanted = ":{:04X}".format(port)
    for _ in range(500):
        with open("/proc/net/tcp") as table:
            if any(line.split()[1].endswith(wanted) and line.split()[3] == "0A" for line in table.readlines()[1:]):
                return
        time.sleep(0.02)
    raise AssertionError("nobody listens at port {}".format(port))


class Misbehaving:
    """A TCP server that answers each request with the next of *answers* (bytes), then does nothing, or hangs up."""

    def __init__(self, answers, hang_up=False):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        self._answers, self._hang_up, self._peers = list(answers), hang_up, []
        self.requests = []
        self.url = "rtsp://me:s3cret@127.0.0.1:{}/cam".format(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        peer, _ = self._listener.accept()
        self._peers.append(peer)
        for answer in self._answers:
            self.requests.append(peer.recv(65536))
            peer.sendall(answer)
        if self._hang_up:
            peer.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._thread.join(10)
        for sock in self._peers + [self._listener]:
            sock.close()


OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 42;timeout=1\r\n\r\n"


@pytest.mark.parametrize("answers, words", [
    ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "this is no RTSP server"),
    ([b"RTSP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\nsad"], "the server answers 404 to ANNOUNCE: Not Found"),
    ([b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n\r\n",
      b"RTSP/1.0 403 Forbidden\r\n\r\n"], "the server answers 403 to ANNOUNCE: Forbidden; are user and password right"),
    ([OK, b"RTSP/1.0 461 Unsupported Transport\r\n\r\n"], "461 to SETUP"),
    ([b"RTSP/1.0 200 OK\r\nCSeq"], "no answer within 0.3 s"),
    ([], "no answer within 0.3 s"),
])
def test_servers_that_refuse(answers, words):
    with Misbehaving(answers) as server, RtspOutput(server.url, timeout=0.3) as output:
        output.open(STREAM)
        with pytest.raises(OutputError, match=words) as caught:
            output.write(make_packets()[0])
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("header", ["Content-Length: \u00b2", "Content-Length: " + 5000 * "9", "Content-Length: -1", "Content-Length:",
                                    "Session: 42;timeout=" + 5000 * "9", "Session: 42;timeout=" + 400 * "9", "Session: 42;timeout=x"],
                         ids=lambda header: header[:24].encode("ascii", "replace").decode())
def test_numbers_of_a_server_that_are_none_are_passed_over(header):
    odd = "RTSP/1.0 200 OK\r\n{}\r\n\r\n".format(header).encode()
    with Misbehaving([odd, odd, odd]) as server, RtspOutput(server.url, timeout=5) as output:
        output.open(STREAM)
        output.write(make_packets()[0])
    assert len(server.requests) == 3


@pytest.mark.parametrize("challenge", [b"Basic realm=x", b'Digest realm="x", nonce="1"'])
def test_letters_that_the_locale_lacks_go_out_as_they_were_typed(challenge):
    wanted = b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: " + challenge + b"\r\n\r\n"
    with Misbehaving([wanted, OK, OK, OK]) as server, RtspOutput(server.url.replace("s3cret", "p\udce4").replace("/cam", "/c\udce4m"), timeout=5) as output:
        output.open(STREAM)
        output.write(make_packets()[0])
    assert len(server.requests) == 4 and b"/c\xe4m RTSP/1.0\r\n" in server.requests[0]


def test_a_server_that_hangs_up_while_recording():
    with Misbehaving([OK, OK, OK], hang_up=True) as server, RtspOutput(server.url, timeout=1) as output:
        output.open(STREAM)
        with pytest.raises(OutputError, match="closed the connection|reset|Broken pipe"):
            for packet in make_packets():
                output.write(packet)
                time.sleep(0.01)


def test_a_server_that_stops_reading_is_left_within_the_timeout():
    with Misbehaving([OK, OK, OK]) as server, RtspOutput(server.url, timeout=0.3) as output:
        output.open(STREAM)
        with pytest.raises(OutputError, match="took nothing for 0.3 s"):
            for packet in make_packets(rounds=400):
                output.write(packet)


def test_the_session_is_kept_alive():
    with Misbehaving([OK, OK, OK, b""]) as server, RtspOutput(server.url, timeout=1) as output:
        output.open(STREAM)
        packets = make_packets()
        output.write(packets[0])
        time.sleep(0.6)                         # the server forgets a session after one second
        output.idle()
        received = b""
        server._thread.join(5)
        peer = server._peers[0]
        peer.settimeout(5)
        while b"OPTIONS" not in received:
            received += peer.recv(65536)
        assert b"Session: 42" in received


def test_a_session_without_length_is_not_asked_for_with_every_packet():
    forgetful = OK.replace(b"timeout=1", b"timeout=0")
    assert forgetful != OK
    with Misbehaving([forgetful, forgetful, forgetful, b""]) as server, RtspOutput(server.url, timeout=1) as output:
        output.open(STREAM)
        for packet in make_packets():
            output.write(packet)
        server._thread.join(5)
        peer, received = server._peers[0], b""
        peer.settimeout(0.3)
        with pytest.raises(socket.timeout):
            while True:
                received += peer.recv(65536)
        assert received.startswith(b"$") and b"OPTIONS" not in received


def test_nobody_there():
    port = free_port()
    with RtspOutput("rtsp://127.0.0.1:{}/x".format(port)) as output:
        output.open(STREAM)
        with pytest.raises(OutputError, match="rtsp://127.0.0.1:{}/x: Connection refused".format(port)):
            output.write(make_packets()[0])


def test_tls_with_an_unknown_certificate(tmp_path):
    need("openssl")
    key, port = str(tmp_path / "key.pem"), free_port()
    subprocess.check_call(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", key, "-days", "1",
                           "-subj", "/CN=127.0.0.1"], stderr=subprocess.DEVNULL)
    with subprocess.Popen(["openssl", "s_server", "-4", "-accept", str(port), "-cert", key, "-quiet"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for_listener(port)
            url = "rtsps://127.0.0.1:{}/cam".format(port)
            with RtspOutput(url, timeout=5) as output:
                output.open(STREAM)
                with pytest.raises(OutputError, match="certificate verify failed"):
                    output.write(make_packets()[0])
            with RtspOutput(url, timeout=0.5, verify=False) as output:
                output.open(STREAM)
                with pytest.raises(OutputError, match="no answer within"):      # openssl is no RTSP server
                    output.write(make_packets()[0])
            assert server.stdout.read1(4096).startswith(b"ANNOUNCE rtsps://127.0.0.1")
        finally:
            server.kill()


def test_urls():
    server = parse_url("RTSPS://me:a%2Fb@Example.org/live/x?y=1")
    assert (server.host, server.port, server.tls, server.user, server.password) == ("example.org", 322, True, "me", "a/b")
    assert server.url == "rtsps://Example.org/live/x?y=1"
    assert parse_url("rtsp://[::1]:8554/x").port == 8554
    for url in ("rtsp://", "rtsp:x", "rtsp://me:s3cret@", "rtsp://me:s3cret@host:port/x"):
        with pytest.raises(ConfigError) as caught:
            parse_url(url)
        assert "s3cret" not in str(caught.value)


def test_digest_is_that_of_the_standard():
    """The worked example of RFC 2069 (with its erratum's response)."""
    server = parse_url("rtsp://Mufasa:CircleOfLife@host/dir/index.html")
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"'
    value = authorization(challenge, server, "GET", "/dir/index.html")
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in value and 'opaque="5ccc"' in value


def test_digest_with_quality_of_protection():
    """The worked example of RFC 7616, 3.9.1, but for the client nonce, which is ours; its response recomputed from 3.4.1."""
    server = parse_url("rtsp://Mufasa:Circle%20of%20Life@host/")
    challenge = ('Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
                 'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"')
    value = authorization(challenge, server, "GET", "/dir/index.html", count=3)
    fields = dict(item.split("=", 1) for item in value[7:].split(", "))
    assert (fields["qop"], fields["nc"], fields["algorithm"]) == ("auth", "00000003", "SHA-256")

    def sha(text):
        return hashlib.sha256(text.encode()).hexdigest()

    parts = [sha("Mufasa:http-auth@example.org:Circle of Life"), "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "00000003",
             fields["cnonce"].strip('"'), "auth", sha("GET:/dir/index.html")]
    assert fields["response"].strip('"') == sha(":".join(parts))


def test_the_strongest_challenge_wins():
    lines = ["WWW-Authenticate: Basic realm=x", 'WWW-Authenticate: Digest realm="x", nonce="1", algorithm=SHA-256',
             'WWW-Authenticate: Digest realm="x", nonce="2"', 'WWW-Authenticate: Digest realm="x", algorithm=WHAT']
    assert "SHA-256" in answer_headers(lines)["www-authenticate"]
