"""What the user types becomes outputs: which, and what is refused before anything is written."""
import os
import re

import pytest

from edgecam.errors import ConfigError, OutputError
from edgecam.outputs import make_output, open_outputs
from edgecam.outputs.mp4 import Mp4Output
from edgecam.outputs.null import NullOutput
from edgecam.outputs.raw import RawOutput
from edgecam.outputs.rtsp import RtspOutput
from edgecam.outputs.udp import RtpOutput
from edgecam.outputs.urls import make_outputs
from streams import STREAM, make_packets, settings_with


@pytest.mark.parametrize("url, kind", [
    ("x.mp4", Mp4Output), ("/a/b.MP4", Mp4Output), ("file:///a/x.mp4", Mp4Output), ("x.h264", RawOutput), ("x.264", RawOutput),
    ("rec-12:30.mp4", Mp4Output), ("2026-11-29T12:42:59.mp4", Mp4Output), ("cam:1.h264", RawOutput), ("rtspx:1.mp4", Mp4Output), ("file:12:30.mp4", Mp4Output),
    ("null:", NullOutput), ("null://", NullOutput), ("rtp://127.0.0.1:5600", RtpOutput), ("rtsp://host/x", RtspOutput),
    ("rtsps://host/x", RtspOutput)])
def test_urls(url, kind):
    output = make_output(url, settings_with())
    assert type(output) is kind
    assert kind not in (Mp4Output, RawOutput) or output.url == re.sub("^file:(//)?", "", url)


@pytest.mark.parametrize("url", ["", "x", "x.mkv", "http://me:s3cret@host/x", "rtmp://host/x", "udp://host:1", "mp4", "rtp:"])
def test_urls_that_are_refused(url):
    with pytest.raises(ConfigError, match="x.mp4, x.h264|expected rtp://") as caught:
        make_output(url, settings_with())
    assert "s3cret" not in str(caught.value)


def test_two_outputs_on_one_file_are_refused(tmp_path):
    urls = [str(tmp_path / "x.mp4"), os.path.join(str(tmp_path), ".", "x.mp4")]
    with pytest.raises(ConfigError, match="writes the same file"):
        open_outputs(settings_with(urls=urls), STREAM)
    assert not os.path.exists(urls[0])


@pytest.mark.parametrize("urls", [
    ["rtp://127.0.0.1:5600", "rtp://127.0.0.1:5600/"], ["rtp://Cam.local:5600", "null:", "RTP://cam.local:5600/"],
    ["rtp://[::1]:5600", "rtp://[0:0:0:0:0:0:0:1]:5600"], ["rtsp://me:s3cret@host/x", "rtsp://Host:554/x"]])
def test_two_streams_to_one_place_are_refused(urls):
    with pytest.raises(ConfigError) as caught:
        make_outputs(settings_with(urls=urls))
    assert str(caught.value) == "output {}: {} sends to the same place, where two streams would garble each other; leave one of them".format(
        urls[-1], urls[0].replace("me:s3cret", "***"))


def test_streams_to_different_places_and_nothing_at_all_may_be_several():
    urls = ["null:", "null:", "rtp://127.0.0.1:5600", "rtp://127.0.0.1:5602", "rtp://127.0.0.2:5600", "rtsp://h/x", "rtsp://h/y", "rtsp://h/x?n=2", "rtsps://h/x"]
    assert len(make_outputs(settings_with(urls=urls))) == len(urls)


def test_a_bad_file_is_told_at_once_and_leaves_nothing_behind(tmp_path):
    urls = [str(tmp_path / "x.mp4"), "rtp://127.0.0.1:9", "/proc/x.h264"]
    with pytest.raises(OutputError, match="/proc/x.h264: can't be written: "):
        open_outputs(settings_with(urls=urls), STREAM)
    assert list(tmp_path.iterdir()) == []


def test_descriptions_are_for_rtp(tmp_path):
    with pytest.raises(ConfigError, match="there is none"):
        open_outputs(settings_with(urls=["null:"], sdp=str(tmp_path / "x.sdp")), STREAM)
    with pytest.raises(ConfigError, match="there is no such folder"):
        open_outputs(settings_with(urls=["rtp://127.0.0.1:9"], sdp=str(tmp_path / "no" / "x.sdp")), STREAM)
    urls = ["rtp://127.0.0.1:9", "null:", "rtp://127.0.0.1:19"]
    with open_outputs(settings_with(urls=urls, sdp=str(tmp_path / "x.sdp")), STREAM) as outputs:
        outputs.write(make_packets()[0])
    assert "m=video 9 " in (tmp_path / "x.sdp").read_text() and "m=video 19 " in (tmp_path / "x-2.sdp").read_text()


@pytest.mark.parametrize("path, words", [("x.sdp", "holds something else"), ("x-2.sdp", "holds something else"), ("pipe", "is no file"), ("shelf", "is no file"),
                                         ("/dev/null", "is no file")])
def test_a_description_replaces_nothing_else(tmp_path, monkeypatch, path, words):
    monkeypatch.chdir(str(tmp_path))
    os.mkfifo("pipe")
    os.mkdir("shelf")
    if path.startswith("x"):
        (tmp_path / path).write_bytes(b"a video")
    settings = settings_with(urls=["rtp://127.0.0.1:9", "rtp://127.0.0.1:19"], sdp=path.replace("-2", ""))
    with pytest.raises(ConfigError, match="^outputs.sdp = {}: {}".format(path, words)) as caught:
        make_outputs(settings)
    assert caught.value.keys == ("outputs.sdp",)


def test_trying_the_description_leaves_nothing_behind(tmp_path):
    with open_outputs(settings_with(urls=["rtp://127.0.0.1:9"], sdp=str(tmp_path / "x.sdp")), STREAM):
        assert os.listdir(str(tmp_path)) == []
