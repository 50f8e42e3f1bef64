"""What the user types becomes a source: also where a file's name looks like a URL."""
import socket

import pytest

from clips import import_av, make_clip
from edgecam.capture import open_camera, parse_source
from edgecam.capture.urls import NETWORK
from edgecam.cli import main
from edgecam.config import load_config
from edgecam.errors import ConfigError


@pytest.mark.parametrize("text, kind, path", [
    ("auto", "auto", ""), ("/dev/video0", "v4l2", "/dev/video0"), ("v4l2:///dev/video0", "v4l2", "/dev/video0"), ("test://street?fps=5", "test", "street"),
    ("rtsp://cam/1", "network", "rtsp://cam/1"), ("http://host/a.sdp", "network", "http://host/a.sdp"), ("walk.mp4", "file", "walk.mp4"),
    ("2026-11-29T12:42:59.mp4", "file", "2026-11-29T12:42:59.mp4"), ("rtsp:1.mp4", "file", "rtsp:1.mp4"), ("a?b#1%20.mp4", "file", "a?b#1%20.mp4"),
    ("file:///a b#1.mp4", "file", "/a b#1.mp4"), ("file:///a%20b%231.mp4", "file", "/a b#1.mp4"), ("file:///a?b.mp4", "file", "/a?b.mp4"),
    ("file://localhost/a.mp4", "file", "/a.mp4"), ("file:a.mp4", "file", "a.mp4"), ("file://a.mp4", "file", "a.mp4"), ("FILE:///a.mp4", "file", "/a.mp4"),
    ("null:1.mp4", "file", "null:1.mp4"), ("./null:", "file", "./null:"),
    ("/dev/stdin", "file", "/dev/stdin"), ("/dev/fd/63", "file", "/dev/fd/63"), ("/dev/stdin0", "v4l2", "/dev/stdin0"), ("./-", "file", "./-"),
    ("x.sdp", "network", "x.sdp"), ("cam:1#2.sdp", "network", "cam:1#2.sdp"), ("file:///a%20b.sdp", "network", "/a b.sdp"),
])
def test_sources(text, kind, path):
    assert parse_source(text)[:3] == (kind, text, path)


@pytest.mark.parametrize("text", ["rtsp://cam/1", "rtsp://cam:/1", "rtsp://cam:65535/1", "rtsp://me:12:34@cam:554/1", "rtsp://me:99999@cam/1", "rtsp://[fe80::1%25eth0]:554/1",
                                  "rtsp://[fe80::1]/1:99999", "udp://:5004", "udp://@239.0.0.1:5004?localaddr=10.0.0.1", "rtp://@:5004", "srt://cam:9000?mode=caller",
                                  "http://cam?port=abc:99999"])
def test_a_port_that_can_be_or_none(text):
    assert parse_source(text).kind == "network"


@pytest.mark.parametrize("text", ["rtsp://cam:99999/1", "rtsp://cam:abc/1", "rtsp://cam:0/1", "rtsp://cam:-1/1", "rtsp://me:12@cam:554x", "tcp://[::1]:70000", "udp://1:2:3",
                                  "http://cam:+80?x", "rtp://cam:\u00b2"])
def test_a_port_that_can_not_be(text):
    with pytest.raises(ConfigError, match="expected host:port, the port from 1 to 65535"):
        parse_source(text)


@pytest.mark.parametrize("text", ["http://", "https:///x.mp4", "rtsp://:554/x", "RTSP:///x", "rtsps://me:12@/x", "rtmp://?x"])
def test_a_host_that_is_missing(text):
    with pytest.raises(ConfigError, match="no host; expected {}://host/path$".format(text.partition(":")[0].lower())) as failure:
        parse_source(text)
    assert "me:12" not in str(failure.value)


@pytest.mark.parametrize("text", ["rtp://127.0.0.1", "rtp://", "udp://@239.0.0.1", "tcp://host/1:2", "srt://cam?mode=caller", "udp://[::1]"])
def test_a_port_that_is_missing(text):
    with pytest.raises(ConfigError, match="no port; expected {}://host:port".format(text.partition(":")[0])):
        parse_source(text)


@pytest.mark.parametrize("text", ["udp://127.0.0.1?localport=5004", "rtp://127.0.0.1?localrtpport=5004"])
def test_a_port_of_our_own_is_one(text):
    assert parse_source(text).kind == "network"


def test_no_word_at_all():
    with pytest.raises(ConfigError, match="^input '': is empty; expected a camera, a file or a URL"):
        parse_source("")


def test_a_scheme_that_is_none():
    with pytest.raises(ConfigError, match="unknown scheme gopher; known are a file, "):
        parse_source("gopher://host/x")


@pytest.mark.parametrize("text", ["null:", "NULL:", "null://"])
def test_what_is_only_an_output(text):
    with pytest.raises(ConfigError, match="input {} is an output; name the input before it".format(text)):
        parse_source(text)


@pytest.mark.parametrize("name, typed", [("12:42:59.mp4", "12:42:59.mp4"), ("rtsp:1.mp4", "rtsp:1.mp4"), ("a b#1.mp4", "file://{}/a b#1.mp4"),
                                         ("a b#1.mp4", "file://{}/a%20b%231.mp4"), ("a%20b.mp4", "a%20b.mp4")])
def test_a_file_is_opened_whatever_its_name_looks_like(tmp_path, monkeypatch, name, typed):
    make_clip("file:{}/{}".format(tmp_path, name), frames=3)
    monkeypatch.chdir(tmp_path)
    with open_camera(load_config(overrides=["capture.input=" + typed.format(tmp_path)]).capture) as camera:
        assert len(list(camera)) == 3


def test_a_description_is_opened_whatever_its_name_looks_like(tmp_path, monkeypatch):
    """FFmpeg reads it: nobody sends, so no frame comes, but the file was understood."""
    import_av()
    from edgecam.capture.pyav import open_container
    (tmp_path / "cam:1.sdp").write_text("v=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n")
    monkeypatch.chdir(tmp_path)
    with open_container("cam:1.sdp", {"protocol_whitelist": "file,udp,rtp"}, (5, 1), local=True) as container:
        assert container.format.name == "sdp"


def test_what_a_run_names_by_the_time_another_run_reads(tmp_path, monkeypatch):
    import_av()
    monkeypatch.chdir(tmp_path)
    quiet = ["--mode", "exact", "--web", "off", "--detector", "none"]
    assert main(["run", "test://street?size=320x240&frames=5", "%H:%M:%S.mp4"] + quiet) == 0
    recorded, = tmp_path.iterdir()
    assert main(["run", recorded.name, "again-" + recorded.name] + quiet) == 0
    assert (tmp_path / ("again-" + recorded.name)).stat().st_size > 1000


@pytest.mark.parametrize("scheme", NETWORK)
def test_each_scheme_that_the_help_names_is_known_to_ffmpeg_or_told_as_one_that_it_lacks(scheme, capsys):
    import_av()
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert scheme + "://..." in capsys.readouterr().out
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = "{}://127.0.0.1:{}/x".format(scheme, nobody.getsockname()[1])
        assert main(["run", url, "null:", "--web", "off", "--detector", "none", "--set", "capture.stale_after=0.5"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("edgecam: input {}: ".format(url)) and "Protocol not found" not in said
    assert "knows no" not in said or scheme == "srt" and "knows no srt://; send the stream as rtsp:// or udp://" in said
