"""RTP over UDP on the loopback: to sockets of our own, to FFmpeg and to GStreamer."""
import os
import socket
import struct
import subprocess
import time
from fractions import Fraction

import pytest

from edgecam import h264
from edgecam.errors import ConfigError, OutputError
from edgecam.outputs import open_outputs
from edgecam.outputs.udp import DatagramSender, RtpOutput
from clips import files_left, free_port
from streams import FILE, STREAM, make_packets, need, picture_hashes, read, settings_with
from test_outputs_fanout import wait_until
from test_outputs_rtp import depacketize, parse_rtcp


@pytest.fixture
def receivers():
    """A pair of sockets on neighbouring ports, for RTP and RTCP; closed afterwards."""
    for _ in range(50):
        media, control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        media.bind(("127.0.0.1", 0))
        try:
            control.bind(("127.0.0.1", media.getsockname()[1] + 1))
            break
        except OSError:
            media.close()
            control.close()
    media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    yield media, control
    media.close()
    control.close()


def received(sock):
    datagrams = []
    sock.setblocking(False)
    while True:
        try:
            datagrams.append(sock.recv(65536))
        except BlockingIOError:
            return datagrams


def url_of(sock):
    return "rtp://127.0.0.1:{}".format(sock.getsockname()[1])


def test_everything_arrives_in_order(receivers):
    media, control = receivers
    got = []
    with RtpOutput(url_of(media), pace=0) as output:
        output.open(STREAM)
        for packet in make_packets():
            output.write(packet)
            got += received(media)
    assert [unit for _, units in depacketize(got) for unit in units] == h264.nal_units(read(FILE))
    assert output.problem is None and output.drops == 0
    reports = [parse_rtcp(datagram) for datagram in received(control)]
    assert [kind for kind, _, _ in reports[0]] == [200, 202]
    assert [kind for kind, _, _ in reports[-1]] == [200, 202, 203]
    sent = struct.unpack(">6I", reports[-1][0][2])[4:]
    assert sent == (len(got), sum(map(len, got)) - 12 * len(got))


def test_nobody_listens_is_told_and_passes(receivers, monkeypatch):
    media, _ = receivers
    address = media.getsockname()
    media.close()
    packets = make_packets()
    with RtpOutput(url_of_port(address[1]), pace=0) as output:
        output.open(STREAM)
        for packet in packets[:20]:
            output.write(packet)
        assert output.problem == "{}: packets are lost: connection refused".format(output.url)
        assert output.drops > 10
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
            late.bind(address)
            monkeypatch.setattr("edgecam.outputs.udp.CALM", -1.0)
            output.wants_keyframe = False
            for packet in packets[30:]:
                output.write(packet)
            assert output.problem is None and output.wants_keyframe
            got = depacketize(received(late))
    assert [unit for _, units in got for unit in units] == [
        unit for packet in packets[30:] for unit in h264.nal_units(packet.payload)]


def test_a_refused_packet_counts_once_as_dropped():
    packets = make_packets()
    with open_outputs(settings_with(urls=[url_of_port(free_port(socket.SOCK_DGRAM))], rtp_pace=0), STREAM) as outputs:
        for packet in packets:
            outputs.write(packet)
            wait_until(lambda: sum(outputs.stats()[0][figure] for figure in ("packets", "drops")) == packet.number + 1)
    sent, = outputs.stats()
    assert sent["packets"] + sent["drops"] == 60 and sent["drops"] > 50


def url_of_port(port):
    return "rtp://127.0.0.1:{}".format(port)


def narrow_pair():
    """Two connected sockets whose queue holds a few datagrams only."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 6000)
    return ours, theirs


def test_a_full_queue_loses_packets_instead_of_time():
    ours, theirs = narrow_pair()
    sender = DatagramSender(ours)
    sent = 0
    while sender.send(b"x" * 1400):
        sent += 1
        assert sent < 10000
    assert sender.full and sender.error == "the network takes less than the stream brings"
    assert len(received(theirs)) == sent
    assert sender.send(b"again") and not sender.full
    sender.close()
    theirs.close()


def test_after_a_drop_it_resumes_at_a_keyframe():
    ours, theirs = narrow_pair()
    output = RtpOutput("rtp://127.0.0.1:9", pace=0)
    output.open(STREAM)
    output._media.close()
    output._media = DatagramSender(ours)
    packets, got = make_packets(), []
    for packet in packets[:15]:
        output.write(packet)
    assert output.wants_keyframe and output.drops and "takes less" in output.problem
    received(theirs)
    for packet in packets[15:30]:
        output.write(packet)
        got += received(theirs)
    output.close()
    theirs.close()
    assert [unit for _, units in depacketize(got) for unit in units] == [
        unit for packet in packets[15:30] for unit in h264.nal_units(packet.payload)]


def test_a_large_frame_is_spread(receivers, monkeypatch):
    media, _ = receivers
    pauses = []
    monkeypatch.setattr("edgecam.clock.sleep", pauses.append)
    with RtpOutput(url_of(media), mtu=100, pace=0.5) as output:
        output.open(STREAM)
        output.write(make_packets()[0])
    bursts = -(-len(received(media)) // 16)
    assert bursts > 1 and len(pauses) == bursts
    assert sum(pauses) == pytest.approx(0.5 / 30 * (bursts - 1) / bursts)


def test_a_slow_videos_frame_is_not_spread_over_all_its_time(receivers, monkeypatch):
    """Of a picture every twenty seconds that would be ten, longer than the end of a run waits."""
    media, _ = receivers
    pauses = []
    monkeypatch.setattr("edgecam.clock.sleep", pauses.append)
    with RtpOutput(url_of(media), mtu=100, pace=0.5) as output:
        output.open(STREAM._replace(rate=Fraction(1, 20)))
        output.write(make_packets()[0])
    assert 0 < sum(pauses) < 0.5


def test_ipv6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as media:
        try:
            media.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        with RtpOutput("rtp://[::1]:{}".format(media.getsockname()[1])) as output:
            output.open(STREAM)
            for packet in make_packets()[:5]:
                output.write(packet)
        assert len(depacketize(received(media))) == 5


def test_multicast():
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("239.255.77.7", port))
        try:
            media.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                             socket.inet_aton("239.255.77.7") + socket.inet_aton("0.0.0.0"))
            with RtpOutput("rtp://239.255.77.7:{}".format(port), ttl=3) as output:
                output.open(STREAM)
                assert output._media._socket.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 3
                for packet in make_packets()[:5]:
                    output.write(packet)
        except OSError:
            pytest.skip("no route for multicast here")
        assert len(depacketize(received(media))) == 5


@pytest.mark.parametrize("url", ["rtp://", "rtp://host", "rtp://:5600", "rtp://host:0", "rtp://host:65535", "rtp://host:99999",
                                 "rtp://host:x", "rtp://host:5600/path", "rtp://host:5600?ttl=1", "rtp://me:secret@host:5600",
                                 "rtp://[::1:5600"])
def test_urls_that_are_refused(url):
    with pytest.raises(ConfigError, match="expected rtp://host:port") as caught:
        RtpOutput(url)
    assert "secret" not in str(caught.value)


def test_a_name_without_an_address_is_an_output_error():
    output = RtpOutput("rtp://no-such-host.invalid:5600")
    with pytest.raises(OutputError, match="no address for no-such-host.invalid"):
        output.open(STREAM)
    output.close()


@pytest.mark.parametrize("left", [0, 1])
def test_without_a_socket_left_it_is_an_output_error_and_opens_later(receivers, left):
    """One socket is not enough either: the one that was opened must not stay."""
    media, _ = receivers
    output = RtpOutput(url_of(media), pace=0)
    output.open(STREAM)                                         # what a first opening loads needs files too
    output.close()
    with files_left(left):
        for _ in range(3):
            with pytest.raises(OutputError, match="can't be reached: Too many open files"):
                output.open(STREAM)
            output.close()
    with output:
        output.open(STREAM)
        output.write(make_packets()[0])
    assert received(media)


def send_slowly(output, packets):
    output.open(STREAM)
    for packet in packets:
        time.sleep(0.005)
        output.write(packet)


def test_ffmpeg_plays_the_description(tmp_path):
    """FFmpeg, told by the SDP file alone, decodes every picture."""
    need("ffmpeg")
    port, described = free_port(socket.SOCK_DGRAM) & ~1, str(tmp_path / "x.sdp")
    packets = make_packets(rounds=3)
    RtpOutput(url_of_port(port), sdp_file=described)
    with RtpOutput(url_of_port(port), sdp_file=described) as output:
        send_slowly(output, packets[:1])
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,udp,rtp", "-i", described,
               "-c", "copy", "-f", "h264", "-flush_packets", "1", str(tmp_path / "got.h264")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as reader:
        wait_for_port(port)
        with RtpOutput(url_of_port(port)) as output:            # its goodbye ends FFmpeg
            send_slowly(output, packets)
            wait_for_size(tmp_path / "got.h264")
        complaints = finish(reader)
    assert complaints == ""
    got = picture_hashes(tmp_path / "got.h264")
    assert got == (picture_hashes(FILE) * 3)[:len(got)]
    assert len(got) >= len(packets) - 1                          # FFmpeg may keep the last one when it is told to quit


def test_gstreamer_receives_without_loss(tmp_path):
    """udpsrc ! rtph264depay ! h264parse, as ground stations do it, gets every unit."""
    need("gst-launch-1.0")
    port, path = free_port(socket.SOCK_DGRAM), tmp_path / "got.h264"
    caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96"
    command = ["gst-launch-1.0", "-q", "udpsrc", "port={}".format(port), "address=127.0.0.1", "caps=" + caps, "!",
               "rtph264depay", "!", "h264parse", "!", "video/x-h264,stream-format=byte-stream,alignment=au", "!",
               "filesink", "location={}".format(path), "buffer-mode=unbuffered", "sync=false"]
    packets = make_packets(rounds=3)
    with subprocess.Popen(command, stderr=subprocess.PIPE) as reader:
        wait_for_port(port)
        with RtpOutput(url_of_port(port)) as output:
            send_slowly(output, packets)
        wait_for_size(path)
        complaints = finish(reader)
    if "no element" in complaints:
        pytest.skip("GStreamer lacks a plug-in: " + complaints)
    assert complaints == ""
    got = [unit for unit in h264.nal_units(read(str(path))) if unit[0] & 31 in (1, 5)]
    sent = [unit for packet in packets for unit in h264.nal_units(packet.payload) if unit[0] & 31 in (1, 5)]
    assert got == sent


def wait_for_port(port):
    """Wait until somebody has bound the UDP port."""
    wanted = "{:04X}".format(port)
    for _ in range(500):
        with open("/proc/net/udp") as table:
            if any(line.split()[1].endswith(":" + wanted) for line in table.readlines()[1:]):
                return
        time.sleep(0.02)
    raise AssertionError("nobody listens at port {}".format(port))


def wait_for_size(path):
    """Wait until the file has not grown for half a second."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        now = os.path.getsize(str(path)) if os.path.exists(str(path)) else 0
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.02)


def finish(reader):
    """End a reader as Ctrl-C would and return what it complained about."""
    if reader.poll() is None:
        reader.send_signal(2)
    return reader.communicate(timeout=20)[1].decode()
