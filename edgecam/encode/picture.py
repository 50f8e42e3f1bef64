"""Frames as PyAV pictures: by reference where x264 can read them, else copied or converted once."""
import numpy as np

from edgecam.errors import EncoderError

FOURCCS = ("I420", "NV12", "YUYV", "GREY")
# Bytes that belong together in each plane of FFmpeg's layouts.
GROUPS = {"yuv420p": (1, 1, 1), "yuvj420p": (1, 1, 1), "nv12": (1, 2), "yuyv422": (4,)}


class PictureMaker:
    """Makes the pictures that x264 reads out of frames of one `VideoFormat`.

    *pix_fmt* and *size* are the picture's: 4:2:0 has even sides, so odd ones grow by a
    column or a row that repeats the last one. Pictures that share no pixels with the frame
    live in one buffer, which the next call overwrites.
    """

    def __init__(self, av, video_format):
        check(video_format)
        self._format, self._native = video_format, av.VideoFrame
        width, height = video_format.width, video_format.height
        self.size = width + width % 2, height + height % 2
        self._even = self.size == (width, height)
        planar = "yuvj420p" if video_format.full_range else "yuv420p"
        self.pix_fmt = "nv12" if video_format.fourcc == "NV12" else planar
        stage = "yuyv422" if video_format.fourcc == "YUYV" else self.pix_fmt
        self._stage = av.VideoFrame(self.size[0], self.size[1], stage)
        self._views = [plane_view(plane, group) for plane, group in zip(self._stage.planes, GROUPS[stage])]
        if video_format.fourcc == "GREY":
            for chroma in self._views[1:]:
                chroma[:] = 128             # no colour, for good: only the luma is painted

    def picture(self, frame):
        """Return a PyAV frame of *pix_fmt* and *size* that shows *frame*."""
        native = frame.native
        if self._even and isinstance(native, self._native) and (native.width, native.height) == self.size:
            if native.format.name == self.pix_fmt:
                return native
            if native.format.name == "yuyv422" == self._stage.format.name:
                return native.reformat(format=self.pix_fmt)
        if not frame.planes:
            raise EncoderError("frame {} lives in device memory, where x264 can't read it".format(frame.number))
        return self._paint(frame.planes)

    def _paint(self, planes):
        for view, plane in zip(self._views, planes):
            paint(view, plane)
        if self._stage.format.name == self.pix_fmt:
            return self._stage
        return self._stage.reformat(format=self.pix_fmt)


def check(video_format):
    """Raise `EncoderError` for a format that can't be made into a picture."""
    if video_format.fourcc not in FOURCCS:
        raise EncoderError("x264 takes {}, not {}".format(", ".join(FOURCCS), video_format.fourcc))
    if video_format.fourcc == "YUYV" and video_format.width % 2:
        raise EncoderError("YUYV has pairs of columns; {} is an odd width".format(video_format.width))


def plane_view(plane, group):
    """Return the writable bytes of a PyAV plane as (rows, groups of *group* bytes, group)."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    width = plane.width if group == 1 else plane.line_size // group
    return rows[:, :width * group].reshape(plane.height, width, group)


def paint(view, plane):
    """Copy *plane* into the top left of *view* and repeat its last column and row to the edges."""
    height, width = plane.shape[:2]
    source = plane.reshape(height, -1, view.shape[2])
    width = min(source.shape[1], view.shape[1])
    view[:height, :width] = source[:, :width]
    view[:height, width:] = view[:height, width - 1:width]
    view[height:] = view[height - 1:height]
