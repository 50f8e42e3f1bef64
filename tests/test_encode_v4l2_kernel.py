"""The kernel's stateful encoder protocol against vicodec (FWHT), decoded again by the kernel's own decoder."""
import numpy as np
import pytest
from fwht import Decoder
from rig import CAMERA_MPLANE, DECODER, ENCODER, descriptors, guest, more_open
from tegra_frames import frame, picture, video_format

from edgecam.capture.v4l2 import V4L2Camera
from edgecam.config import load_config
from edgecam.encode.v4l2 import open_v4l2
from edgecam.encode.v4l2_kernel import KernelEncoder, find_encoders
from edgecam.errors import BackendUnavailable, EncoderError
from edgecam.v4l2 import raw
from edgecam.v4l2.device import Device
from edgecam.vocabulary import NO_PLAN, Frame

pytestmark = guest


def encoder(video, **settings):
    return KernelEncoder(load_config().encode.replace(**settings), video, ENCODER, "fwht")


def run(encode, video, count, first=0, contrast=140):
    packets = []
    for number in range(first, first + count):
        packets += encode.encode(frame(number, video, contrast=contrast), NO_PLAN)
    return packets


def run_still(encode, video, count, first=0):
    """The same picture again and again: nothing but the interval makes keyframes."""
    packets, still = [], frame(0, video).planes
    for number in range(first, first + count):
        packets += encode.encode(Frame(number, number / 30, 3000 * number, video, still), NO_PLAN)
    return packets


def keys(packets):
    return [packet.number for packet in packets if packet.keyframe]


def psnr(a, b):
    return 10 * np.log10(255 ** 2 / max(1e-9, ((a.astype(float) - b) ** 2).mean()))


@pytest.mark.parametrize("fourcc", ["NV12", "I420", "YUYV", "GREY"])
@pytest.mark.parametrize("size", [(640, 368), (960, 540)])
def test_what_goes_in_comes_out(size, fourcc):
    """960x540 becomes 960x544 inside: a client that ignores strides and the coded height shifts the chroma."""
    video, before = video_format(*size, fourcc=fourcc), descriptors()
    with encoder(video, bitrate=50000000) as encode:
        packets = run(encode, video, 6) + encode.flush()
        assert encode.copies == 6
    assert [packet.number for packet in packets] == list(range(6)) and keys(packets)[0] == 0
    assert [packet.pts for packet in packets] == [3000 * number for number in range(6)]
    with Decoder() as decoder:
        shown = decoder.decode(packets)
    assert len(shown) == 6 and decoder.changes == 1
    for number, (stamp, luma) in enumerate(shown):
        source = picture(number, video)[0]
        assert stamp == number and luma.shape == (size[1], size[0])
        assert psnr(luma, source[:, :, 0] if fourcc == "YUYV" else source) > 24
    assert not more_open(before)


def test_keyframes_come_on_request():
    video = video_format(640, 368)
    with encoder(video) as encode:
        packets = run_still(encode, video, 10)
        natural = keys(packets)
        encode.request_keyframe()
        packets += run_still(encode, video, 5, first=10) + encode.flush()
    assert natural == [0] and keys(packets)[:2] == [0, 10]


def test_keyframes_come_at_the_interval():
    video = video_format(640, 368)
    with encoder(video, keyframe_interval=0.2) as encode:
        packets = run_still(encode, video, 20) + encode.flush()
    assert keys(packets) == [0, 6, 12, 18]


def test_draining_empties_the_encoder_and_ends_it():
    video = video_format(640, 368)
    with encoder(video) as encode:
        packets = run(encode, video, 3) + encode.flush()
        assert len(packets) == 3
        with pytest.raises(EncoderError, match="closed"):
            run(encode, video, 1, first=3)
        assert encode.flush() == []


def test_opening_again_and_another_size():
    sizes = [(640, 368), (960, 540), (640, 368)]
    with Decoder() as decoder:
        packets, count = [], 0
        for size in sizes:
            video = video_format(*size)
            with encoder(video) as encode:
                packets += [packet._replace(number=packet.number + count) for packet in run(encode, video, 4) + encode.flush()]
            count += 4
        shown = decoder.decode(packets)
    assert decoder.changes == 3                     # the decoder followed the source's changes
    assert [luma.shape for _, luma in shown] == [(h, w) for w, h in sizes for _ in range(4)]


def test_the_bitrate_changes_while_running():
    video = video_format(640, 360)
    with encoder(video, bitrate=60000000) as encode:
        rich = run(encode, video, 30, contrast=24)
        encode.set_bitrate(1000000)
        poor = run(encode, video, 40, first=30, contrast=24)
        assert encode.format.bitrate == 1000000
    size = [sum(len(p.payload) for p in part[-8:] if not p.keyframe) for part in (rich, poor)]
    assert size[1] < size[0] * 0.8


def test_the_qp_range_changes_while_running():
    """Coarse pictures have fewer bytes, whatever the rate would allow."""
    video = video_format(640, 360)
    with encoder(video, bitrate=60000000, keyframe_interval=60) as encode:
        fine = run(encode, video, 30, contrast=24)
        encode.set_qp_range(28, 31)
        coarse = run(encode, video, 20, first=30, contrast=24)
        encode.set_qp_range(None, None)
        again = run(encode, video, 40, first=50, contrast=24) + encode.flush()
    assert [packet.number for packet in fine + coarse + again] == list(range(90))
    size = [np.mean([len(packet.payload) for packet in part[-8:] if not packet.keyframe]) for part in (fine, coarse, again)]
    assert size[1] < size[0] * 0.9 and size[1] < size[2] * 0.9


def test_motion_vectors_are_refused():
    with pytest.raises(EncoderError, match="only a Jetson's encoder tells them"):
        encoder(video_format(640, 368), motion_vectors=True)


def test_camera_pictures_are_handed_on_as_dma_buf():
    before = descriptors()
    conf = load_config().capture.replace(width=1280, height=720)
    with V4L2Camera(CAMERA_MPLANE, conf) as camera:
        with encoder(camera.format) as encode:
            packets, sources = [], []
            for _ in range(12):
                with camera.read(5) as grabbed:
                    sources.append(grabbed.planes[0].copy())
                    packets += encode.encode(grabbed, NO_PLAN)
            packets += encode.flush()
            assert encode.copies == 0
        assert camera._session._out <= 2            # every lease went home
    with Decoder() as decoder:
        shown = decoder.decode([packet._replace(number=index) for index, packet in enumerate(packets)])
    assert len(shown) == 12
    assert all(psnr(luma, source) > 24 for (_, luma), source in zip(shown, sources))
    assert not more_open(before)


def test_pictures_that_lie_otherwise_in_memory_are_copied():
    """540 rows of a camera against 544 of the encoder: the chroma would be elsewhere."""
    from edgecam.v4l2.dmabuf import DmaBuf
    from edgecam.v4l2.layout import Format, MemoryPlane
    video = video_format(960, 540, "NV12")
    native = DmaBuf((0,), Format(960, 540, "NV12", (MemoryPlane(960, 960 * 810),)), (960 * 810,))
    with encoder(video) as encode:
        encode.encode(frame(0, video, native), NO_PLAN)
        assert encode.copies == 1


def test_a_size_below_the_driver_s_is_refused():
    with pytest.raises(EncoderError, match="can't encode 320x180: the nearest that it does is 640x360"):
        encoder(video_format(320, 180))


def test_no_regions_are_promised():
    with encoder(video_format(640, 368)) as encode:
        assert not encode.supports_roi and encode.max_regions == 0


@pytest.mark.soak
def test_a_thousand_openings_leave_no_descriptor():
    video = video_format(640, 368)
    with encoder(video) as encode:
        run(encode, video, 1)
    before = descriptors()
    for _ in range(1000):
        with encoder(video) as encode:
            run(encode, video, 1)
    assert not more_open(before)


def test_no_h264_here_and_every_node_says_why():
    with pytest.raises(BackendUnavailable, match="no H.264 encoder with a V4L2 driver: /dev/video0: vivid does not encode h264"):
        open_v4l2(load_config().encode, video_format())
    assert dict(find_encoders("fwht"))[ENCODER] is None and dict(find_encoders("fwht"))[DECODER]


def test_a_named_node_that_encodes_no_h264_is_refused():
    with pytest.raises(EncoderError, match="does not encode h264"):
        open_v4l2(load_config().encode.replace(device=ENCODER), video_format())


# -- payloads by pointer, in the kernel ---------------------------------------------------------------------


def test_payloads_of_every_kind_go_there_and_back():
    with Device(CAMERA_MPLANE) as device:
        controls = device.controls
        for name, value in (("u16_8x16_matrix", range(128)), ("u8_2x3x4x5_array", range(17, 137)), ("integer_64_bits", 1 << 40),
                            ("string", "ab"), ("menu", "Menu Item 3"), ("boolean", True)):
            kind = controls.names[name]
            value = tuple(min(max(v, kind.minimum), kind.maximum) for v in value) if isinstance(value, range) else value
            controls.set(name, value)
            shown = controls.get(name)
            assert shown == value or (name == "menu" and controls.menu(kind)[shown] == value), name
        with pytest.raises(ValueError, match="takes 128 values, not 3"):
            controls.set("u16_8x16_matrix", [1, 2, 3])


def test_a_short_payload_is_refused_by_the_kernel():
    import ctypes
    import errno
    with Device(ENCODER) as device:
        regions = device.controls.names["regions"]
        device.controls.set("regions", range(8))
        assert device.controls.get("regions") == tuple(range(8))
        with pytest.raises(OSError) as caught:
            device.controls.get_payload(regions.id, (ctypes.c_uint32 * 4)())
        assert caught.value.errno == errno.ENOSPC


def test_rates_sizes_and_formats_are_listed():
    with Device(CAMERA_MPLANE) as device:
        formats = [fmt.fourcc for fmt in device.formats(device.capture_type)]
        assert {"NV12", "NM12", "YM12", "YUYV"} <= set(formats)
        assert (1280, 720) in device.sizes("NV12") and 30 in device.rates("NV12", 1280, 720)
        assert device.set_rate(device.capture_type, 15) == 15 == device.get_rate(device.capture_type)
    with Device(ENCODER) as device:
        assert device.sizes("NV12")[1] == (4096, 2160) and device.set_rate(device.output_type, 30) is None
        assert device.subscribe(raw.V4L2_EVENT_EOS)
