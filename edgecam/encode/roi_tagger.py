"""Hang regions of interest on a video frame, where libx264 looks for them.

FFmpeg carries regions as frame side data: an array of ``AVRegionOfInterest`` (libavutil/frame.h).
PyAV can't make side data, but the filter ``addroi`` can. So a chain of them runs once over each
frame, which gives the frame an array of the right length, and we write our numbers into it.
"""
import ctypes
import struct
from fractions import Fraction

from edgecam.errors import EncoderError

ROI = struct.Struct("=I6i")     # self_size, top, bottom, left, right, qoffset as numerator and denominator
QP_RANGE = 51                   # libx264 multiplies qoffset by this for 8-bit video
EMPTY = ROI.pack(ROI.size, 0, 0, 0, 0, 0, 1)


class RoiTagger:
    """Tags frames of one size, pixel format and time base with up to *slots* regions."""

    def __init__(self, av, width, height, pix_fmt, time_base, slots=8):
        self._size, self._slots = (width, height), slots
        self._graph = av.filter.Graph()         # must outlive its source and sink
        self._source = last = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat(pix_fmt), time_base=Fraction(time_base))
        for _ in range(slots):
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
        side_data = region_data(tagged, len(array))
        # Both objects stay in variables while we write: the address lives as long as they do.
        ctypes.memmove(side_data.buffer_ptr, array, len(array))
        return tagged

    def array(self, regions):
        """Return the bytes of the region array."""
        entries = [self.entry(region) for region in regions[:self._slots]]
        return b"".join(entries) + EMPTY * (self._slots - len(entries))

    def entry(self, region):
        # Clamping keeps memory safe: libx264's glue bounds regions from above only, and
        # with a negative edge it would write in front of its table.
        width, height = self._size
        left, top, right, bottom = region.box.clip(width, height).corners
        return ROI.pack(ROI.size, int(top), -int(-bottom // 1), int(left), -int(-right // 1),
                        max(-QP_RANGE, min(QP_RANGE, region.qp)), QP_RANGE)


def region_data(frame, size):
    """Return the side data of *frame* that holds the region array of *size* bytes.

    By position, from the last, the one way that all versions of PyAV have; a decoded frame brings
    other side data along (x264's own SEI text, for one). Raises `EncoderError` where there is none.
    """
    for index in range(len(frame.side_data) - 1, -1, -1):
        found = frame.side_data[index]
        if found.buffer_size == size and ctypes.c_uint.from_address(found.buffer_ptr).value == ROI.size:
            return found
    raise EncoderError("FFmpeg gave the frame no region array of {} bytes; turn regions off with --no-roi".format(size))
