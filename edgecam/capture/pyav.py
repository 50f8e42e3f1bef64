"""FFmpeg through PyAV: what a file and a network stream have in common.

Frames keep their native planes; formats other than I420 and NV12 are converted once, by
libswscale, to I420.
"""
import os
from fractions import Fraction

import numpy as np

from edgecam import clock
from edgecam.capture.turning import turning_of
from edgecam.errors import BackendUnavailable, CaptureError, reason
from edgecam.redaction import hide
from edgecam.vocabulary import Frame, VideoFormat

NATIVE = {"yuv420p": "I420", "yuvj420p": "I420", "nv12": "NV12", "gray": "GREY"}
PICTURES = ("image2", "_pipe", "apng", "webp")
PLAYLISTS = ("hls", "dash")
RAW = (".yuv", ".rgb", ".nv12")
DEFAULT_RATE = Fraction(25)
BT709 = 1               # AVCOL_SPC_BT709
FULL = 2                # AVCOL_RANGE_JPEG


def import_av():
    """Return the module `av`. Raises `BackendUnavailable` with what to install."""
    try:
        import av
    except ImportError as error:
        raise BackendUnavailable("files and network streams need PyAV (Python 3.8 or newer): "
                                 "pip install .[pc] in the clone") from error
    av.logging.set_level(av.logging.FATAL)
    return av


def open_container(text, options=None, timeout=None, local=False):
    """Open *text* with FFmpeg; *local*: it is a file's path, also where it looks like a URL (12:30.mp4); *timeout*: (of opening, of reading),
    seconds. Raises `CaptureError` in one line, credentials hidden.
    """
    av, began = import_av(), clock.now()
    try:
        return av.open("file:" + text if local else text, options=options or {}, timeout=timeout)
    except (OSError, av.error.FFmpegError, ValueError) as error:
        # FFmpeg's word for our own time limit is "Immediate exit requested", and for RTSP any other
        late = timeout and (isinstance(error, av.error.ExitError) or clock.now() - began >= timeout[0])
        why = "nothing came for {:g} s".format(timeout[0]) if late else why_unread(text, error) if local else why_closed(av, text, error)
        raise CaptureError(hide("input {}: {}".format(text, why))) from error


def why_unread(path, error):
    """Return what *error* means, which FFmpeg gave for a local file: of lists and of raw pictures it says next to nothing."""
    if not isinstance(error, ValueError):       # of the machine, not of what the file holds
        return reason(error)
    if path.lower().endswith(RAW):
        return ("raw pictures don't tell their size and format; make a video of them first: "
                "ffmpeg -f rawvideo -pixel_format yuv420p -video_size 640x480 -framerate 30 -i {} video.mp4".format(path))
    if is_text(path):
        return ("this is a text, not a video; where it is a list of videos, lines of file 'a.mp4', make one of them first: "
                "ffmpeg -f concat -safe 0 -i {} -c copy video.mp4".format(path))
    return reason(error)


def is_text(path):
    """Whether a file, no pipe, begins with lines that people read."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as stream:
        beginning = stream.read(512)
    return all(32 <= byte < 127 or byte in b"\t\r\n" or byte >= 128 for byte in beginning)


def why_closed(av, text, error):
    """Return what *error* means, which FFmpeg gave in time where *text* was opened."""
    scheme = text.partition("://")[0].lower()
    if isinstance(error, av.error.ProtocolNotFoundError):       # PyAV's own FFmpeg, as PyPI has it, lacks SRT
        return "the FFmpeg that PyAV uses here knows no {}://; send the stream as rtsp:// or udp://, or install a PyAV that knows it".format(scheme)
    if scheme == "rtp" and isinstance(error, av.error.InvalidDataError):
        return ("RTP came, but does not tell what it carries; H.264 needs a description, an SDP file, as the input: edgecam run x.sdp "
                "(an edgecam that sends writes it: --set outputs.sdp=x.sdp)")
    return reason(error)


def has_end(container):
    """Whether what was opened by HTTP is a file. A duration alone does not tell: of a live MP4 FFmpeg reports the part that came while it probed.

    So the server must know the size, or the index the number of pictures; a playlist has a duration when it is complete.
    """
    counted = container.size > 0 or any(stream.frames for stream in container.streams.video)
    return bool(container.duration) and (counted or container.format.name in PLAYLISTS)


def video_stream(container, text):
    """Return the first video stream that is no cover picture. Raises `CaptureError`."""
    name = container.format.name
    if name == "gif":                       # no "picture": not every OpenCV reads one
        raise CaptureError("input {}: this is a GIF, not a video; make one of it: ffmpeg -i {} video.mp4".format(text, text))
    if any(word in name for word in PICTURES) and "mjpeg" not in name:
        raise CaptureError("input {}: this is a picture, not a video; try: edgecam detect {}".format(text, text))
    streams = [s for s in container.streams.video if not getattr(s, "disposition", 0) & 0x400]
    if not streams:
        raise CaptureError("input {}: there is no video in it".format(text))
    return streams[0]


def export_vectors(stream):
    """Ask the decoder for the motion vectors of an H.264 stream; those of B-frames are of no use (track/motion_vectors.py)."""
    context = stream.codec_context
    if context.name == "h264" and not context.has_b_frames:
        context.options = {"flags2": "+export_mvs"}


def stream_format(stream, live):
    """Return the `VideoFormat` of a PyAV video stream before its first frame."""
    rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
    rate = Fraction(rate).limit_denominator(100000) if 0 < rate < 1000 else DEFAULT_RATE
    context = stream.codec_context
    return VideoFormat(context.width, context.height, "I420", rate, stream.time_base or 1 / rate, live)


class FrameMaker:
    """Turns PyAV frames into edgecam frames of one constant format.

    The format is settled by the first frame; a later one of another size or layout is
    scaled to it (a camera that changes its mind must not end a recording). So is *turning*,
    what makes lying pictures upright: turned frames have planes of their own and no *native*.
    """

    def __init__(self, format):
        self.format, self._settled, self.rescaled = format, False, 0
        self.turning, self._lying = None, None

    def settle(self, picture):
        native = NATIVE.get(picture.format.name)
        matrix = "bt709" if picture.colorspace == BT709 or picture.height >= 720 and picture.colorspace == 2 else "bt601"
        full = picture.format.name == "yuvj420p" or int(picture.color_range or 0) == FULL
        self.turning, self._lying = turning_of(picture), (picture.width, picture.height)
        width, height = self.turning.size(*self._lying) if self.turning else self._lying
        self.format = self.format._replace(width=width, height=height, fourcc=native or "I420", matrix=matrix, full_range=full)
        self._settled = True

    def make(self, picture, number, time, pts):
        """Return the `Frame` of an `av.VideoFrame`; its planes are views of the decoder's own memory, unless they were turned."""
        if not self._settled:
            self.settle(picture)
        if not self._fits(picture):
            picture = self._convert(picture)
        pixels = planes(picture, self.format.fourcc)
        if self.turning:
            return Frame(number, time, pts, self.format, self.turning.turn(pixels))
        return Frame(number, time, pts, self.format, pixels, picture)

    def _fits(self, picture):
        return NATIVE.get(picture.format.name) == self.format.fourcc and (picture.width, picture.height) == self._lying

    def _convert(self, picture):
        self.rescaled += (picture.width, picture.height) != self._lying
        name = {"I420": "yuv420p", "NV12": "nv12", "GREY": "gray"}[self.format.fourcc]
        return picture.reformat(self._lying[0], self._lying[1], name)


def planes(picture, fourcc):
    """Return numpy views of an `av.VideoFrame`'s planes, shaped as `Frame` promises."""
    w, h = picture.width, picture.height
    half = (w + 1) // 2, (h + 1) // 2
    if fourcc == "GREY":
        return (view(picture.planes[0], w, h),)
    if fourcc == "NV12":
        chroma = view(picture.planes[1], 2 * half[0], half[1])
        return view(picture.planes[0], w, h), chroma.reshape(half[1], half[0], 2) if chroma.flags.c_contiguous else \
            np.lib.stride_tricks.as_strided(chroma, (half[1], half[0], 2), (chroma.strides[0], 2, 1))
    return (view(picture.planes[0], w, h), view(picture.planes[1], *half), view(picture.planes[2], *half))


def view(plane, width, height):
    """Return a (height, width) uint8 view of a plane, leaving the padding out."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width]
