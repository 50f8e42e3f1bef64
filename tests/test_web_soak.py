"""Fifty viewers, ten of them stalled and ten slow: the camera must not notice. EDGECAM_SOAK_SECONDS: how long (300)."""
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


def memory():
    """Resident memory of this process, MB."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def crowd(server, name, seconds, counts=("30", "10", "10")):
    parts = urlsplit(server.address)
    path = "/api/cameras/camera/" + name
    return subprocess.Popen([sys.executable, CROWD, parts.hostname, str(parts.port), path, str(seconds)] + list(counts),
                            stdout=subprocess.PIPE, universal_newlines=True)


@pytest.mark.soak
@pytest.mark.skipif(not rig.have_encoder(), reason="no H.264 encoder: PyAV with libx264 is not installed")
@pytest.mark.parametrize("name", ["live.mp4", "stream.mjpg"])
def test_fifty_viewers_cost_the_pipeline_nothing(name, capsys):
    with rig.page("web.viewers=60", input="test://street?size=960x540") as (server, view):
        pipeline = view._pipeline
        clock.sleep(5)
        watchers = crowd(server, name, SECONDS + WARM_UP)
        clock.sleep(WARM_UP)
        drops, frames, size, threads = pipeline.camera.drops, pipeline.stats.frames, memory(), threading.active_count()
        used, started = os.times(), clock.now()
        out, _ = watchers.communicate()
        newest, seconds = pipeline.stats.frames + pipeline.camera.drops, clock.now() - started
        cpu = 100 * (sum(os.times()[:2]) - sum(used[:2])) / seconds
        seen = json.loads(out)
        dropped, grown = pipeline.camera.drops - drops, memory() - size
        lag = [newest - number for number in seen["healthy"]]
        with capsys.disabled():
            print("\n{}: {:.0f} s, {} frames, {} dropped; healthy viewers at most {} frames behind, {} cut; memory {:+.1f} MB, threads {:+d}, "
                  "CPU {:.0f} %, latency p99 {} ms".format(name, seconds, pipeline.stats.frames - frames, dropped, max(lag), seen["healthy_cut"], grown,
                                                           threading.active_count() - threads, cpu, pipeline.stats.stages["latency"].as_dict()["p99"]))
    assert dropped == 0
    assert seen["healthy_cut"] == 0 and max(lag) <= 30
    assert grown < 10
    assert threading.active_count() <= threads
