"""The Tegra encoder, as it runs on a board, against the simulator behind the real libv4l2."""
import os
import tempfile

import numpy as np
import pytest
import tegra_sim
from tegra_frames import frame, video_format
from tegra_rig import PLAN, built, descriptors, encoder, keys, run, simulate, simulated  # noqa: F401  (fixtures)

from edgecam.config import load_config
from edgecam.errors import EncoderError
from edgecam.roi import open_background
from edgecam.v4l2.dmabuf import DmaBuf
from edgecam.v4l2.layout import Format, MemoryPlane
from edgecam.vocabulary import NO_PLAN, Frame

pytestmark = simulated


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


def test_softened_pictures_may_follow_some_without_regions(simulate):
    pytest.importorskip("cv2", reason="OpenCV softens")
    video = video_format()
    background = open_background(load_config().roi.replace(background="soften"), (video.width, video.height))
    fds, natives = nvbuffers(video, 4)
    home, packets = [], []
    with encoder(simulate(), video) as encode:
        for number, plan in enumerate((NO_PLAN, NO_PLAN, PLAN, PLAN, NO_PLAN, PLAN)):
            with frame(number, video, natives[number % 4], home.append) as pictured:
                packets += encode.encode(background.apply(pictured, plan), plan)
        packets += encode.flush()
    assert len(packets) == 6 and len(home) == 6
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
