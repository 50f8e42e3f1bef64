"""Long runs: memory, threads and descriptors stay where they are."""
import os
import threading

import pytest

from clips import import_av
from edgecam.config import load_config
from edgecam.pipeline import Pipeline

pytestmark = pytest.mark.soak


def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


def settings(*words):
    return load_config(overrides=["web.listen=off", "detect.backend=scene", "outputs.urls=null:"] + list(words))


@pytest.mark.timeout(1800)
def test_memory_is_flat_over_as_many_frames_as_half_an_hour_has(tmp_path):
    """54,000 frames through every room, with a recording and its events, a guest that reads and one that does not."""
    pipeline = Pipeline(settings("capture.input=test://street?size=320x180&objects=12&pan=30&frames=54000", "pipeline.mode=exact",
                                 "events.file={}".format(tmp_path / "e.jsonl"), "outputs.urls=[{}, 'null:']".format(tmp_path / "o.mp4")))
    samples = []
    lazy = pipeline.view.follow(size=10)

    def watch():
        with pipeline.view.follow(size=100, keyframes_first=False) as tap:
            while True:
                pair = tap.get(timeout=5)
                if pair is None:
                    return
                if pair[0].number % 3000 == 2999:
                    samples.append(resident())
    guest = threading.Thread(target=watch)
    guest.start()
    assert pipeline.run().encoded == 54000
    guest.join(30)
    lazy.close()
    early, late = max(samples[2:6]), max(samples[-4:])
    assert late - early < 8e6, "memory grew from {:.1f} to {:.1f} MB".format(early / 1e6, late / 1e6)


def test_three_hundred_runs_leave_nothing_behind(tmp_path):
    def run(number):
        Pipeline(settings("capture.input=test://street?size=160x160&objects=2&frames=5", "pipeline.mode={}".format(("live", "exact")[number % 2]),
                          "outputs.urls={}".format(tmp_path / "o.mp4"))).run()
    for number in range(4):
        run(number)
    threads, files = threading.active_count(), descriptors()
    for number in range(300):
        run(number)
    assert threading.active_count() <= threads and descriptors() <= files
