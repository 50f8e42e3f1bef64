"""The kernel's virtual devices, for tests marked ``kernel``: they run inside ``scripts/kernel-rig run``."""
import os
import subprocess
import time

import pytest

from edgecam.capture.v4l2 import V4L2Camera
from edgecam.config import load_config
from edgecam.v4l2 import discovery

IN_GUEST = "RIG_MODULES" in os.environ
guest = [pytest.mark.kernel, pytest.mark.skipif(not IN_GUEST, reason="runs in the guest: scripts/kernel-rig run -- pytest -m kernel")]
CAMERA, CAMERA_MPLANE, ENCODER, DECODER, LOOPBACK = ("/dev/video%d" % number for number in (0, 1, 3, 4, 20))


def modprobe(*words):
    return subprocess.run(["modprobe", "-d", os.environ["RIG_MODULES"]] + list(words), stderr=subprocess.PIPE).returncode


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def more_open(before, seconds=5.0):
    """Return what is open where *before* descriptors were, if there are more; what another thread holds for a moment has time to go, a leak stays."""
    while descriptors() > before and seconds > 0:
        time.sleep(0.1)
        seconds -= 0.1
    open_now = ["/proc/self/fd/" + number for number in os.listdir("/proc/self/fd")]
    return [os.readlink(path) for path in open_now if os.path.islink(path)] if len(open_now) > before else []


class Feed:
    """v4l2loopback as a camera: FFmpeg writes what *arguments* say into it, until `stop`."""

    def __init__(self, *arguments):
        modprobe("-r", "v4l2loopback")          # a used one remembers its last format
        assert modprobe("v4l2loopback", "devices=1", "video_nr=20", "exclusive_caps=1", "max_buffers=4") == 0
        self._process = subprocess.Popen(["ffmpeg", "-v", "error"] + list(arguments) + ["-f", "v4l2", LOOPBACK],
                                         stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while LOOPBACK not in discovery.capture_devices():
            assert self._process.poll() is None and time.monotonic() < end
            time.sleep(0.1)

    def stop(self):
        self._process.kill()
        self._process.wait()


def settings(width=640, height=360, rate=30, **others):
    return load_config().capture.replace(width=width, height=height, rate=rate, **others)


def grab(camera, count=5, timeout=5):
    """Read some frames; return their numbers and times."""
    seen = []
    for _ in range(count):
        with camera.read(timeout) as frame:
            seen.append((frame.number, frame.time, frame.pts))
    return seen


@pytest.fixture
def camera():
    with V4L2Camera(CAMERA, settings()) as opened:
        yield opened
