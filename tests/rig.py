"""The kernel's virtual devices, for tests marked ``kernel``: they run inside ``scripts/kernel-rig run``."""
import os
import subprocess
import time

import pytest

IN_GUEST = "RIG_MODULES" in os.environ
guest = [pytest.mark.kernel, pytest.mark.skipif(not IN_GUEST, reason="runs in the guest: scripts/kernel-rig run -- pytest -m kernel")]
CAMERA, CAMERA_MPLANE, ENCODER, DECODER, LOOPBACK = ("/dev/video%d" % number for number in (0, 1, 3, 4, 20))
VIVID = ["vivid", "n_devs=2", "node_types=0x1,0x101", "multiplanar=1,2", "vid_cap_nr=0,1", "vid_out_nr=-1,2"]


def modprobe(*words):
    return subprocess.run(["modprobe", "-d", os.environ["RIG_MODULES"]] + list(words), stderr=subprocess.PIPE).returncode


def reload_vivid():
    """Plug the cameras out, for good, and in again; their numbers stay. They go only when nobody has them open."""
    end = time.monotonic() + 10
    while modprobe("-r", "vivid"):
        assert time.monotonic() < end, "vivid is still in use"
        time.sleep(0.1)
    assert modprobe(*VIVID) == 0


def descriptors():
    return len(os.listdir("/proc/self/fd"))
