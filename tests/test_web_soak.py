"""Fifty viewers, ten of them stalled and ten slow: the camera must not notice. EDGECAM_SOAK_SECONDS: how long (300)."""
import contextlib
import ctypes
import json
import os
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest

import web_rig as rig
from edgecam import clock

SECONDS = float(os.environ.get("EDGECAM_SOAK_SECONDS", "300"))
CROWD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "web_crowd.py")
WARM_UP = 20
M_ARENA_MAX = -8


def memory():
    """Resident memory of this process, MB."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def one_arena():
    """Make glibc allocate for all threads from one arena: holes in sixty arenas look like a leak for minutes."""
    with contextlib.suppress(OSError, AttributeError):          # another libc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def crowd(server, name, seconds, counts=("30", "10", "10")):
    parts = urlsplit(server.address)
    path = "/api/cameras/camera/" + name
    return subprocess.Popen([sys.executable, CROWD, parts.hostname, str(parts.port), path, str(seconds)] + list(counts),
                            stdout=subprocess.PIPE, universal_newlines=True)


def ended_within(process, seconds):
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is not None


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.skipif(not rig.have_encoder(), reason="no H.264 encoder: PyAV with libx264 is not installed")
@pytest.mark.parametrize("name", ["live.mp4", "stream.mjpg"])
def test_fifty_viewers_cost_the_pipeline_nothing(name, capsys):
    one_arena()
    with rig.page("web.viewers=60", input="test://street?size=960x540") as (server, view):
        pipeline = view._pipeline
        clock.sleep(5)
        watchers = crowd(server, name, SECONDS + WARM_UP)
        clock.sleep(WARM_UP)
        drops, frames, threads = pipeline.camera.drops, pipeline.stats.frames, threading.active_count()
        used, started, sizes = os.times(), clock.now(), [memory()]
        while not ended_within(watchers, SECONDS / 100):
            sizes.append(memory())
        newest, seconds = pipeline.stats.frames + pipeline.camera.drops, clock.now() - started
        cpu = 100 * (sum(os.times()[:2]) - sum(used[:2])) / seconds
        seen = json.loads(watchers.communicate()[0])
        dropped, half = pipeline.camera.drops - drops, len(sizes) // 2
        grown, lately = max(sizes) - sizes[0], max(sizes[half:]) - max(sizes[:half])
        lag = [newest - number for number in seen["healthy"]]
        with capsys.disabled():
            print("\n{}: {:.0f} s, {} frames, {} dropped; healthy viewers at most {} frames behind, {} cut; memory {:+.1f} MB, {:+.1f} in the "
                  "second half; threads {:+d}; CPU {:.0f} %; latency p99 {} ms".format(
                      name, seconds, pipeline.stats.frames - frames, dropped, max(lag), seen["healthy_cut"], grown, lately,
                      threading.active_count() - threads, cpu, pipeline.stats.stages["latency"].as_dict()["p99"]))
    assert dropped == 0
    assert seen["healthy_cut"] == 0 and max(lag) <= 30
    assert grown < 10 and lately < 2
    assert threading.active_count() <= threads
