"""Which of a camera's modes to take: a pure choice among what it lists."""
from fractions import Fraction
from typing import NamedTuple, Optional

# What is made of which format, best first: 4:2:0 is what encoders and detectors read, YUYV costs twice
# the memory, MJPEG a decoder.
PREFERENCE = ("NV12", "NM12", "YU12", "YM12", "YUYV", "MJPG", "JPEG", "GREY")
COMPRESSED = ("MJPG", "JPEG")
CLOSE = Fraction(99, 100)       # 29.97 is as good as 30


class Mode(NamedTuple):
    """One thing a camera can do."""

    fourcc: str
    width: int
    height: int
    rate: Optional[Fraction]    # the fastest, None where it does not tell

    def __str__(self):
        return "{} {}x{}{}".format(self.fourcc, self.width, self.height,
                                   "" if self.rate is None else " at {:.4g}/s".format(float(self.rate)))


def list_modes(device, width, height, formats=PREFERENCE):
    """Return the `Mode` list of *device* among *formats*; of ranges, the size nearest to *width* x *height*."""
    modes = []
    for fmt in device.formats(device.capture_type):
        if fmt.fourcc in formats and not fmt.emulated:
            for size in offered(device.sizes(fmt.fourcc), width, height):
                rates = device.rates(fmt.fourcc, *size)
                modes.append(Mode(fmt.fourcc, size[0], size[1], rates[0] if rates else None))
    return modes


def offered(sizes, width, height):
    """Return the sizes to consider: those listed, the nearest of a range, or the wish where nothing is told."""
    if not isinstance(sizes, tuple):
        return sizes or [(width, height)]
    low, high, step = sizes
    return [tuple(nearest(wish, *limits) for wish, limits in zip((width, height), zip(low, high, step)))]


def nearest(wish, low, high, step):
    wish = min(max(wish, low), high)
    return low + (wish - low) // (step or 1) * (step or 1)


def choose(modes, width, height, rate):
    """Return the best `Mode` for *width* x *height* at *rate* frames per second, None if there is none.

    The size comes first (the smallest one that covers the wish, else the largest), then the
    rate, then the format: MJPEG is taken where nothing else reaches size and rate.
    """
    if not modes:
        return None
    return min(modes, key=lambda mode: (misfit(mode, width, height), shortfall(mode, rate), PREFERENCE.index(mode.fourcc)))


def misfit(mode, width, height):
    """Sort key of a size: (does not cover, how many pixels away)."""
    covers = mode.width >= width and mode.height >= height
    return not covers, abs(mode.width * mode.height - width * height)


def shortfall(mode, rate):
    """Frames per second that are missing, 0 where it is close enough."""
    if mode.rate is None or mode.rate >= Fraction(rate) * CLOSE:
        return 0
    return Fraction(rate) - mode.rate


def describe(modes, limit=6):
    """Return the first modes as text, for messages."""
    texts = [str(mode) for mode in modes[:limit]]
    return ", ".join(texts) + (", ..." if len(modes) > limit else "") or "none"
