"""What every encoder promises, run over each that works here."""
import sys
import threading
from fractions import Fraction

import numpy as np
import pytest
import tegra_sim
from rig import ENCODER, guest

from edgecam.config import load_config
from edgecam.encode import open_encoder
from edgecam.encode.v4l2_kernel import KernelEncoder
from edgecam.errors import BackendUnavailable, EncoderError
from edgecam.h264 import nal_units, parse_sps, unit_type
from edgecam.vocabulary import NO_PLAN, Box, Frame, Plan, Region, VideoFormat

av = pytest.importorskip("av", reason="PyAV, which decodes what the encoders made, has no wheel for this Python")
BACKENDS = ["x264"] + ["tegra-" + release for release in tegra_sim.RELEASES] + [pytest.param("vicodec", marks=guest)]
SIZE = 320, 180                 # of most tests; vicodec encodes nothing below 640x360
FWHT_MAGIC = b"OOOO"
SHAPES = {"I420": lambda h, w: ((h, w), ((h + 1) // 2, (w + 1) // 2), ((h + 1) // 2, (w + 1) // 2)),
          "NV12": lambda h, w: ((h, w), ((h + 1) // 2, (w + 1) // 2, 2)),
          "YUYV": lambda h, w: ((h, w, 2),), "GREY": lambda h, w: ((h, w),)}


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    if request.param == "vicodec":
        monkeypatch.setattr(sys.modules[__name__], "SIZE", (640, 360))
    return request.param


@pytest.fixture
def h264(backend):
    """Asked for by tests that look into an H.264 stream, or need exact rates: the kernel's virtual encoder makes FWHT."""
    if backend == "vicodec":
        pytest.skip("vicodec makes FWHT")


def make_format(width=None, height=None, fourcc="I420", rate=30, time_base=None, **more):
    rate = Fraction(rate)
    return VideoFormat(width or SIZE[0], height or SIZE[1], fourcc, rate, time_base or 1 / rate, False, **more)


def open_for(backend, video, **settings):
    if backend.startswith("tegra-"):
        if tegra_sim.missing():
            pytest.skip(tegra_sim.missing())
        return tegra_sim.open_for(backend[len("tegra-"):], video, **settings)
    if backend == "vicodec":
        return KernelEncoder(load_config().encode.replace(**settings), video, ENCODER, "fwht")
    try:
        return open_encoder(load_config().encode.replace(backend=backend, **settings), video)
    except BackendUnavailable as error:
        pytest.skip(str(error))


def make_frames(video, count, pts=None, seed=1, step=2, contrast=120):
    """Return frames of noise that moves by *step* pixels: every macroblock has something to say."""
    random = np.random.RandomState(seed)
    still = [random.randint(60, 60 + contrast, shape).astype(np.uint8) for shape in SHAPES[video.fourcc](video.height, video.width)]
    frames = []
    for i in range(count):
        at = i if pts is None else pts[i]
        planes = tuple(np.roll(plane, step * i, 1) for plane in still)
        frames.append(Frame(i, float(at * video.time_base), at, video, planes))
    return frames


def encode_all(encoder, frames, plan=NO_PLAN):
    packets = []
    for frame in frames:
        packets += encoder.encode(frame, plan)
    return packets + encoder.flush()


def decode_all(packets):
    if packets[0].payload.startswith(FWHT_MAGIC):
        from fwht import Decoder
        with Decoder() as decoder:
            return decoder.decode(packets)
    codec = av.CodecContext.create("h264", "r")
    pictures = [picture for packet in packets for picture in codec.decode(av.Packet(packet.payload))]
    return pictures + codec.decode(None)


def test_the_bitrate_is_followed_up_and_down(backend):
    """Every encoder: more bits asked, more bits given."""
    video = make_format()
    frames = make_frames(video, 150, contrast=24)
    with open_for(backend, video, bitrate=60000000, keyframe_interval=60) as encoder:
        sizes = []
        for part, rate in enumerate((60000000, 400000, 60000000)):
            encoder.set_bitrate(rate)
            packets = [p for f in frames[part * 50:part * 50 + 50] for p in encoder.encode(f, NO_PLAN)]
            sizes.append(np.mean([len(p.payload) for p in packets[-20:] if not p.keyframe]))
    assert sizes[1] < sizes[0] * 0.9 and sizes[1] < sizes[2] * 0.9


def test_another_size_needs_another_encoder_and_gets_it(backend):
    for size in (SIZE, (SIZE[0] + 64, SIZE[1] + 48), SIZE):
        video = make_format(*size)
        with open_for(backend, video) as encoder:
            packets = encode_all(encoder, make_frames(video, 4, contrast=24))
            assert (encoder.format.width, encoder.format.height) == size
        assert [packet.number for packet in packets] == [0, 1, 2, 3] and packets[0].keyframe
        assert len(decode_all(packets)) == 4


def test_every_frame_comes_out_once_and_in_order(backend):
    video = make_format()
    with open_for(backend, video) as encoder:
        packets = encode_all(encoder, make_frames(video, 7))
    assert [packet.number for packet in packets] == list(range(7))
    assert [packet.pts for packet in packets] == list(range(7))
    assert [packet.time for packet in packets] == [pytest.approx(i / 30) for i in range(7)]
    assert len(decode_all(packets)) == 7


def test_timestamps_of_a_variable_rate_are_carried_through(backend):
    video = make_format(time_base=Fraction(1, 90000))
    pts = [5, 3000, 3001, 93000, 97000]
    with open_for(backend, video) as encoder:
        packets = encode_all(encoder, make_frames(video, 5, pts))
    assert [packet.pts for packet in packets] == pts
    assert {packet.time_base for packet in packets} == {Fraction(1, 90000)} == {encoder.format.time_base}


def test_the_rate_is_kept_with_a_fine_time_base(backend, h264):
    video = make_format(time_base=Fraction(1, 90000))
    with open_for(backend, video, bitrate=400000) as encoder:
        packets = encode_all(encoder, make_frames(video, 90, [i * 3000 for i in range(90)]))
    assert 300000 < 8 * sum(len(packet.payload) for packet in packets) / 3 < 500000


def test_packets_are_bytes_with_start_codes_and_stay_as_they_are(backend, h264):
    video = make_format()
    with open_for(backend, video) as encoder:
        frames = make_frames(video, 5)
        first = encoder.encode(frames[0], NO_PLAN) + encoder.encode(frames[1], NO_PLAN)
        copies = [bytes(bytearray(packet.payload)) for packet in first]
        encode_all(encoder, frames[2:])
    assert [packet.payload for packet in first] == copies
    assert all(isinstance(packet.payload, bytes) and packet.payload.startswith((b"\0\0\0\1", b"\0\0\1")) for packet in first)


def test_each_keyframe_is_an_idr_picture_behind_its_parameter_sets(backend, h264):
    video = make_format()
    with open_for(backend, video, keyframe_interval=0.2) as encoder:
        packets = encode_all(encoder, make_frames(video, 20))
    assert [packet.number for packet in packets if packet.keyframe][:3] == [0, 6, 12]
    for packet in packets:
        kinds = [unit_type(unit) for unit in nal_units(packet.payload)]
        assert packet.keyframe == (5 in kinds)
        if packet.keyframe:
            assert kinds.index(7) < kinds.index(8) < kinds.index(5)


def test_keyframes_keep_their_distance_in_time_when_frames_are_rare(backend):
    video = make_format(time_base=Fraction(1, 1000))
    with open_for(backend, video, keyframe_interval=2) as encoder:
        packets = encode_all(encoder, make_frames(video, 9, [i * 500 for i in range(9)], step=0))
    assert [packet.number for packet in packets if packet.keyframe] == [0, 4, 8]


def test_a_keyframe_comes_at_once_when_it_is_asked_for(backend):
    video = make_format()
    with open_for(backend, video, keyframe_interval=60) as encoder:
        frames = make_frames(video, 6, step=0)
        packets = []
        for frame in frames:
            if frame.number == 3:
                encoder.request_keyframe()
            packets += encoder.encode(frame, NO_PLAN)
        packets += encoder.flush()
    assert [packet.number for packet in packets if packet.keyframe] == [0, 3]


def test_a_later_keyframe_can_be_the_start_of_decoding(backend):
    video = make_format()
    with open_for(backend, video, keyframe_interval=0.2) as encoder:
        packets = encode_all(encoder, make_frames(video, 12))
    start = [packet.keyframe for packet in packets].index(True, 1)
    assert len(decode_all(packets[start:])) == len(packets) - start


@pytest.mark.parametrize("low, high", [(300000, 1200000), (800000, 1000000)])
def test_the_rate_can_be_changed_while_running(backend, h264, low, high):
    video = make_format()
    frames = make_frames(video, 180)
    with open_for(backend, video, bitrate=high) as encoder:
        fast = sum(len(p.payload) for f in frames[:60] for p in encoder.encode(f, NO_PLAN))
        encoder.set_bitrate(low)
        slow = sum(len(p.payload) for f in frames[60:120] for p in encoder.encode(f, NO_PLAN))
        assert encoder.format.bitrate == low
        encoder.set_bitrate(high)
        again = sum(len(p.payload) for f in frames[120:] for p in encoder.encode(f, NO_PLAN))
    assert slow / fast == pytest.approx(low / high, rel=0.3)
    assert again / fast == pytest.approx(1, rel=0.3)


def test_the_rate_may_be_changed_and_keyframes_asked_for_from_another_thread(backend):
    video = make_format()
    frames = make_frames(video, 40)
    with open_for(backend, video) as encoder:
        def nag():
            for rate in range(200000, 1200000, 20000):
                encoder.set_bitrate(rate)
                encoder.request_keyframe()
        nagging = threading.Thread(target=nag)
        nagging.start()
        packets = encode_all(encoder, frames)
        nagging.join()
    assert [packet.number for packet in packets] == list(range(40)) and len(decode_all(packets)) == 40


def test_a_frame_of_another_size_or_layout_is_refused(backend):
    with open_for(backend, make_format()) as encoder:
        for other in (make_format(width=SIZE[0] + 16), make_format(height=SIZE[1] + 2), make_format(fourcc="NV12")):
            with pytest.raises(EncoderError, match="opened for {}x{} I420".format(*SIZE)):
                encoder.encode(make_frames(other, 1)[0], NO_PLAN)


def test_a_layout_nobody_knows_is_refused(backend):
    with pytest.raises(EncoderError, match="BGR3"):
        open_for(backend, make_format(fourcc="BGR3"))


def test_closing_twice_is_fine_and_flushing_without_frames_too(backend):
    encoder = open_for(backend, make_format())
    assert encoder.flush() == []
    encoder.close()
    encoder.close()
    with pytest.raises(EncoderError, match="closed"):
        encoder.encode(make_frames(make_format(), 1)[0], NO_PLAN)


@pytest.mark.parametrize("fourcc", sorted(SHAPES))
def test_every_layout_shows_the_picture_that_went_in(backend, h264, fourcc):
    video = make_format(64, 48, fourcc)
    planes = [np.full(shape, 100, np.uint8) for shape in SHAPES[fourcc](48, 64)]
    if fourcc == "YUYV":
        planes[0][:24, :, 0], planes[0][:, 0::2, 1], planes[0][:, 1::2, 1] = 200, 90, 160
    else:
        planes[0][:24] = 200
    if fourcc == "I420":
        planes[1][:], planes[2][:] = 90, 160
    if fourcc == "NV12":
        planes[1][..., 0], planes[1][..., 1] = 90, 160
    with open_for(backend, video) as encoder:
        picture = decode_all(encode_all(encoder, [Frame(0, 0.0, 0, video, tuple(planes))]))[0]
    shown = picture.to_ndarray(format="yuv420p")
    blue, red = (128, 128) if fourcc == "GREY" else (90, 160)
    assert abs(int(shown[8, 8]) - 200) <= 3 and abs(int(shown[40, 8]) - 100) <= 3
    assert abs(int(shown[50, 8]) - blue) <= 3 and abs(int(shown[62, 8]) - red) <= 3


@pytest.mark.parametrize("width, height", [(641, 359), (359, 641), (16, 16), (1, 1), (3840, 2160), (322, 178)])
@pytest.mark.parametrize("fourcc", ["I420", "NV12"])
def test_every_size_is_encoded_to_its_last_row_and_column(backend, h264, width, height, fourcc):
    video = make_format(width, height, fourcc)
    frame = make_frames(video, 1)[0]
    frame.planes[0][:] = np.linspace(40, 200, height * width).reshape(height, width).astype(np.uint8)
    plan = Plan(0.0, (Region(Box(width - 9, height - 9, 9, 9), -6),))
    with open_for(backend, video, bitrate=20000000) as encoder:
        packets = encode_all(encoder, [frame], plan)
        assert (encoder.format.width, encoder.format.height) == (width + width % 2, height + height % 2)
    picture = decode_all(packets)[0]
    assert (picture.width, picture.height) == (width + width % 2, height + height % 2)
    shown = picture.to_ndarray()[:height, :width].astype(int)
    assert np.abs(shown - frame.planes[0]).mean() < 4


def test_one_frame_is_a_stream(backend):
    video = make_format()
    with open_for(backend, video) as encoder:
        packets = encode_all(encoder, make_frames(video, 1))
    assert len(packets) == 1 and packets[0].keyframe and len(decode_all(packets)) == 1


def test_rows_that_are_far_apart_are_read_where_they_are(backend, h264):
    video = make_format(64, 48)
    wide = [np.random.RandomState(3).randint(0, 255, (h, w + 40)).astype(np.uint8) for h, w in SHAPES["I420"](48, 64)]
    views = tuple(plane[:, :width] for plane, width in zip(wide, (64, 32, 32)))
    copies = tuple(plane.copy() for plane in views)
    payloads = []
    for planes in (views, copies):
        with open_for(backend, video) as encoder:
            payloads.append(encode_all(encoder, [Frame(0, 0.0, 0, video, planes)])[0].payload)
    assert payloads[0] == payloads[1]


@pytest.mark.parametrize("full_range, matrix", [(False, "bt601"), (True, "bt601"), (False, "bt709")])
def test_the_header_tells_how_colours_are_meant(backend, h264, full_range, matrix):
    video = make_format(full_range=full_range, matrix=matrix)
    with open_for(backend, video) as encoder:
        packets = encode_all(encoder, make_frames(video, 1))
    sps = parse_sps([unit for unit in nal_units(packets[0].payload) if unit_type(unit) == 7][0])
    assert bool(sps.full_range) == full_range
    assert sps.matrix == {"bt601": 6, "bt709": 1}[matrix]


def test_regions_get_the_better_quality_that_was_asked_for(backend, h264):
    from edgecam.encode.qp import macroblock_qp
    video = make_format(320, 192)
    regions = (Region(Box(32, 32, 96, 64), -8), Region(Box(224, 96, 64, 64), -4))
    with open_for(backend, video, bitrate=2000000) as encoder:
        if not encoder.supports_roi:
            pytest.skip(encoder.name + " has no regions")
        packets = encode_all(encoder, make_frames(video, 12), Plan(0.0, regions))
    codec = av.CodecContext.create("h264", "r")
    codec.options = {"export_side_data": "venc_params"}
    pictures = [picture for packet in packets for picture in codec.decode(av.Packet(packet.payload))] + codec.decode(None)
    offsets = np.zeros((12, 20))
    offsets[2:6, 2:8], offsets[6:10, 14:18] = -8, -4
    for picture in pictures[1:]:
        qp = macroblock_qp(picture)
        outside = qp[offsets == 0].mean()
        assert qp[offsets == -8].mean() - outside == pytest.approx(-8, abs=1.5)
        assert qp[offsets == -4].mean() - outside == pytest.approx(-4, abs=1.5)


def test_the_bits_are_accounted_for(backend, h264):
    video = make_format(320, 192)
    plan = Plan(0.0, (Region(Box(0, 0, 160, 96), -8),))
    encoder = open_for(backend, video, bitrate=2000000)
    assert encoder.spent() is None
    encode_all(encoder, make_frames(video, 45), plan)
    spent = encoder.spent()
    if spent is None:
        pytest.skip(encoder.name + " does not tell where its bits go")
    assert spent["area_share"] == pytest.approx(0.25, abs=0.01)
    assert 0.3 < spent["bits_share"] < 0.7
    assert spent["qp_outside"] - spent["qp_inside"] == pytest.approx(8, abs=1.5)
