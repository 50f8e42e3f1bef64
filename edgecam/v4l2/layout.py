"""Where the colour planes of a picture lie in the memory of a buffer.

A V4L2 buffer has memory planes (separate pieces of memory: one, except for the "M" formats),
a picture has colour planes (Y, then CbCr together or Cb and Cr). In one piece of memory they
follow each other, each as many rows high as the *format*, which may be more than the picture.
"""
from typing import NamedTuple, Tuple

from edgecam.v4l2 import raw


class MemoryPlane(NamedTuple):
    """One piece of memory of a format."""

    stride: int             # bytes from one row to the next, "bytesperline"
    size: int               # bytes, "sizeimage"


class Format(NamedTuple):
    """What a queue is set to."""

    width: int
    height: int
    fourcc: str             # V4L2's: "NV12", "NM12", "YUYV", "H264"
    planes: Tuple[MemoryPlane, ...]
    colorspace: int = 0
    ycbcr_enc: int = 0
    quantization: int = 0

    @property
    def matrix(self):
        """ "bt709" or "bt601", as the driver says, else as the picture's source usually has it."""
        if self.ycbcr_enc in (raw.V4L2_YCBCR_ENC_601, raw.V4L2_YCBCR_ENC_709):
            return "bt709" if self.ycbcr_enc == raw.V4L2_YCBCR_ENC_709 else "bt601"
        return "bt709" if self.colorspace == raw.V4L2_COLORSPACE_REC709 else "bt601"

    @property
    def full_range(self):
        return self.quantization == raw.V4L2_QUANTIZATION_FULL_RANGE

    def __repr__(self):
        return "<Format {}x{} {} strides {} sizes {}>".format(
            self.width, self.height, self.fourcc, [p.stride for p in self.planes], [p.size for p in self.planes])


class ColourPlane(NamedTuple):
    """One colour plane: which memory plane, where in it, and its shape as an array of bytes."""

    memory: int
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]

    def view(self, memories):
        """Return a numpy view; nothing is copied and the view keeps the memory mapped."""
        import numpy                # `edgecam devices` needs none
        return numpy.ndarray(self.shape, numpy.uint8, memories[self.memory], self.offset, self.strides)


# fourcc of V4L2 -> (fourcc of Frame, colour planes as (columns divided by, rows divided by, bytes a column, stride divided by))
LUMA, SEMI, FULL = (1, 1, 1, 1), (2, 2, 2, 1), (2, 2, 1, 2)
PICTURES = {
    "NV12": ("NV12", (LUMA, SEMI)),
    "NM12": ("NV12", (LUMA, SEMI)),
    "YU12": ("I420", (LUMA, FULL, FULL)),
    "YM12": ("I420", (LUMA, FULL, FULL)),
    "YUYV": ("YUYV", ((1, 1, 2, 1),)),
    "GREY": ("GREY", (LUMA,)),
}


def memory_planes(fourcc):
    """Return how many memory planes a format has."""
    return len(PICTURES[fourcc][1]) if fourcc in ("NM12", "YM12") else 1


def colour_planes(fmt, width=None, height=None):
    """Return the `ColourPlane` list of the *width* x *height* pixels at the top left of *fmt* (default: all)."""
    width, height = width or fmt.width, height or fmt.height
    planes, offset = [], 0
    for number, (columns, rows, size, divisor) in enumerate(PICTURES[fmt.fourcc][1]):
        own = len(fmt.planes) > 1
        stride = fmt.planes[number].stride if own else fmt.planes[0].stride // divisor
        shape = (-(-height // rows), -(-width // columns)) + ((size,) if size > 1 else ())
        planes.append(ColourPlane(number if own else 0, 0 if own else offset, shape,
                                  (stride, size, 1) if size > 1 else (stride, 1)))
        offset += stride * -(-fmt.height // rows)
    return planes
