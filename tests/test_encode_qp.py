"""Where the bits went: the estimate against bits that were counted, slice by slice."""
from fractions import Fraction

import numpy as np
import pytest

from edgecam.config import load_config
from edgecam.encode import open_encoder
from edgecam.encode.qp import PacketReader, by_macroblock, first_slice, inside, macroblock_qp
from edgecam.h264 import nal_units, unit_type
from edgecam.vocabulary import Box, Frame, Plan, Region, VideoFormat

av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
ROWS, COLUMNS = 12, 20
VIDEO = VideoFormat(320, 192, "I420", Fraction(30), Fraction(1, 30), False)
PLAN = Plan(0.0, (Region(Box(0, 64, 320, 48), -8),))


@pytest.fixture(scope="module")
def packets():
    """A textured picture that moves, fades to the right and has one row of macroblocks to a slice."""
    settings = load_config().encode.replace(backend="x264", bitrate=1500000, options="slice-max-mbs={}".format(COLUMNS))
    random = np.random.RandomState(5)
    texture = random.randint(0, 255, (192, 320)).astype(float)
    texture = (texture + np.roll(texture, 1, 0) + np.roll(texture, 1, 1)) / 3
    found = []
    with open_encoder(settings, VIDEO) as encoder:
        for i in range(30):
            contrast = np.linspace(0.1, 1, 192)[:, None] * np.linspace(1, 0.2, 320)
            noise = random.normal(0, 4, (192, 320))
            luma = np.clip(128 + (np.roll(texture, i, 1) - 128) * contrast + noise, 0, 255).astype(np.uint8)
            chroma = np.full((96, 160), 128, np.uint8)
            found += encoder.encode(Frame(i, i / 30, i, VIDEO, (luma, chroma, chroma)), PLAN)
    return found


def counted(packet):
    """Return the true bits of each row of macroblocks."""
    return np.array([8 * len(unit) for unit in nal_units(packet.payload) if unit_type(unit) in (1, 5)], float)


def looks(packets, step=3):
    reader = PacketReader(av)
    reader.remember(packets[0].payload)
    return [(packet, reader.look(packet.payload, packet.keyframe)) for packet in packets[::step]]


def test_a_packet_alone_tells_the_same_qp_as_the_whole_stream(packets):
    decoder = av.CodecContext.create("h264", "r")
    decoder.options = {"export_side_data": "venc_params"}
    pictures = [picture for packet in packets for picture in decoder.decode(av.Packet(packet.payload))] + decoder.decode(None)
    for packet, look in looks(packets):
        assert np.array_equal(look.qp, macroblock_qp(pictures[packet.number]))


def test_the_estimated_share_of_a_band_is_near_the_counted_one(packets):
    errors = []
    for packet, look in looks(packets):
        rows, bits = counted(packet), look.bits.sum(1)
        assert len(rows) == len(bits) == ROWS
        errors += [abs(rows[at:at + 4].sum() / rows.sum() - bits[at:at + 4].sum() / bits.sum()) for at in range(0, ROWS - 3, 2)]
    assert np.mean(errors) < 0.04 and max(errors) < 0.12


def test_packets_that_are_no_pictures_give_nothing(packets):
    reader = PacketReader(av)
    assert reader.look(packets[5].payload, False) is None           # no parameter sets yet
    assert reader.look(b"\0\0\0\1\x65garbage", True) is None


def test_the_parameter_sets_end_where_the_slices_begin(packets):
    head = packets[0].payload[:first_slice(packets[0].payload)]
    assert {unit_type(unit) for unit in nal_units(head)} >= {7, 8} and 5 not in {unit_type(unit) for unit in nal_units(head)}
    assert first_slice(b"\0\0\0\1\x67abc") == 8


def test_sums_by_macroblock_count_the_partial_ones():
    values = np.ones((20, 35), np.float32)
    assert by_macroblock(values, (2, 3)).tolist() == [[256, 256, 48], [64, 64, 12]]


def test_only_better_regions_are_inside():
    mask = inside(Plan(0.0, (Region(Box(0, 0, 17, 16), -1), Region(Box(32, 16, 16, 16), 3))), (2, 3))
    assert mask.tolist() == [[True, True, False], [False, False, False]]
