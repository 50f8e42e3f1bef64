"""A camera of this machine that is not there when the program starts: waited for where the user said for how long, else told at once."""
import pytest

from edgecam.capture import open_camera, v4l2
from edgecam.capture.v4l2 import V4L2Camera
from edgecam.config import load_config
from edgecam.errors import CaptureError
from edgecam.v4l2 import discovery


def settings(source, **changes):
    return load_config(overrides=["capture.input=" + source]).capture.replace(retry_max=0.1, **changes)


@pytest.fixture
def away(monkeypatch):
    """A camera whose driver comes with the third attempt; the list of the attempts."""
    tried = []

    class Late(V4L2Camera):
        def __init__(self, path, settings):
            tried.append(path)
            if len(tried) < 3:
                V4L2Camera.__init__(self, path, settings)
    monkeypatch.setattr(v4l2, "V4L2Camera", Late)
    return tried


def test_a_camera_that_comes_late_is_waited_for_where_that_is_wanted(away, tmp_path, caplog):
    path = str(tmp_path / "video7")
    camera = open_camera(settings("v4l2://" + path, give_up_after=60))
    assert camera.source == "v4l2://" + path and away == [path] * 3
    assert [record.getMessage().split("; ")[-1] for record in caplog.records] == ["trying on"]


def test_without_a_limit_the_first_failure_is_the_last(away, tmp_path):
    with pytest.raises(CaptureError, match="^input .*video7: there is no such device; ") as caught:
        open_camera(settings("v4l2://{}/video7".format(tmp_path)), stopping=lambda: pytest.fail("it waits"))
    assert len(away) == 1 and "given up" not in str(caught.value)


@pytest.mark.parametrize("limit, stops, words", [(0.3, False, "; given up after 0.3 s"), (3600, True, "")])
def test_waiting_has_an_end(tmp_path, limit, stops, words):
    with pytest.raises(CaptureError) as caught:
        open_camera(settings("v4l2://{}/video7".format(tmp_path), give_up_after=limit), stopping=lambda: stops)
    message = str(caught.value)
    assert message.startswith("input {}/video7: there is no such device".format(tmp_path)) and message.endswith(words)
    assert ("given up" in message) == bool(words)


def test_a_camera_that_nobody_named_is_passed_over_at_once(away, monkeypatch, tmp_path):
    monkeypatch.setattr(discovery, "capture_devices", lambda: [str(tmp_path / "video7")])
    with open_camera(settings("auto", give_up_after=60), stopping=lambda: False) as camera:
        assert camera.source == "test://street" and len(away) == 1
