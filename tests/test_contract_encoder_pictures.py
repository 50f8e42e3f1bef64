"""What every encoder promises of its pictures, run over each that works here: layouts, sizes, colours and regions."""
import numpy as np
import pytest

import encoder_rig
from edgecam.errors import EncoderError
from edgecam.h264 import nal_units, parse_sps, unit_type
from edgecam.vocabulary import NO_PLAN, Box, Frame, Plan, Region
from encoder_rig import SHAPES, av, backend, decode_all, encode_all, h264, make_format, make_frames, open_for     # noqa: F401  (fixtures)


def test_another_size_needs_another_encoder_and_gets_it(backend):
    for size in (encoder_rig.SIZE, (encoder_rig.SIZE[0] + 64, encoder_rig.SIZE[1] + 48), encoder_rig.SIZE):
        video = make_format(*size)
        with open_for(backend, video) as encoder:
            packets = encode_all(encoder, make_frames(video, 4, contrast=24))
            assert (encoder.format.width, encoder.format.height) == size
        assert [packet.number for packet in packets] == [0, 1, 2, 3] and packets[0].keyframe
        assert len(decode_all(packets)) == 4


def test_a_frame_of_another_size_or_layout_is_refused(backend):
    with open_for(backend, make_format()) as encoder:
        for other in (make_format(width=encoder_rig.SIZE[0] + 16), make_format(height=encoder_rig.SIZE[1] + 2), make_format(fourcc="NV12")):
            with pytest.raises(EncoderError, match="opened for {}x{} I420".format(*encoder_rig.SIZE)):
                encoder.encode(make_frames(other, 1)[0], NO_PLAN)


def test_a_layout_nobody_knows_is_refused(backend):
    with pytest.raises(EncoderError, match="BGR3"):
        open_for(backend, make_format(fourcc="BGR3"))


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
