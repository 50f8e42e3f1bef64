"""Video by HTTP: what is a file and what a live stream, by one connection, from real servers on the loopback."""
import shutil
import subprocess
import urllib.request

import pytest

from clips import free_port, import_av, make_clip
from edgecam.capture import open_camera
from edgecam.config import load_config
from edgecam.errors import CaptureError
from http_clips import ClipServer
from program import start
from web_rig import wait_for

FRAGMENTS = {"movflags": "+frag_keyframe+empty_moov+default_base_moof"}


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


def settings(url, **changes):
    values = dict({"stale_after": 2, "retry_max": 0.2}, **changes)
    return load_config(overrides=["capture.input=" + url] + ["capture.{}={}".format(*pair) for pair in values.items()]).capture


def fragmented(folder, frames=150):
    return make_clip(folder / "live.mp4", frames=frames, fps=25, options={"g": "10"}, container_options=FRAGMENTS)


@pytest.fixture
def other():
    """The web address of another edgecam that shows the street, and its process."""
    address = "127.0.0.1:{}".format(free_port())
    process = start("run", "test://street?size=320x180", "null:", "--detector", "none", "--web", address)
    yield "http://{}/api/cameras/camera".format(address), process
    if process.poll() is None:
        process.kill()
    process.communicate()


def shows_video(url):
    """Whether the edgecam at *url* has a picture."""
    try:
        with urllib.request.urlopen(url + "/snapshot.jpg", timeout=5) as answer:
            return answer.read(2) == b"\xff\xd8"
    except OSError:
        return False


@pytest.mark.parametrize("name", ["live.mp4", "stream.mjpg"])
def test_another_edgecam_that_dies_is_connected_to_again(other, name, caplog):
    url, process = other
    wait_for(lambda: shows_video(url), 30)
    with open_camera(settings(url + "/" + name, give_up_after=0.5)) as camera:
        assert camera.format.live and camera.read(timeout=5) is not None
        process.kill()
        with pytest.raises(CaptureError, match="Connection refused; given up after 0.5 s"):
            while camera.read(timeout=10) is not None:
                pass
    assert "connecting again" in caplog.text


def test_a_live_mp4_that_ends_is_opened_anew(tmp_path, caplog):
    with ClipServer(fragmented(tmp_path), sized=False, pace=0.01) as server, open_camera(settings(server.url)) as camera:
        while camera.reconnects == 0:
            assert camera.read(timeout=10) is not None
    assert "the stream ended; connecting again" in caplog.text


@pytest.mark.parametrize("name, flags, sized", [("a.mp4", {}, True), ("a.mp4", FRAGMENTS, True), ("a.ts", {}, True), ("a.mkv", {}, True),
                                                ("a.mp4", {"movflags": "+faststart"}, False)])
def test_a_file_is_played_to_its_end(tmp_path, name, flags, sized):
    with ClipServer(make_clip(tmp_path / name, frames=30, container_options=flags), sized=sized) as server:
        with open_camera(settings(server.url)) as camera:
            assert not camera.format.live and len(list(camera)) == 30


def test_a_playlist_that_is_complete_is_played_to_its_end(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    clip = make_clip(tmp_path / "a.ts", frames=30)
    subprocess.check_call(["ffmpeg", "-v", "error", "-i", clip, "-c", "copy", str(tmp_path / "list.m3u8")])
    with ClipServer(str(tmp_path / "list0.ts")) as video:
        text = (tmp_path / "list.m3u8").read_text().replace("list0.ts", video.url + ".ts")
        (tmp_path / "list.m3u8").write_text(text)
        with ClipServer(str(tmp_path / "list.m3u8"), sized=False) as server, open_camera(settings(server.url + ".m3u8")) as camera:
            assert not camera.format.live and len(list(camera)) == 30


@pytest.mark.parametrize("name, flags, sized", [("a.ts", {}, False), ("live.mp4", FRAGMENTS, False), ("a.mp4", {"movflags": "+faststart"}, False)])
def test_a_server_for_one_client_is_enough(tmp_path, name, flags, sized):
    clip = make_clip(tmp_path / name, frames=40, container_options=flags)
    with ClipServer(clip, sized=sized, once=True) as server, open_camera(settings(server.url)) as camera:
        while camera.read(timeout=5).number < 39:
            pass
        assert server.connections == 1


def test_ffmpeg_as_a_server_for_one_client_is_read_to_its_end(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    url = "http://127.0.0.1:{}/x.ts".format(free_port())
    server = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", make_clip(tmp_path / "a.mp4", frames=60, fps=25), "-c", "copy",
                               "-f", "mpegts", "-listen", "1", url], stderr=subprocess.DEVNULL)
    try:            # it is waited for: FFmpeg listens when it has read its input
        with open_camera(settings(url, give_up_after=20)) as camera:
            while camera.read(timeout=10).number < 59:
                pass
    finally:
        server.kill()
        server.wait()
