"""Every encoder that works here, opened by one name, with frames to encode and a decoder for what comes out."""
import sys
from fractions import Fraction

import numpy as np
import pytest
import tegra_sim
from rig import ENCODER, guest

from edgecam.config import load_config
from edgecam.encode import open_encoder
from edgecam.encode.v4l2_kernel import KernelEncoder
from edgecam.errors import BackendUnavailable
from edgecam.vocabulary import NO_PLAN, Frame, VideoFormat

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
