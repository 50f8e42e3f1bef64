"""The pixel work before a network, with OpenCV where it is installed and with numpy alone where it is not.

Both offer the same few steps on uint8 planes, writing into buffers that the caller owns. The
numpy ones give the same picture within a level or two, at some ten times the cost.
"""
import numpy as np

try:
    import cv2
except ImportError:
    cv2 = None

# BT.601 limited range to RGB (Rec. ITU-R BT.601-7), the coding that everything is brought to first.
LUMA, RED_V, GREEN_U, GREEN_V, BLUE_U = 1.164384, 1.596027, -0.391762, -0.812968, 2.017232


class OpenCvPixels:
    """Steps in OpenCV: vectorised, and no allocation per frame."""

    name = "OpenCV"

    def resize(self, plane, out):
        """Scale *plane* (h, w) or (h, w, channels) into *out*: bilinear, or by area where it shrinks to half or less."""
        if plane.shape == out.shape:
            np.copyto(out, plane)
            return
        shrinks = plane.shape[0] >= 2 * out.shape[0] and plane.shape[1] >= 2 * out.shape[1]
        cv2.resize(plane, out.shape[1::-1], dst=out, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

    def double(self, plane, out):
        """Repeat each sample of *plane* (h, w) twice both ways into *out*: how `to_rgb` sees chroma."""
        cv2.resize(plane, out.shape[::-1], dst=out, interpolation=cv2.INTER_NEAREST)

    def split(self, pixels, planes):
        """Copy the channels of (h, w, n) into n planes."""
        cv2.split(pixels, list(planes))

    def channel(self, pixels, index, out):
        """Copy channel *index* of (h, w, n) into *out* (h, w)."""
        cv2.extractChannel(pixels, index, dst=out)

    def to_rgb(self, stack, rgb):
        """Convert I420 in one piece, (h * 3 / 2, w), BT.601 limited, into *rgb* (h, w, 3)."""
        cv2.cvtColor(stack, cv2.COLOR_YUV2RGB_I420, dst=rgb)

    def blend(self, one, a, two, b, offset, out):
        """Write a * one + b * two + offset, rounded and saturated; all uint8 of one shape."""
        cv2.addWeighted(one, a, two, b, offset, dst=out)


class NumpyPixels:
    """The same steps in numpy."""

    name = "numpy"

    def resize(self, plane, out):
        if plane.shape == out.shape:
            np.copyto(out, plane)
            return
        factor = max(1, min(plane.shape[0] // out.shape[0], plane.shape[1] // out.shape[1]))
        height, width = plane.shape[0] / float(factor), plane.shape[1] / float(factor)
        if factor > 1:
            plane = shrink(plane, factor)
        rows, row_part = taps(height, plane.shape[0], out.shape[0])
        columns, column_part = taps(width, plane.shape[1], out.shape[1])
        extra = (slice(None),) + (None,) * (plane.ndim - 1)
        above, below = plane[rows].astype(np.float32), plane[np.minimum(rows + 1, plane.shape[0] - 1)]
        lines = above + (below - above) * row_part[extra]
        across = (None,) + (slice(None),) + (None,) * (plane.ndim - 2)
        left, right = lines[:, columns], lines[:, np.minimum(columns + 1, plane.shape[1] - 1)]
        np.copyto(out, left + (right - left) * column_part[across] + 0.5, casting="unsafe")

    def double(self, plane, out):
        np.copyto(out, plane.repeat(2, axis=0).repeat(2, axis=1))

    def split(self, pixels, planes):
        for channel, plane in enumerate(planes):
            np.copyto(plane, pixels[:, :, channel])

    def channel(self, pixels, index, out):
        np.copyto(out, pixels[:, :, index])

    def to_rgb(self, stack, rgb):
        height, width = rgb.shape[:2]
        chroma = stack[height:].reshape(2, height // 2, width // 2).astype(np.float32) - 128
        u, v = chroma.repeat(2, axis=1).repeat(2, axis=2)
        y = (stack[:height].astype(np.float32) - 16) * LUMA + 0.5
        for channel, value in enumerate((y + RED_V * v, y + GREEN_U * u + GREEN_V * v, y + BLUE_U * u)):
            np.copyto(rgb[:, :, channel], np.clip(value, 0, 255), casting="unsafe")

    def blend(self, one, a, two, b, offset, out):
        np.copyto(out, np.clip(np.float32(a) * one + np.float32(b) * two + np.float32(offset + 0.5), 0, 255), casting="unsafe")


def taps(extent, old, new):
    """Return for each of *new* samples over *extent* the left one of the two of *old* samples around it, and its part to the right."""
    place = np.clip((np.arange(new, dtype=np.float32) + 0.5) * (extent / new) - 0.5, 0, old - 1)
    first = place.astype(np.intp)
    return first, (place - first).astype(np.float32)


def shrink(plane, factor):
    """Return *plane* with each factor x factor square averaged; a rest at the right and the bottom is dropped."""
    height, width = plane.shape[0] // factor, plane.shape[1] // factor
    squares = plane[:height * factor, :width * factor].reshape((height, factor, width, factor) + plane.shape[2:])
    return squares.mean(axis=(1, 3), dtype=np.float32)


def open_pixels():
    """Return the fastest set of steps that runs here."""
    return NumpyPixels() if cv2 is None else OpenCvPixels()
