"""From a frame's planes to the tensor that a network takes, and boxes back again.

The planes are brought to the network's size first and turned into RGB there: a 4K frame never
exists as RGB. Every buffer is made once per frame format.
"""
from typing import NamedTuple

import numpy as np

from edgecam.detect.pixels import open_pixels
from edgecam.errors import DetectorError

FORMATS = ("I420", "NV12", "YUYV", "GREY", "BGR3")      # BGR3: stills, as OpenCV reads them


class Placement(NamedTuple):
    """Where the picture lies in the input: input = frame * scale + offset, per axis, in pixels."""

    scale_x: float
    scale_y: float
    left: int
    top: int
    width: int              # of the picture inside the input
    height: int

    def to_frame(self, boxes, width, height):
        """Return *boxes* (left, top, right, bottom; float [n, 4]) of the input in pixels of the frame, clipped to it."""
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        moved = (boxes - np.array([self.left, self.top] * 2, np.float32)) / scale
        return np.clip(moved, 0, np.array([width, height] * 2, np.float32))


def place(width, height, spec, resize):
    """Return the `Placement` of a *width* x *height* picture in the input *spec* under the policy *resize*."""
    if resize.policy == "stretch":
        return Placement(spec.width / float(width), spec.height / float(height), 0, 0, spec.width, spec.height)
    scale = min(spec.width / float(width), spec.height / float(height))
    inner_w = max(1, min(spec.width, int(round(width * scale))))
    inner_h = max(1, min(spec.height, int(round(height * scale))))
    left, top = (0, 0) if resize.anchor == "topleft" else ((spec.width - inner_w) // 2, (spec.height - inner_h) // 2)
    return Placement(inner_w / float(width), inner_h / float(height), left, top, inner_w, inner_h)


class Letterbox:
    """Fills one tensor, again and again. Belongs to one thread."""

    def __init__(self, spec, resize, pixels=None):
        self._spec, self._resize = spec, resize
        self._pixels = pixels or open_pixels()
        self._format = self._picture = None
        self.placement = None
        self.tensor = np.empty(spec.shape, np.uint8 if spec.dtype == "uint8" else np.float32)
        self._mean = np.broadcast_to(np.float32(spec.mean), spec.channels)
        self._scale = np.broadcast_to(np.float32(spec.scale), spec.channels)

    def fill(self, frame):
        """Write *frame* into `tensor` and return it. Raises `DetectorError` for frames without planes in memory."""
        if not frame.planes:
            raise DetectorError("{!r} has no planes in memory: this detector runs on the CPU".format(frame))
        if frame.format != self._format:
            self._prepare(frame.format)
        self._write(self._picture.rgb(frame.planes))
        return self.tensor

    def boxes_to_frame(self, boxes):
        """Return *boxes* of the input in pixels of the last frame, clipped to it."""
        return self.placement.to_frame(boxes, self._format.width, self._format.height)

    def _prepare(self, video):
        if video.fourcc not in FORMATS or video.fourcc == "YUYV" and video.width % 2:
            raise DetectorError("frames of {}x{} {} can't be detected on: expected one of {}, and an even width for YUYV".format(
                video.width, video.height, video.fourcc, ", ".join(FORMATS)))
        self.placement = place(video.width, video.height, self._spec, self._resize)
        kind = Still if video.fourcc == "BGR3" else PlanarPicture
        self._picture = kind(video, self.placement.width, self.placement.height, self._pixels)
        self._format = video
        self._views = self._channel_views()
        for view, mean, scale in zip(self._full_views(), self._mean, self._scale):
            view[...] = (self._resize.fill - mean) * scale

    def _full_views(self):
        """Each channel of the tensor as (height, width), in the network's order of colours."""
        return self.tensor[0] if self._spec.layout == "NCHW" else np.moveaxis(self.tensor[0], 2, 0)

    def _channel_views(self):
        spot = self.placement
        return [view[spot.top:spot.top + spot.height, spot.left:spot.left + spot.width] for view in self._full_views()]

    def _write(self, planes):
        """Normalise R, G, B planes into the tensor."""
        if self._spec.colour == "GREY":
            planes = [self._picture.grey(planes)]
        elif self._spec.colour == "BGR":
            planes = planes[::-1]
        for view, plane, mean, scale in zip(self._views, planes, self._mean, self._scale):
            if scale == 1:
                np.copyto(view, plane)
            else:
                np.multiply(plane, scale, out=view, casting="unsafe")
            if mean:
                np.subtract(view, mean * scale, out=view, casting="unsafe")


class PlanarPicture:
    """A YUV frame brought to one size and to RGB planes there.

    In between it is I420 in BT.601 limited range, which is converted fast everywhere; other
    matrices and ranges are brought to it at the small size.
    """

    def __init__(self, video, width, height, pixels):
        self._pixels, self._format = pixels, video
        even_w, even_h = width + width % 2, height + height % 2
        self._stack = np.full((even_h * 3 // 2, even_w), 128, np.uint8)
        self._y = self._stack[:even_h]
        self._u, self._v = self._stack[even_h:].reshape(2, even_h // 2, even_w // 2)
        self._uv = np.empty((even_h // 2, even_w // 2, 2), np.uint8)
        self._rgb = np.empty((even_h, even_w, 3), np.uint8)
        self._planes = np.empty((3, even_h, even_w), np.uint8)
        self._crop = self._planes[:, :height, :width]
        self._unpacked = np.empty((video.height, video.width) if video.fourcc == "YUYV" else 0, np.uint8)
        self._recode = recoder(video, self._y, self._u, self._v, pixels)
        self._load = {"I420": self._load_i420, "NV12": self._load_nv12, "YUYV": self._load_yuyv,
                      "GREY": self._load_grey}[video.fourcc]

    def rgb(self, planes):
        """Return the picture as R, G, B, uint8 [3, height, width], valid until the next call."""
        self._load(planes)
        if self._recode is not None:
            self._recode()
        self._pixels.to_rgb(self._stack, self._rgb)
        self._pixels.split(self._rgb, self._planes)
        return self._crop

    def grey(self, planes):
        """Return the luma of the last picture as 0 to 255."""
        height, width = self._crop.shape[1:]
        luma = self._planes[0]
        self._pixels.blend(self._y, 255 / 219.0, self._y, 0, -16 * 255 / 219.0, luma)
        return luma[:height, :width]

    def _load_i420(self, planes):
        for plane, out in zip(planes, (self._y, self._u, self._v)):
            self._pixels.resize(plane, out)

    def _load_nv12(self, planes):
        self._pixels.resize(planes[0], self._y)
        self._pixels.resize(planes[1], self._uv)
        self._pixels.split(self._uv, (self._u, self._v))

    def _load_yuyv(self, planes):
        height, width = planes[0].shape[:2]
        self._pixels.channel(planes[0], 0, self._unpacked)
        self._pixels.resize(self._unpacked, self._y)
        self._pixels.channel(planes[0], 1, self._unpacked)
        self._pixels.resize(self._unpacked.reshape(height, width // 2, 2), self._uv)
        self._pixels.split(self._uv, (self._u, self._v))

    def _load_grey(self, planes):
        self._pixels.resize(planes[0], self._y)


class Still:
    """A packed BGR picture brought to one size and to RGB planes there."""

    def __init__(self, video, width, height, pixels):
        self._pixels = pixels
        self._small = np.empty((height, width, 3), np.uint8)
        self._planes = np.empty((3, height, width), np.uint8)

    def rgb(self, planes):
        """Return the picture as R, G, B, uint8 [3, height, width], valid until the next call."""
        self._pixels.resize(planes[0], self._small)
        self._pixels.split(self._small, self._planes[::-1])
        return self._planes

    def grey(self, planes):
        """Return the luma of *planes* by BT.601's weights."""
        return np.tensordot(np.float32([0.299, 0.587, 0.114]), planes, 1).round().astype(np.uint8)


def recoder(video, y, u, v, pixels):
    """Return a function that brings the planes *y*, *u*, *v* of a *video*'s coding to BT.601 limited range in place, or None.

    BT.709 differs by a 3x3 matrix on (Y, U - 128, V - 128), derived from the luma weights of
    ITU-R BT.709-6 and BT.601-7; the range by factors alone.
    """
    matrix = recoding(video.matrix, video.full_range)
    if np.allclose(matrix, np.eye(3)):
        return None
    (yy, yu, yv), (_, uu, uv), (_, vu, vv) = matrix
    lift = 16 - 16 * yy if not video.full_range else 16
    shift, wide = np.empty_like(u), np.empty_like(y)
    new_u = np.empty_like(u)

    def recode():
        if yu or yv:            # what chroma adds to luma: at most 34 levels, carried in thirds
            pixels.blend(u, 3 * yu, v, 3 * yv, 128 - 128 * 3 * (yu + yv), shift)
            pixels.double(shift, wide)
            pixels.blend(y, yy, wide, 1 / 3.0, lift - 128 / 3.0, y)
        else:
            pixels.blend(y, yy, y, 0, lift, y)
        pixels.blend(u, uu, v, uv, 128 - 128 * (uu + uv), new_u)
        pixels.blend(u, vu, v, vv, 128 - 128 * (vu + vv), v)
        np.copyto(u, new_u)
    return recode


def recoding(matrix, full_range):
    """Return the 3x3 matrix from (Y, U, V) of this coding, offsets removed, to those of BT.601 limited range."""
    luma, chroma = (219 / 255.0, 224 / 255.0) if full_range else (1.0, 1.0)
    own = rgb_matrix(0.2126, 0.0722) if matrix == "bt709" else rgb_matrix(0.299, 0.114)
    to_own = np.linalg.inv(own)             # normalised YUV of this coding -> RGB
    change = np.dot(rgb_matrix(0.299, 0.114), to_own)
    codes = np.diag([219.0, 224.0, 224.0])  # code steps per unit in limited range
    return np.dot(np.dot(codes, change), np.linalg.inv(codes)) * np.array([luma, chroma, chroma])


def rgb_matrix(red, blue):
    """Return the matrix from RGB to (Y, Pb, Pr) for the luma weights of red and blue."""
    y = np.array([red, 1 - red - blue, blue])
    return np.array([y, (np.array([0, 0, 1]) - y) / (2 * (1 - blue)), (np.array([1, 0, 0]) - y) / (2 * (1 - red))])
