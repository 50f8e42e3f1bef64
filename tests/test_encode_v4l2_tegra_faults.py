"""The simulator catches every mistake of a client, and whatever it does wrong itself ends in one clear message."""
import os

import pytest
import tegra_sim
from tegra_frames import video_format
from tegra_rig import PLAN, built, descriptors, encoder, keys, run, simulate, simulated  # noqa: F401  (fixtures)

from edgecam.errors import BackendUnavailable, EncoderError
from edgecam.v4l2 import tegra
from edgecam.vocabulary import Plan

pytestmark = simulated


# -- what the simulator must catch: the strictness of the test bench itself -------------------------------


def test_a_release_mix_up_is_noticed(built, tmp_path):
    """The client believes in R32.7 while the library is R36.3: other strides."""
    simulator = tegra_sim.Simulator(built, tmp_path, "36.3.0")
    board = simulator.board._replace(release=(35, 4, 1))
    video = video_format()
    with pytest.raises(EncoderError):
        with encoder(simulator, video, board) as encode:
            run(encode, video, 5, Plan(0.0, PLAN.regions * 3))
    assert simulator.mistakes()


def test_r32_numbers_on_r28_are_noticed(built, tmp_path):
    simulator = tegra_sim.Simulator(built, tmp_path, "28.2.0")
    with pytest.raises(EncoderError):
        encoder(simulator, board=simulator.board._replace(release=(32, 7, 1)))
    assert any("control 00990b1c" in line or "HW_PRESET" in line or "unknown" in line for line in simulator.mistakes())


def raw_device(simulator):
    from edgecam.v4l2.device import Device
    return Device(simulator.node, simulator.driver, blocking=True)


def test_the_order_of_formats_is_noticed(built, tmp_path):
    simulator = tegra_sim.Simulator(built, tmp_path)
    with raw_device(simulator) as device:
        with pytest.raises(OSError):
            device.set_format(device.output_type, 320, 180, "YM12", 3)
    assert simulator.mistakes() == ["S_FMT OUTPUT before S_FMT CAPTURE"]


def test_enabling_regions_too_late_is_noticed(built, tmp_path):
    simulator = tegra_sim.Simulator(built, tmp_path)
    with raw_device(simulator) as device:
        device.set_format(device.capture_type, 320, 180, "H264", size=1 << 20)
        device.set_format(device.output_type, 320, 180, "YM12", 3)
        device.queue(device.output_type).request(4, planes=3)
        with pytest.raises(OSError):
            device.controls.set_payload(tegra.control_id(tegra.ENABLE_ROI, tegra.R32), tegra.enable_roi(tegra.R32), 0, tegra.CLASS)
    assert simulator.mistakes() == ["control 00990b20 after REQBUFS"]


def test_a_leak_is_noticed(built, tmp_path):
    simulator = tegra_sim.Simulator(built, tmp_path)
    device = raw_device(simulator)
    device.set_format(device.capture_type, 320, 180, "H264", size=1 << 20)
    device.set_format(device.output_type, 320, 180, "YM12", 3)
    queue = device.queue(device.output_type)
    queue.request(2, planes=3)
    queue.export()
    device.queues.clear()
    device.close()
    lines = simulator.mistakes()
    assert "closed with buffers: 2 OUTPUT, 0 CAPTURE" in lines and sum("was never closed" in line for line in lines) == 6
    queue.free_memory()


# -- misbehaviour on request --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault, words", [
    ("stall:6", "is stuck"), ("dqerror:6", "output queue: Input/output error"), ("eos:6", "ended the stream by itself")])
def test_a_codec_that_fails_ends_in_one_clear_message(simulate, fault, words):
    video = video_format()
    before = descriptors()
    with encoder(simulate(fault=fault), video) as encode:
        with pytest.raises(EncoderError, match=words):
            run(encode, video, 40, PLAN)
    assert descriptors() <= before


def test_a_stalled_drain_ends_too(simulate):
    video = video_format()
    encode = encoder(simulate(fault="stall:3"), video)
    run(encode, video, 5)
    with pytest.raises(EncoderError, match="did not drain"):
        encode.flush()
    encode.close()


def test_a_broken_picture_is_left_out_and_a_keyframe_follows(simulate):
    video = video_format()
    with encoder(simulate(fault="errorflag:6"), video) as encode:
        packets = run(encode, video, 20) + encode.flush()
        assert encode.broken == 1
    assert [packet.number for packet in packets] == [number for number in range(20) if number != 6]
    assert keys(packets)[0] == 0 and keys(packets)[1] in (7, 8)


@pytest.mark.parametrize("fault", ["noplugin", "fake"])
def test_a_node_without_a_codec_is_told_apart(simulate, fault):
    with pytest.raises(BackendUnavailable, match="nobody answers.*plugin"):
        encoder(simulate(fault=fault))


def test_a_node_that_is_not_there_is_named(simulate):
    simulator = simulate()
    simulator.node += "-gone"
    with pytest.raises(BackendUnavailable, match="gone.*No such file"):
        encoder(simulator)


def test_an_orin_nano_is_not_even_probed(simulate):
    simulator = simulate()
    simulator.node = "/nowhere"
    with pytest.raises(BackendUnavailable, match="Orin Nano 8GB has no H.264 encoder"):
        encoder(simulator, board=simulator.board._replace(parts="nvidia,p3767-0003"))


def test_an_unknown_release_encodes_but_refuses_regions(built, tmp_path):
    simulator, video = tegra_sim.Simulator(built, tmp_path, "39.2.0"), video_format(fourcc="NV12")
    with encoder(simulator, video) as encode:
        assert not encode.supports_roi and encode.max_regions == 0
        assert len(run(encode, video, 5)) > 0
        with pytest.raises(EncoderError, match="R39.2.0.*not known to work"):
            run(encode, video, 1, PLAN, first=5)
    assert simulator.mistakes() == []


def test_a_thousand_openings_leave_no_descriptor(simulate):
    simulator, video = simulate(), video_format(64, 64)
    with encoder(simulator, video) as encode:
        run(encode, video, 1)
    before = descriptors()
    for _ in range(1000):
        with encoder(simulator, video) as encode:
            run(encode, video, 1)
    assert descriptors() <= before


def test_a_call_that_never_returns_does_not_hang_us(simulate):
    """STREAMOFF does not wake DQBUF: the worker is given up, the caller goes on. In a process of its own, for it leaves a thread."""
    import subprocess
    import sys
    simulator = simulate(fault="hang:3")
    code = ("import tegra_sim, sys\nfrom tegra_rig import *\nfrom edgecam.errors import EncoderError\n"
            "simulator = tegra_sim.Simulator(sys.argv[1], sys.argv[2], fault='hang:3')\nvideo = video_format()\n"
            "encode = encoder(simulator, video)\ntry:\n    run(encode, video, 40)\nexcept EncoderError as error:\n    print(error)\n"
            "encode.close()\nprint('closed', flush=True)\nos._exit(0)\n")
    tests = os.path.dirname(os.path.abspath(__file__))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([tests, os.path.dirname(tests)]))
    done = subprocess.run([sys.executable, "-c", code, simulator.built, os.path.dirname(simulator.node)], env=environment,
                          stdout=subprocess.PIPE, timeout=60)
    assert b"is stuck" in done.stdout and b"closed" in done.stdout
