"""Planes to tensor and boxes back: against the colour formulas, on every format, size and both sets of pixel steps."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edgecam.detect.description import InputSpec, ResizeSpec
from edgecam.detect.letterbox import Letterbox, place
from edgecam.detect.pixels import NumpyPixels, OpenCvPixels, cv2
from edgecam.errors import DetectorError
from edgecam.vocabulary import Frame, VideoFormat

PIXELS = [NumpyPixels] + ([OpenCvPixels] if cv2 is not None else [])
NET = InputSpec("image", 96, 64)

# (Kr, Kb) of ITU-R BT.601 and BT.709
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def to_yuv(rgb, matrix, full):
    """8-bit planes of *rgb* (h, w, 3), 0 to 255, by the formulas of the recommendations."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = (rgb / 255.0).transpose(2, 0, 1)
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    scale, base, chroma = (255, 0, 255) if full else (219, 16, 224)
    return [np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in (y * scale + base, u * chroma + 128, v * chroma + 128)]


def halved(plane):
    """Every second sample of each second row: exact for pictures whose colour changes in 2x2 blocks."""
    return plane[::2, ::2].copy()


def frame_of(rgb, fourcc, matrix="bt601", full=False, padding=0):
    """A frame that shows *rgb*; *padding*: bytes between rows, as cameras have."""
    y, u, v = to_yuv(rgb, matrix, full)
    height, width = y.shape
    planes = {"I420": lambda: (y, halved(u), halved(v)), "NV12": lambda: (y, np.stack([halved(u), halved(v)], axis=2)),
              "YUYV": lambda: (np.stack([y, np.stack([u[:, ::2], v[:, ::2]], axis=2).reshape(height, width)], axis=2),),
              "GREY": lambda: (y,), "BGR3": lambda: (rgb[:, :, ::-1].astype(np.uint8),)}[fourcc]()
    return Frame(0, 0.0, 0, VideoFormat(width, height, fourcc, Fraction(30), Fraction(1, 30), False, matrix, full),
                 tuple(padded(plane, padding) for plane in planes))


def padded(plane, columns):
    if not columns:
        return plane
    wide = np.full((plane.shape[0], plane.shape[1] + columns) + plane.shape[2:], 77, np.uint8)
    wide[:, :plane.shape[1]] = plane
    return wide[:, :plane.shape[1]]


def blocks(height, width, seed=0, cell=2):
    """A random picture of cell x cell squares."""
    random = np.random.RandomState(seed)
    small = random.randint(30, 226, ((height + cell - 1) // cell, (width + cell - 1) // cell, 3))
    return small.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width].astype(float)


def slope(height, width):
    """A smooth picture: each channel a plane of its own."""
    y, x = np.mgrid[:height, :width]
    x, y = (x + 0.5) / width, (y + 0.5) / height
    return np.stack([40 + 170 * x, 40 + 170 * y, 210 - 80 * x - 80 * y], axis=2)


def fill(frame, spec=NET, resize=ResizeSpec(), pixels=NumpyPixels):
    box = Letterbox(spec, resize, pixels())
    return box.fill(frame), box


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("fourcc", ["I420", "NV12", "YUYV"])
def test_colours_at_the_networks_own_size(pixels, fourcc, matrix, full):
    rgb = blocks(64, 96)
    tensor, _ = fill(frame_of(rgb, fourcc, matrix, full, padding=16), pixels=pixels)
    assert tensor.shape == (1, 3, 64, 96) and tensor.dtype == np.float32
    error = np.abs(tensor[0].transpose(1, 2, 0) - rgb)
    limit = 3 if (matrix, full) == ("bt601", False) else 7      # a second rounding to 8 bits
    assert error.max() <= limit and error.mean() < 1.2


@pytest.mark.parametrize("pixels", PIXELS)
def test_packed_stills_are_exact(pixels):
    rgb = blocks(64, 96).round()
    tensor, _ = fill(frame_of(rgb, "BGR3"), pixels=pixels)
    assert (tensor[0].transpose(1, 2, 0) == rgb).all()


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("full", [False, True])
def test_grey_frames_give_equal_channels(pixels, full):
    grey = np.repeat(blocks(64, 96)[:, :, :1], 3, axis=2)
    tensor, _ = fill(frame_of(grey, "GREY", full=full), pixels=pixels)
    assert np.abs(tensor[0].transpose(1, 2, 0) - grey).max() <= 3


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("fourcc", ["I420", "NV12", "YUYV", "BGR3"])
@pytest.mark.parametrize("size", [(192, 128), (641, 359), (359, 641), (48, 32), (3840, 2160), (100, 40), (2, 2)])
def test_every_size_lands_where_the_placement_says(pixels, fourcc, size):
    width, height = size
    if fourcc == "YUYV" and width % 2:
        width -= 1
    tensor, box = fill(frame_of(slope(height, width), fourcc), pixels=pixels)
    spot = box.placement
    inner = tensor[0, :, spot.top:spot.top + spot.height, spot.left:spot.left + spot.width].transpose(1, 2, 0)
    error = np.abs(inner - slope(spot.height, spot.width))
    assert error.mean() < (2.5 if min(size) > 30 else 60)
    outside = np.ones((64, 96), bool)
    outside[spot.top:spot.top + spot.height, spot.left:spot.left + spot.width] = False
    assert (tensor[0][:, outside] == 114).all()


@pytest.mark.skipif(len(PIXELS) < 2, reason="OpenCV is not installed")
@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 70), fourcc=st.sampled_from(["I420", "NV12", "GREY", "BGR3"]),
       matrix=st.sampled_from(["bt601", "bt709"]), full=st.booleans(), policy=st.sampled_from(["letterbox", "stretch"]))
def test_both_sets_of_steps_agree(width, height, fourcc, matrix, full, policy):
    frame = frame_of(slope(height, width), fourcc, matrix, full)
    one, _ = fill(frame, resize=ResizeSpec(policy), pixels=NumpyPixels)
    two, _ = fill(frame, resize=ResizeSpec(policy), pixels=OpenCvPixels)
    assert np.abs(one - two).max() <= 6 and np.abs(one - two).mean() < 1


@pytest.mark.parametrize("pixels", PIXELS)
def test_mean_scale_order_layout_and_type(pixels):
    rgb = blocks(64, 96).round()
    frame = frame_of(rgb, "BGR3")
    spec = NET._replace(colour="BGR", mean=(10.0, 20.0, 30.0), scale=(0.5, 1.0, 2.0))
    expected = ((rgb[:, :, ::-1] - [10, 20, 30]) * [0.5, 1, 2]).transpose(2, 0, 1)
    assert fill(frame, spec, pixels=pixels)[0][0] == pytest.approx(expected, abs=1e-3)
    last, _ = fill(frame, spec._replace(layout="NHWC"), pixels=pixels)
    assert last.shape == (1, 64, 96, 3) and last[0] == pytest.approx(expected.transpose(1, 2, 0), abs=1e-3)
    whole, _ = fill(frame, NET._replace(layout="NHWC", dtype="uint8"), pixels=pixels)
    assert whole.dtype == np.uint8 and (whole[0] == rgb).all()
    luma, _ = fill(frame_of(rgb, "I420"), NET._replace(colour="GREY"), pixels=pixels)
    assert luma.shape == (1, 1, 64, 96) and np.abs(luma[0, 0] - rgb.dot([0.299, 0.587, 0.114])).max() <= 3


def test_bars_are_normalised_too():
    tensor, box = fill(frame_of(blocks(64, 64), "BGR3"), NET._replace(mean=(14.0,), scale=(0.5,)))
    assert box.placement.left == 16 and (tensor[0, :, :, :16] == 50).all() and (tensor[0, :, :, 80:] == 50).all()


def test_topleft_anchor():
    assert place(64, 64, NET, ResizeSpec(anchor="topleft"))[2:] == (0, 0, 64, 64)


@settings(max_examples=200, deadline=None)
@given(width=st.integers(1, 5000), height=st.integers(1, 5000), net_w=st.integers(8, 1500), net_h=st.integers(8, 1500),
       policy=st.sampled_from(["letterbox", "stretch"]), anchor=st.sampled_from(["centre", "topleft"]))
def test_the_picture_fits_and_boxes_come_back(width, height, net_w, net_h, policy, anchor):
    spec = InputSpec("x", net_w, net_h)
    spot = place(width, height, spec, ResizeSpec(policy, 0, anchor))
    assert 0 <= spot.left and spot.left + spot.width <= net_w and 0 <= spot.top and spot.top + spot.height <= net_h
    assert spot.width == net_w or spot.height == net_h
    box = np.float32([[width * 0.25, height * 0.25, width * 0.75, height]])
    moved = box * np.float32([spot.scale_x, spot.scale_y] * 2) + np.float32([spot.left, spot.top] * 2)
    assert spot.to_frame(moved, width, height)[0] == pytest.approx(box[0], rel=1e-3, abs=1e-2)
    assert spot.to_frame(np.float32([[-9e4, -9e4, 9e6, 9e6]]), width, height)[0].tolist() == [0, 0, width, height]


@pytest.mark.parametrize("video, planes, words", [
    (("RGB3", 96, 64), (np.zeros((64, 96, 3), np.uint8),), "RGB3"), (("YUYV", 95, 64), (np.zeros((64, 95, 2), np.uint8),), "even width"),
    (("I420", 96, 64), (), "no planes in memory")])
def test_frames_that_can_not_be_read_are_refused(video, planes, words):
    fourcc, width, height = video
    frame = Frame(0, 0.0, 0, VideoFormat(width, height, fourcc, Fraction(30), Fraction(1, 30), False), planes)
    with pytest.raises(DetectorError, match=words):
        fill(frame)
