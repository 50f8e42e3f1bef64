"""The Tegra encoder on the simulator, for tests: fixtures that also fail for every mistake the simulator reports."""
import os

import pytest
import tegra_sim
from tegra_frames import frame, video_format

from edgecam.config import load_config
from edgecam.encode.v4l2_tegra import TegraEncoder
from edgecam.vocabulary import NO_PLAN, Box, Plan, Region

simulated = pytest.mark.skipif(tegra_sim.missing() is not None, reason=str(tegra_sim.missing()))
PLAN = Plan(0.0, (Region(Box(64, 32, 96, 80), -6),))


@pytest.fixture(scope="session")
def built():
    return tegra_sim.built_once()


@pytest.fixture
def simulate(built, tmp_path):
    """simulate(release, fault) -> Simulator; the test fails if the client made a mistake that it did not expect."""
    made = []

    def make(release="32.7.1", fault=""):
        made.append(tegra_sim.Simulator(built, tmp_path, release, fault))
        return made[-1]
    yield make
    for simulator in made:
        assert simulator.mistakes() == []


def encoder(simulator, video=None, board=None, **settings):
    conf = load_config().encode.replace(**settings)
    return TegraEncoder(conf, video or video_format(), board or simulator.board, simulator.node, simulator.driver)


def run(encode, video, count, plan=NO_PLAN, first=0):
    packets = []
    for number in range(first, first + count):
        packets += encode.encode(frame(number, video), plan)
    return packets


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def keys(packets):
    return [packet.number for packet in packets if packet.keyframe]
