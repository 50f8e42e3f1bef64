"""Hang regions of interest on a video frame, where libx264 looks for them.

FFmpeg carries regions as frame side data: an array of ``AVRegionOfInterest`` (libavutil/frame.h).
PyAV can't make side data, but the filter ``addroi`` can. So a chain of them runs once over each
frame, which gives the frame an array of the right length, and we write our numbers into it.
"""
import ctypes
import math
import struct
from fractions import Fraction

from edgecam.errors import EncoderError
from edgecam.side_data import side_data
from edgecam.vocabulary import Box, Region, own_areas

ROI = struct.Struct("=I6i")     # self_size, top, bottom, left, right, qoffset as numerator and denominator
QP_RANGE = 51                   # libx264 multiplies qoffset by this for 8-bit video
PARTS = 100                     # of a QP step that offsets are rounded to
EMPTY = ROI.pack(ROI.size, 0, 0, 0, 0, 0, 1)


class RoiTagger:
    """Tags frames of one size, pixel format and time base with up to *slots* regions.

    What lies outside them gets the opposite offset, so that the frame as a whole costs about what
    rate control expects (`balance`); the difference between inside and outside is what was asked.
    """

    def __init__(self, av, width, height, pix_fmt, time_base, slots=8):
        self._size, self._slots = (width, height), slots
        self._regions, self._array = (), EMPTY * (slots + 1)
        self._graph = av.filter.Graph()         # must outlive its source and sink
        self._source = last = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat(pix_fmt), time_base=Fraction(time_base))
        for _ in range(slots + 1):
            link = self._graph.add("addroi", "x=0:y=0:w=16:h=16:qoffset=0")
            last.link_to(link)
            last = link
        self._sink = self._graph.add("buffersink")
        last.link_to(self._sink)
        self._graph.configure()

    def tag(self, frame, regions):
        """Return a new reference to *frame* (its pixels are shared) that carries *regions*, most wanted first.

        Regions beyond the number of slots are ignored. The frame given is not changed.
        """
        self._source.push(frame)
        tagged = self._sink.pull()
        array = self.array(regions)
        data = region_data(tagged, len(array))
        # Both objects stay in variables while we write: the address lives as long as they do.
        ctypes.memmove(data.buffer_ptr, array, len(array))
        return tagged

    def array(self, regions):
        """Return the bytes of the region array; mostly the ones of the frame before, since plans are steady."""
        if regions != self._regions:
            self._regions, self._array = regions, self._pack(regions[:self._slots])
        return self._array

    def _pack(self, regions):
        """Return an entry for each region, one for the rest of the picture, and empty ones."""
        if not regions:
            return EMPTY * (self._slots + 1)
        base = balance(regions, *self._size)
        rest = Region(Box(0, 0, *self._size), 0)
        entries = [self.entry(region, base) for region in tuple(regions) + (rest,)]
        return b"".join(entries) + EMPTY * (self._slots - len(regions))

    def entry(self, region, base):
        # Clamping keeps memory safe: libx264's glue bounds regions from above only, and
        # with a negative edge it would write in front of its table.
        width, height = self._size
        left, top, right, bottom = region.box.clip(width, height).corners
        offset = max(-QP_RANGE, min(QP_RANGE, region.qp + base))
        return ROI.pack(ROI.size, int(top), -int(-bottom // 1), int(left), -int(-right // 1),
                        int(round(PARTS * offset)), PARTS * QP_RANGE)


def balance(regions, width, height):
    """Return the QP offset for everything that makes up for *regions*, if bits double every 6 steps of QP; where two overlap the first counts.

    Without it, an object that enters costs bits before rate control knows, and those that
    follow starve on the buffer.
    """
    areas = own_areas(regions, width, height)
    gain = sum(area * (2.0 ** (-region.qp / 6.0) - 1) for region, area in zip(regions, areas)) / (width * height)
    return 6 * math.log(max(1 + gain, 0.125), 2)


def region_data(frame, size):
    """Return the side data of *frame* that holds the region array of *size* bytes.

    By position, from the last, the one way that all versions of PyAV have; a decoded frame brings
    other side data along (x264's own SEI text, for one). Raises `EncoderError` where there is none.
    """
    listed = side_data(frame)
    for index in range(len(listed) - 1, -1, -1):
        found = listed[index]
        if found.buffer_size == size and ctypes.c_uint.from_address(found.buffer_ptr).value == ROI.size:
            return found
    raise EncoderError("FFmpeg gave the frame no region array of {} bytes; turn regions off with --no-roi".format(size))
