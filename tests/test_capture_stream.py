"""Network streams: ends, stalls and unreachable peers, with a real server on the loopback."""
import os
import socket
import subprocess
import threading

import pytest

from clips import StreamServer, damage, free_port, import_av, make_clip
from edgecam.capture import open_camera
from edgecam.config import load_config
from edgecam.errors import CaptureError
from streams import STREAM, make_packets, settings_with


@pytest.fixture
def transport_stream(tmp_path):
    import_av()
    return make_clip(tmp_path / "a.ts", frames=150, fps=25, options={"g": "10"})


def settings(url, **changes):
    values = dict({"stale_after": 0.6, "retry_max": 0.3}, **changes)
    words = ["capture.{}={}".format(key, value) for key, value in values.items()]
    return load_config(overrides=["capture.input=" + url] + words).capture


def test_frames_arrive_with_growing_times(transport_stream):
    with StreamServer(transport_stream) as server, open_camera(settings(server.url)) as camera:
        frames = [camera.read(timeout=5) for _ in range(10)]
        assert camera.format.live and (camera.format.width, camera.format.height) == (320, 180)
        assert all(b.time >= a.time and b.pts > a.pts and b.number > a.number for a, b in zip(frames, frames[1:]))


@pytest.mark.parametrize("rounds", [("half", "all"), ("stall", "all")])
def test_a_stream_that_ends_or_stalls_is_opened_anew(transport_stream, rounds):
    with StreamServer(transport_stream, rounds) as server, open_camera(settings(server.url)) as camera:
        last = -1
        while camera.reconnects == 0:
            frame = camera.read(timeout=10)
            assert frame.pts > last
            last = frame.pts
        again = camera.read(timeout=10)
        assert again.pts > last and server.connections >= 2


def test_what_comes_damaged_is_counted(transport_stream, tmp_path, caplog):
    with StreamServer(damage(transport_stream, tmp_path / "hurt.ts", 0.4)) as server, open_camera(settings(server.url)) as camera:
        while camera.reconnects == 0:
            camera.read(timeout=10)
        assert camera.broken >= 1 and caplog.text.count("what else is damaged is counted") == 1


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
def test_a_stream_that_is_joined_in_its_middle_is_not_damaged(transport_stream, tmp_path, share):
    with open(transport_stream, "rb") as stream:
        content = stream.read()
    (tmp_path / "rest.ts").write_bytes(content[int(share * len(content)):])
    with StreamServer(str(tmp_path / "rest.ts")) as server, open_camera(settings(server.url)) as camera:
        for _ in range(20):
            camera.read(timeout=10)
        assert camera.broken == 0


def test_giving_up_is_one_line(transport_stream):
    server = StreamServer(transport_stream, ("half",))
    with server, open_camera(settings(server.url, give_up_after=0.5)) as camera:
        assert camera.read(timeout=5) is not None
        server._stop.set()
        server._thread.join()
        server._socket.close()
        with pytest.raises(CaptureError, match="given up after"):
            for _ in range(400):
                camera.read(timeout=10)


def test_a_source_that_is_not_there_at_the_start_is_waited_for_where_that_is_wanted(transport_stream):
    port, servers = free_port(), []

    def stopping():                 # asked after the first attempt has failed: the camera is switched on
        if not servers:
            servers.append(StreamServer(transport_stream, port=port))
        return False

    try:
        with open_camera(settings("tcp://127.0.0.1:{}".format(port), give_up_after=60), stopping=stopping) as camera:
            assert servers and camera.read(timeout=10) is not None
    finally:
        for server in servers:
            server.__exit__()


def test_without_a_limit_the_first_failure_at_the_start_is_the_last():
    import_av()
    asked = []
    with pytest.raises(CaptureError, match="^input tcp://127.0.0.1:[0-9]+: Connection refused$"):
        open_camera(settings("tcp://127.0.0.1:{}".format(free_port()), give_up_after=0), stopping=lambda: asked.append(1))
    assert not asked


@pytest.mark.parametrize("limit, stops, words", [(0.3, False, "Connection refused; given up after 0.3 s"), (3600, True, "Connection refused")])
def test_waiting_for_a_source_has_an_end(limit, stops, words, caplog):
    import_av()
    with pytest.raises(CaptureError, match="^input tcp://127.0.0.1:[0-9]+: {}$".format(words)):
        open_camera(settings("tcp://127.0.0.1:{}".format(free_port()), give_up_after=limit), stopping=lambda: stops)
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == ["Connection refused; trying on"]


def test_a_description_that_is_not_there_is_not_waited_for(tmp_path):
    import_av()
    asked = []
    with pytest.raises(CaptureError, match="No such file"):
        open_camera(settings(str(tmp_path / "none.sdp"), give_up_after=60), stopping=lambda: asked.append(1))
    assert not asked


def test_a_slow_reader_gets_the_newest_and_the_rest_is_counted(transport_stream):
    import time
    with StreamServer(transport_stream, pace=0.001) as server, open_camera(settings(server.url)) as camera:
        camera.read(timeout=5)
        time.sleep(0.5)
        assert camera.drops > 0


def test_a_dead_host_is_one_line_without_the_password():
    import_av()
    url = "rtsp://me:hush@127.0.0.1:{}/x".format(free_port())
    with pytest.raises(CaptureError) as failure:
        open_camera(settings(url))
    assert "hush" not in str(failure.value) and "\n" not in str(failure.value)


def test_a_source_that_is_silent_from_the_start_is_told_in_our_words():
    import_av()
    with pytest.raises(CaptureError, match="^input udp://127.0.0.1:[0-9]+: nothing came for 1 s$"):
        open_camera(settings("udp://127.0.0.1:{}".format(free_port(socket.SOCK_DGRAM)), stale_after=0.5))


def test_an_rtsp_server_that_accepts_and_says_nothing_is_told_in_our_words():
    """FFmpeg calls our time limit invalid data here."""
    import_av()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        url = "rtsp://127.0.0.1:{}/x".format(mute.getsockname()[1])
        with pytest.raises(CaptureError, match="^input {}: nothing came for 1 s$".format(url)):
            open_camera(settings(url, stale_after=0.5))


def test_rtp_without_a_description_is_told_what_it_needs():
    from edgecam.outputs.urls import make_output
    import_av()
    url, stop = "rtp://127.0.0.1:{}".format(free_port(socket.SOCK_DGRAM)), threading.Event()

    def send():
        sender = make_output(url, settings_with())
        sender.open(STREAM)
        while not stop.wait(0.02):
            for packet in make_packets()[:5]:
                sender.write(packet)
        sender.close()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(CaptureError, match="^input {}: RTP came, but .* needs a description, an SDP file, as the input: edgecam run x.sdp".format(url)):
            open_camera(settings(url, stale_after=5))
    finally:
        stop.set()
        thread.join()


def test_a_source_that_falls_silent_for_good_is_told_in_our_words(transport_stream):
    """What it was given up for is what the last attempt to open it found: a peer that takes the connection, and sends nothing."""
    with StreamServer(transport_stream, ("half", "silent")) as server, \
            open_camera(settings(server.url, stale_after=0.5, give_up_after=0.2)) as camera:
        with pytest.raises(CaptureError, match="^input tcp://127.0.0.1:[0-9]+: nothing came for 1 s; given up after 0.2 s$"):
            while True:
                camera.read(timeout=20)


@pytest.fixture
def rtsp_camera(transport_stream):
    """The URL of a camera that GStreamer's RTSP server plays."""
    system, here = "/usr/bin/python3", os.path.dirname(os.path.abspath(__file__))
    bindings = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not os.path.exists(system) or subprocess.call([system, "-c", bindings], stderr=subprocess.DEVNULL):
        pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0, python3-gi)")
    server = subprocess.Popen([system, os.path.join(here, "rtsp_camera.py"), str(transport_stream)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    yield "rtsp://127.0.0.1:{}/cam".format(int(server.stdout.readline()))
    server.kill()
    server.wait()
    server.stdout.close()


def test_an_rtsp_camera_is_shown_and_opened_anew_when_it_ends(rtsp_camera):
    with open_camera(settings(rtsp_camera, stale_after=2)) as camera:
        assert camera.format.live and (camera.format.width, camera.format.height) == (320, 180)
        last = -1
        while camera.reconnects == 0:
            frame = camera.read(timeout=20)
            assert frame.pts > last
            last = frame.pts
        assert camera.read(timeout=20).pts > last
