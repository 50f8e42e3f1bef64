"""The kernel's virtual devices, for tests marked ``kernel``: they run inside ``scripts/kernel-rig run``."""
import os
import subprocess

import pytest

IN_GUEST = "RIG_MODULES" in os.environ
guest = [pytest.mark.kernel, pytest.mark.skipif(not IN_GUEST, reason="runs in the guest: scripts/kernel-rig run -- pytest -m kernel")]
CAMERA, CAMERA_MPLANE, ENCODER, DECODER, LOOPBACK = ("/dev/video%d" % number for number in (0, 1, 3, 4, 20))


def modprobe(*words):
    return subprocess.run(["modprobe", "-d", os.environ["RIG_MODULES"]] + list(words), stderr=subprocess.PIPE).returncode


def descriptors():
    return len(os.listdir("/proc/self/fd"))
