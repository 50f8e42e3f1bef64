"""The Tegra encoder, as it runs on a board, against the simulator behind the real libv4l2."""
import os
import tempfile

import numpy as np
import pytest
import tegra_sim
from tegra_frames import frame, video_format

from edgecam.config import load_config
from edgecam.encode.v4l2_tegra import TegraEncoder
from edgecam.errors import BackendUnavailable, EncoderError
from edgecam.v4l2 import tegra
from edgecam.v4l2.dmabuf import DmaBuf
from edgecam.v4l2.layout import Format, MemoryPlane
from edgecam.vocabulary import NO_PLAN, Box, Frame, Plan, Region

pytestmark = pytest.mark.skipif(tegra_sim.missing() is not None, reason=str(tegra_sim.missing()))
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


@pytest.mark.parametrize("release", tegra_sim.RELEASES)
def test_every_release_encodes_with_regions(simulate, release):
    simulator, video = simulate(release), video_format(width=322 // 2 * 2, height=182)
    before = descriptors()
    with encoder(simulator, video, bitrate=500000) as encode:
        packets = run(encode, video, 40, PLAN) + encode.flush()
        assert encode.copies == 40
    assert [packet.number for packet in packets] == list(range(40))
    assert [packet.pts for packet in packets] == [3000 * number for number in range(40)]
    assert keys(packets) == [0]
    assert all(packet.qp is not None for packet in packets)
    assert descriptors() <= before


@pytest.mark.parametrize("release", tegra_sim.RELEASES)
def test_the_stream_itself_shows_the_regions(simulate, release):
    av = pytest.importorskip("av", reason="reading QP from a stream needs PyAV (Python 3.8 or newer)")
    from edgecam.encode.qp import macroblock_qp
    video = video_format(320, 192)
    with encoder(simulate(release), video, bitrate=5000000) as encode:
        packets = []
        for number in range(30):
            noise = np.random.RandomState(number).randint(60, 200, (192, 320)).astype(np.uint8)     # nothing to predict
            chroma = np.full((96, 160), 128, np.uint8)
            packets += encode.encode(Frame(number, 0.0, 3000 * number, video, (noise, chroma, chroma)), PLAN)
        told = encode.metadata
        packets += encode.flush()
    codec = av.CodecContext.create("h264", "r")
    codec.options = {"export_side_data": "venc_params"}
    pictures = [picture for packet in packets for picture in codec.decode(av.Packet(packet.payload))] + codec.decode(None)
    for table in [macroblock_qp(picture) for picture in pictures][5:]:
        inside = np.zeros(table.shape, bool)
        inside[32 // 16:112 // 16, 64 // 16:160 // 16] = True
        assert np.median(table[~inside]) - np.median(table[inside]) == 6
    assert told.max_qp - told.min_qp == 6 and told.min_qp < told.qp <= told.max_qp and told.bits > 0


@pytest.mark.parametrize("fourcc", ["I420", "NV12", "YUYV", "GREY"])
@pytest.mark.parametrize("release", ["32.7.1", "36.4.0"])
def test_every_kind_of_frame_is_taken(simulate, release, fourcc):
    av = pytest.importorskip("av", reason="decoding needs PyAV (Python 3.8 or newer)")
    video = video_format(fourcc=fourcc)
    with encoder(simulate(release), video, bitrate=5000000) as encode:
        packets = run(encode, video, 5) + encode.flush()
    codec = av.CodecContext.create("h264", "r")
    shown = [codec.decode(av.Packet(packet.payload)) for packet in packets] + [codec.decode(None)]
    first = [picture for pictures in shown for picture in pictures][0].to_ndarray(format="gray")
    from tegra_frames import picture
    luma = picture(0, video)[0]
    luma = luma[:, :, 0] if fourcc == "YUYV" else luma
    assert np.abs(first.astype(int) - luma).mean() < 12


def nvbuffers(video, count):
    """Make frames whose picture lies in descriptors, as an NvBuffer's: one for the whole picture."""
    stride = (video.width + 255) // 256 * 256
    chroma = (video.width // 2 + 255) // 256 * 256
    sizes = [stride * video.height, chroma * video.height // 2, chroma * video.height // 2]
    layout = Format(video.width, video.height, "YM12", tuple(MemoryPlane(0, size) for size in sizes))
    fds = []
    for number in range(count):
        fd, path = tempfile.mkstemp()
        os.unlink(path)
        os.write(fd, bytes([90 + number]) * sum(sizes))
        fds.append(fd)
    return fds, [DmaBuf((fd,), layout, tuple(sizes), nvbuffer=True) for fd in fds]


def test_nvbuffers_are_handed_on_and_nothing_is_copied(simulate):
    video = video_format()
    fds, natives = nvbuffers(video, 4)
    home, packets = [], []
    with encoder(simulate(), video) as encode:
        for number in range(40):
            pictured = frame(number, video, natives[number % 4], home.append)
            with pictured:
                packets += encode.encode(pictured, PLAN)
        packets += encode.flush()
        assert encode.copies == 0
    assert len(packets) == 40 and len(home) == 40
    for fd in fds:
        os.close(fd)


def test_keyframes_come_on_request(simulate):
    video = video_format()
    with encoder(simulate(), video, keyframe_interval=60) as encode:
        packets = run(encode, video, 10)
        encode.request_keyframe()
        packets += run(encode, video, 10, first=10) + encode.flush()
    assert keys(packets) == [0, 10]


def test_keyframes_come_at_the_interval_with_their_headers(simulate):
    from edgecam.encode.v4l2_framing import PPS, SPS, nal_types
    video = video_format()
    with encoder(simulate(), video, keyframe_interval=0.5) as encode:
        packets = run(encode, video, 40) + encode.flush()
    assert keys(packets) == [0, 15, 30]
    assert all({SPS, PPS} <= set(nal_types(packet.payload)) for packet in packets if packet.keyframe)


def test_headers_in_a_buffer_of_their_own_join_the_first_keyframe(simulate):
    from edgecam.encode.v4l2_framing import PPS, SPS, nal_types
    video = video_format()
    with encoder(simulate(fault="headers"), video) as encode:
        packets = run(encode, video, 5) + encode.flush()
    assert [packet.number for packet in packets] == [0, 1, 2, 3, 4]
    assert {SPS, PPS} <= set(nal_types(packets[0].payload))


def test_the_bitrate_changes_while_running(simulate):
    video = video_format(640, 360)
    with encoder(simulate(), video, bitrate=2000000) as encode:
        before = run(encode, video, 60)
        encode.set_bitrate(400000)
        assert run(encode, video, 30, first=60)         # the rate control settles
        after = run(encode, video, 60, first=90)
        assert encode.format.bitrate == 400000
    rich, poor = (sum(len(packet.payload) for packet in packets[-30:]) for packets in (before, after))
    assert poor < rich / 2


def test_the_qp_range_is_kept(simulate):
    video = video_format()
    with encoder(simulate(), video, bitrate=100000, min_qp=20, max_qp=36) as encode:
        run(encode, video, 20, PLAN)
        assert encode.metadata.max_qp <= 36 and encode.metadata.min_qp >= 20


def test_a_qp_range_without_room_is_refused(simulate):
    with pytest.raises(EncoderError, match="a QP range of 30 to 30: regions need 4 between its ends"):
        encoder(simulate(), min_qp=30, max_qp=30)
    with encoder(simulate()) as encode:
        with pytest.raises(EncoderError, match="a QP range of 48 to 51"):
            encode.set_qp_range(48, None)
        with pytest.raises(EncoderError, match="expected 0 to 51, the lower one first"):
            encode.set_qp_range(40, 20)


@pytest.mark.parametrize("release", tegra_sim.RELEASES)
def test_the_qp_range_changes_while_running(simulate, release):
    """NVIDIA's encoder takes it before its buffers are made alone; the stream goes on without a gap."""
    video, before = video_format(), descriptors()
    with encoder(simulate(release), video, bitrate=2000000, keyframe_interval=60) as encode:
        packets = run(encode, video, 10, PLAN)
        low = encode.metadata.min_qp
        encode.set_bitrate(1500000)
        encode.set_qp_range(40, 48)
        packets += run(encode, video, 10, PLAN, first=10)
        assert low < 40 <= encode.metadata.min_qp <= encode.metadata.max_qp <= 48
        assert encode.format.bitrate == 1500000
        encode.set_qp_range(None, None)
        packets += run(encode, video, 10, PLAN, first=20) + encode.flush()
    assert [packet.number for packet in packets] == list(range(30)) and keys(packets) == [0, 10, 20]
    assert [packet.pts for packet in packets] == [3000 * number for number in range(30)]
    assert descriptors() <= before


def test_frames_handed_on_go_home_when_the_encoder_is_opened_anew(simulate):
    video = video_format()
    fds, natives = nvbuffers(video, 4)
    home, packets = [], []
    with encoder(simulate(), video) as encode:
        for number in range(20):
            if number == 10:
                encode.set_qp_range(10, 40)
            with frame(number, video, natives[number % 4], home.append) as pictured:
                packets += encode.encode(pictured, PLAN)
        packets += encode.flush()
        assert encode.copies == 0
    assert len(packets) == 20 and len(home) == 20
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("release", tegra_sim.RELEASES)
def test_motion_vectors_on_request(simulate, release):
    video = video_format()
    with encoder(simulate(release), video, motion_vectors=True) as encode:
        run(encode, video, 5)
        blocks = 20 * 12
        assert encode.vectors.shape == (blocks, 2)
        assert (encode.vectors[:, 0] == np.arange(blocks)).all() and (encode.vectors[:, 1] == -np.arange(blocks)).all()


@pytest.mark.parametrize("wish", [{"motion_vectors": True}, {"min_qp": 20}])
def test_what_an_unknown_release_can_t_do_is_refused(simulate, wish):
    with pytest.raises(EncoderError, match="R39.2.0: (motion vectors|a QP range) can't be asked for"):
        encoder(simulate("39.2.0"), **wish)


def test_another_size_needs_a_new_encoder_and_gets_it(simulate):
    simulator = simulate()
    for video in (video_format(), video_format(640, 360), video_format()):
        with encoder(simulator, video) as encode:
            assert len(run(encode, video, 5) + encode.flush()) == 5
            with pytest.raises(EncoderError, match="closed"):
                encode.encode(frame(9, video), NO_PLAN)


def test_a_frame_of_another_size_is_refused(simulate):
    with encoder(simulate()) as encode:
        with pytest.raises(EncoderError, match="frame 0 is 640x360"):
            encode.encode(frame(0, video_format(640, 360)), NO_PLAN)


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
    code = ("import tegra_sim, sys\nfrom test_encode_v4l2_tegra import *\n"
            "simulator = tegra_sim.Simulator(sys.argv[1], sys.argv[2], fault='hang:3')\nvideo = video_format()\n"
            "encode = encoder(simulator, video)\ntry:\n    run(encode, video, 40)\nexcept EncoderError as error:\n    print(error)\n"
            "encode.close()\nprint('closed', flush=True)\nos._exit(0)\n")
    tests = os.path.dirname(os.path.abspath(__file__))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([tests, os.path.dirname(tests)]))
    done = subprocess.run([sys.executable, "-c", code, simulator.built, os.path.dirname(simulator.node)], env=environment,
                          stdout=subprocess.PIPE, timeout=60)
    assert b"is stuck" in done.stdout and b"closed" in done.stdout
