"""Side data is read without a picture that outlives its last user: a camera's pictures are a megabyte each."""
import gc
from fractions import Fraction
from types import SimpleNamespace

import pytest

from edgecam.config import load_config
from edgecam.encode import open_encoder
from edgecam.encode.qp import PacketReader
from edgecam.encode.roi_tagger import RoiTagger
from edgecam.side_data import side_data
from edgecam.track.motion_vectors import frame_vectors
from edgecam.vocabulary import NO_PLAN, Box, Frame, Region, VideoFormat

av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
np = pytest.importorskip("numpy")
VIDEO = VideoFormat(320, 192, "I420", Fraction(30), Fraction(1, 30), False)


@pytest.fixture(scope="module")
def packets():
    with open_encoder(load_config().encode.replace(backend="x264"), VIDEO) as encoder:
        planes = [np.random.RandomState(n).randint(0, 255, shape).astype(np.uint8) for n, shape in enumerate(((192, 320), (96, 160), (96, 160)))]
        return [packet for n in range(6) for packet in encoder.encode(Frame(n, n / 30., n, VIDEO, tuple(np.roll(p, n, 1) for p in planes)), NO_PLAN)]


def pictures(packets):
    """Decode with all the side data that edgecam asks for."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.options = {"flags2": "+export_mvs", "export_side_data": "venc_params"}
    return [picture for packet in packets for picture in decoder.decode(av.Packet(packet.payload))] + decoder.decode(None)


def tag(packets):
    tagger = RoiTagger(av, 320, 192, "yuv420p", Fraction(1, 30))
    for number, picture in enumerate(pictures(packets)):
        picture.pts, picture.time_base = number, Fraction(1, 30)
        tagger.tag(picture, (Region(Box(0, 0, 16, 16), -8),))


def measure(packets):
    reader = PacketReader(av)
    reader.remember(packets[0].payload)
    assert all(reader.look(packet.payload, packet.keyframe) is not None for packet in packets)


def follow(packets):
    found = [frame_vectors(SimpleNamespace(native=picture)) for picture in pictures(packets)]
    assert any(blocks is not None for blocks in found)


@pytest.mark.parametrize("use", [tag, measure, follow])
def test_no_picture_waits_for_the_garbage_collector(packets, use):
    use(packets)                    # what is made once
    gc.collect()
    before = alive()
    gc.disable()
    try:
        use(packets)
        assert alive() == before
    finally:
        gc.enable()


def alive():
    return sum(isinstance(each, av.VideoFrame) for each in gc.get_objects())


def test_side_data_is_found_by_position_and_by_name(packets):
    for picture in pictures(packets)[1:]:
        assert len(side_data(picture)) == len(list(side_data(picture))) > 0
        assert side_data(picture).get("VIDEO_ENC_PARAMS") is not None and side_data(picture).get("DOVI_METADATA") is None
