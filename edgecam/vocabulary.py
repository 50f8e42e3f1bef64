"""The values that travel through the rooms. Read this first.

Pixels are those of the captured frame, x to the right, y down, the origin at
the top left corner. Times are seconds on one clock (see `Frame.time`).
"""
import threading
from fractions import Fraction
from typing import NamedTuple, Optional, Tuple

TENTATIVE, CONFIRMED, LOST = "tentative", "confirmed", "lost"


class Box(NamedTuple):
    """A rectangle: left edge, top edge, width, height, in pixels, as floats."""

    x: float
    y: float
    w: float
    h: float

    @classmethod
    def from_corners(cls, left, top, right, bottom):
        """Make a box from its edges."""
        return cls(left, top, right - left, bottom - top)

    @property
    def right(self):
        return self.x + self.w

    @property
    def bottom(self):
        return self.y + self.h

    @property
    def corners(self):
        """(left, top, right, bottom)."""
        return self.x, self.y, self.x + self.w, self.y + self.h

    @property
    def centre(self):
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def area(self):
        return max(self.w, 0) * max(self.h, 0)

    def translate(self, dx, dy):
        return Box(self.x + dx, self.y + dy, self.w, self.h)

    def scale(self, sx, sy):
        return Box(self.x * sx, self.y * sy, self.w * sx, self.h * sy)

    def grow(self, dx, dy):
        """Return the box with *dx* added on the left and the right, *dy* above and below."""
        return Box(self.x - dx, self.y - dy, self.w + 2 * dx, self.h + 2 * dy)

    def clip(self, width, height):
        """Return the part inside a *width* x *height* picture (its area may be 0)."""
        left, top = min(max(self.x, 0), width), min(max(self.y, 0), height)
        right, bottom = min(max(self.right, left), width), min(max(self.bottom, top), height)
        return Box(left, top, right - left, bottom - top)

    def union(self, other):
        """Return the smallest box that holds both."""
        return Box.from_corners(min(self.x, other.x), min(self.y, other.y),
                                max(self.right, other.right), max(self.bottom, other.bottom))

    def intersection(self, other):
        """Return the area shared with *other*, in square pixels."""
        w = min(self.right, other.right) - max(self.x, other.x)
        h = min(self.bottom, other.bottom) - max(self.y, other.y)
        return w * h if w > 0 and h > 0 else 0.0

    def without(self, other):
        """Return the parts of the box that *other* leaves: at most four boxes, which don't overlap."""
        top, bottom = max(self.y, other.y), min(self.bottom, other.bottom)
        if top >= bottom or max(self.x, other.x) >= min(self.right, other.right):
            return [self]
        parts = (self.x, self.y, self.right, top), (self.x, bottom, self.right, self.bottom), \
            (self.x, top, other.x, bottom), (other.right, top, self.right, bottom)
        return [Box.from_corners(*part) for part in parts if part[0] < part[2] and part[1] < part[3]]

    def iou(self, other):
        """Return intersection over union with *other*, 0 to 1."""
        shared = self.intersection(other)
        total = self.area + other.area - shared
        return shared / total if total > 0 else 0.0


class Detection(NamedTuple):
    """What a detector saw in one frame; no memory of before."""

    label: str
    score: float                    # 0 to 1
    box: Box


class Track(NamedTuple):
    """One object followed over time, as it is believed to be at one moment."""

    id: int                         # from 1, never used twice in one run
    label: str
    score: float                    # of its latest detection
    box: Box
    velocity: Tuple[float, float]   # of the centre, pixels per second
    age: float                      # seconds since its first detection
    state: str                      # TENTATIVE, CONFIRMED or LOST
    seen: float                     # time of the latest detection that matched
    sigma: Tuple[float, float] = (0.0, 0.0)     # standard deviation of the centre, pixels


class Region(NamedTuple):
    """A part of the picture that the encoder shall treat better or worse."""

    box: Box
    qp: int                         # offset against the frame's QP, H.264 steps; negative is better


def own_areas(regions, width, height):
    """Return of each of *regions*, in order, the square pixels of a *width* x *height* picture that none before it covers."""
    boxes, areas = [region.box.clip(width, height) for region in regions], []
    for index, box in enumerate(boxes):
        rest = [box]
        for before in boxes[:index]:
            rest = [part for piece in rest for part in piece.without(before)]
        areas.append(sum([part.area for part in rest]))
    return areas


class Plan(NamedTuple):
    """The regions of one frame, most wanted first; where two overlap the first wins."""

    made_at: float                  # time of the newest detection that it rests on
    regions: Tuple[Region, ...] = ()


NO_PLAN = Plan(float("-inf"))


class Packet(NamedTuple):
    """One encoded picture: an H.264 access unit as Annex B, owning its bytes."""

    payload: bytes
    pts: int                        # in units of time_base; without B-frames also the order of decoding
    time_base: Fraction
    keyframe: bool                  # IDR, with SPS and PPS in front
    number: int = 0                 # of the frame that it shows
    time: float = 0.0               # of the frame that it shows, see Frame.time
    qp: Optional[float] = None      # average over the frame, where the encoder tells

    @property
    def seconds(self):
        """Presentation time in seconds from the start of the stream."""
        return float(self.pts * self.time_base)

    def __repr__(self):
        return "<Packet #{} {} bytes pts={}{}>".format(
            self.number, len(self.payload), self.pts, " key" if self.keyframe else "")


class VideoFormat(NamedTuple):
    """What a camera delivers."""

    width: int                      # pixels
    height: int
    fourcc: str                     # "I420", "NV12", "YUYV", "GREY": V4L2's and FFmpeg's names
    rate: Fraction                  # frames per second, nominal
    time_base: Fraction             # of Frame.pts
    live: bool                      # frames come by the clock and are gone if nobody takes them
    matrix: str = "bt601"           # "bt601" or "bt709"
    full_range: bool = False        # luma 0 to 255 rather than 16 to 235


class StreamFormat(NamedTuple):
    """What an encoder delivers."""

    codec: str                      # "h264"
    width: int
    height: int
    rate: Fraction
    time_base: Fraction             # of Packet.pts
    bitrate: int                    # bits per second asked for


class Frame:
    """One captured picture, under lease.

    *planes* are uint8 numpy views, without padding columns: I420 has (h, w), (h/2, w/2),
    (h/2, w/2), odd sizes rounded up; NV12 has (h, w) and (h/2, w/2, 2); YUYV has (h, w, 2);
    GREY has (h, w). Rows may be further apart than they are long: ``plane.strides[0]`` is the
    stride in bytes. *time* is when the frame was captured: on the monotonic clock for live
    sources, the presentation time in seconds for files. *native* is the backend's own
    object, so that a matching encoder need not copy (a PyAV frame, a dma-buf lease);
    frames that live in device memory alone have no planes.

    Whoever wants to keep a frame beyond the call that brought it takes a lease of its own
    (`hold`) and gives it back (`release`); the buffer goes home with the last one.
    """

    __slots__ = ("number", "time", "pts", "format", "planes", "native", "_leases", "_home", "_lock")

    def __init__(self, number, time, pts, format, planes, native=None, home=None):
        self.number, self.time, self.pts = number, time, pts
        self.format, self.planes, self.native = format, planes, native
        self._leases, self._home, self._lock = 1, home, threading.Lock()

    @property
    def width(self):
        return self.format.width

    @property
    def height(self):
        return self.format.height

    def hold(self):
        """Take one more lease and return the frame."""
        with self._lock:
            if self._leases == 0:
                raise ValueError("frame {} was released already".format(self.number))
            self._leases += 1
        return self

    def release(self):
        """Give one lease back; the last one sends the buffer home."""
        with self._lock:
            if self._leases == 0:
                raise ValueError("frame {} was released already".format(self.number))
            self._leases -= 1
            last = self._leases == 0
        if last and self._home is not None:
            self._home(self)

    def copy(self):
        """Return a frame with planes of its own, which nobody needs to give back."""
        planes = tuple(plane.copy() for plane in self.planes)
        return Frame(self.number, self.time, self.pts, self.format, planes)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.release()

    def __repr__(self):
        return "<Frame #{} {}x{} {} t={:.3f}>".format(
            self.number, self.width, self.height, self.format.fourcc, self.time)


