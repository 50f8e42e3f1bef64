"""The whole main job from a real /dev/video node, in the guest: recorded street video comes through v4l2loopback."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from clips import count_frames, import_av
from rig import LOOPBACK, Feed, guest

pytestmark = guest
MODEL = "edgecam-detectnet-light-960x540-int8"         # the guest has one CPU; finding that out would take minutes
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def street(data_folder):
    """A recorded street, seen from above, as a camera of 960x540."""
    feed = Feed("-stream_loop", "-1", "-re", "-i", os.path.join(data_folder, "videos/cars_topdown/video_768x432.mp4"), "-an",
                "-vf", "scale=960:540", "-pix_fmt", "nv12")
    yield
    feed.stop()


@pytest.fixture
def test_picture():
    feed = Feed("-re", "-f", "lavfi", "-i", "testsrc2=size=960x540:rate=15", "-pix_fmt", "nv12")
    yield
    feed.stop()


class Program:
    """`edgecam run` on the loopback camera, in a process of its own."""

    def __init__(self, *words):
        self._process = subprocess.Popen([sys.executable, "-m", "edgecam", "run", LOOPBACK] + list(words) + ["--web", "off", "--json"],
                                         stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=ROOT))

    def wait_until(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, "the program ended by itself"
            assert time.monotonic() < end, "not within {} s".format(seconds)
            time.sleep(0.5)

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def result(self):
        """Return (exit code, summary)."""
        shown, _ = self._process.communicate(timeout=120)
        return self._process.returncode, json.loads(shown.decode())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def read_events(path):
    """Return the events written so far."""
    if not os.path.exists(str(path)):
        return []
    with open(str(path), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]


def follows_a_car(event):
    labels = {track["label"] for track in event["tracks"]}
    return "car" in labels and event["plan"]["regions"] and all(region["qp"] < 0 for region in event["plan"]["regions"])


@pytest.mark.timeout(400)
def test_the_main_job_runs_on_recorded_street_video(street, tmp_path):
    """Camera, detector, tracker, regions, encoder, recording: all of them see the street."""
    av = import_av()
    out, events_file = tmp_path / "out.mp4", tmp_path / "events.jsonl"
    with Program(str(out), "--events", str(events_file), "--bitrate", "1M", "--model", MODEL, "--detector", "onnx", "--set", "detect.nice=0") as program:
        program.wait_until(lambda: sum(map(bool, map(follows_a_car, read_events(events_file)))) >= 50, 200)
        program.interrupt()
        code, summary = program.result()
    assert code == 0 and summary["frames"]["detected"] >= 2
    assert count_frames(out)[0] == summary["frames"]["encoded"] == len(read_events(events_file)) >= 50
    with av.open(str(out)) as container:
        shown = container.streams.video[0]
        assert (shown.width, shown.height, shown.codec_context.name) == (960, 540, "h264")


def test_a_camera_is_recorded_without_a_detector(test_picture, tmp_path):
    import_av()
    out = tmp_path / "out.mp4"
    with Program(str(out), "--detector", "none", "--duration", "4") as program:
        code, summary = program.result()
    assert code == 0 and count_frames(out)[0] == summary["frames"]["encoded"] > 5
