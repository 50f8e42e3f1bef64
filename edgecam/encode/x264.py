"""H.264 by x264, through PyAV: the encoder of a PC."""
import logging
import struct
import threading
from collections import deque
from contextlib import contextmanager
from fractions import Fraction

from edgecam.encode.encoder import Encoder
from edgecam.encode.meter import Meter
from edgecam.encode.picture import PictureMaker
from edgecam.encode.roi_tagger import RoiTagger
from edgecam.encode.x264_params import FORM, check_options, refusal, refuse_strange
from edgecam.errors import BackendUnavailable, EncoderError, reason
from edgecam.vocabulary import Packet, StreamFormat, VideoFormat

log = logging.getLogger(__name__)
MATRICES = {"bt601": "smpte170m", "bt709": "bt709"}
QP_UNIT = 118.0     # FF_QP2LAMBDA of libavutil/avutil.h
HEADROOM = 1.25     # a rate that leaves the range (opened / HEADROOM .. opened) needs a new buffer model


class X264Encoder(Encoder):
    """Encodes without delay: the packet of a frame leaves before the next frame comes.

    *settings* is the section ``encode``. 4:2:0 video has even sides: an odd size grows by one
    column or row, which *format* tells. Raises `BackendUnavailable` without PyAV or libx264,
    `ConfigError` for options that it, or x264, refuses.
    """

    name = "x264"

    def __init__(self, settings, video_format):
        check_options(settings.options)
        self._av = import_av()
        self._settings, self._video = settings, video_format
        self._pictures = PictureMaker(self._av, video_format)
        width, height = self._pictures.size
        self.format = StreamFormat("h264", width, height, Fraction(video_format.rate),
                                   Fraction(video_format.time_base), settings.bitrate)
        self._tagger = RoiTagger(self._av, width, height, self._pictures.pix_fmt, self.format.time_base, self.max_regions)
        self._key_wanted = threading.Event()
        self._meter = Meter(self._av)
        self._waiting = deque()             # (number, time, plan) of the frames inside, in the order they went in
        self._last_key = None               # pts
        self._rate_wanted = settings.bitrate
        self._codec = self._open(settings.bitrate)

    def _open(self, bitrate):
        try:
            return self._opened(bitrate, x264_options(self._settings, self._video, bitrate))
        except (self._av.error.FFmpegError, ValueError) as error:
            raise self._refusal(bitrate, error) from error

    def _opened(self, bitrate, options):
        codec = self._av.CodecContext.create("libx264", "w")
        codec.width, codec.height = self._pictures.size
        codec.pix_fmt = self._pictures.pix_fmt
        codec.time_base, codec.framerate = self.format.time_base, self.format.rate
        codec.bit_rate = self._opened_for = bitrate
        codec.thread_type, codec.thread_count = "SLICE", self._settings.threads
        codec.options = options
        codec.open()
        return codec

    def _refusal(self, bitrate, error):
        """Return the error to raise: x264 says no word about what it refuses, but whether it works without `encode.options` can be tried."""
        settings, (width, height) = self._settings, self._pictures.size
        if settings.options:
            try:
                self._opened(bitrate, dict(x264_options(settings, self._video, bitrate), **{"x264-params": colour_params(self._video)}))
                return refusal(settings.options, "x264 refuses it; " + FORM)
            except (self._av.error.FFmpegError, ValueError):
                pass                                # it is something else
        return EncoderError("x264 refuses {}x{} with preset={} and options {!r}: {}".format(
            width, height, settings.preset, settings.options, reason(error)))

    def encode(self, frame, plan):
        self._check(frame)
        self._apply_rate()
        picture = self._tagger.tag(self._pictures.picture(frame), plan.regions)
        picture.pts, picture.time_base = frame.pts, self.format.time_base
        types = self._av.video.frame.PictureType
        picture.pict_type = types.I if self._key_due(frame.pts) else types.NONE     # never what a decoder left there
        self._waiting.append((frame.number, frame.time, plan))
        return self._send(picture)

    def _check(self, frame):
        if self._codec is None:
            raise EncoderError("the encoder is closed")
        got, want = frame.format, self._video
        if (got.width, got.height, got.fourcc) != (want.width, want.height, want.fourcc):
            raise EncoderError("frame {} is {}x{} {}, but the encoder was opened for {}x{} {}".format(
                frame.number, got.width, got.height, got.fourcc, want.width, want.height, want.fourcc))

    def _key_due(self, pts):
        wanted = self._key_wanted.is_set()
        self._key_wanted.clear()
        if self._last_key is None:
            return True
        age = float((pts - self._last_key) * self.format.time_base)
        return wanted or age >= self._settings.keyframe_interval - 1e-6

    def _send(self, picture):
        try:
            return [self._packet(packet) for packet in self._codec.encode(picture)]
        except self._av.error.FFmpegError as error:
            raise EncoderError("x264 failed: {}".format(error)) from error

    def _packet(self, packet):
        number, time, plan = self._waiting.popleft()
        if packet.is_keyframe:
            self._last_key = packet.pts
        packet = Packet(bytes(packet), packet.pts, self.format.time_base, bool(packet.is_keyframe), number, time, told_qp(packet))
        self._meter.count(packet, plan)
        return packet

    def _apply_rate(self):
        rate = self._rate_wanted
        if rate == self.format.bitrate:
            return
        if self._opened_for / HEADROOM <= rate <= self._opened_for:
            self._codec.bit_rate = rate
        else:                                       # PyAV can't move the VBV buffer of an open encoder
            self._codec = self._open(rate)
        self.format = self.format._replace(bitrate=rate)

    def flush(self):
        packets = self._send(None) if self._codec is not None else []
        self.close()
        return packets

    def set_bitrate(self, bits_per_second):
        if bits_per_second < 1000:
            raise EncoderError("a bitrate of {} bit/s is too low for x264: at least 1000".format(bits_per_second))
        self._rate_wanted = int(bits_per_second)

    def request_keyframe(self):
        self._key_wanted.set()

    def spent(self):
        return self._meter.spent()

    def close(self):
        self._codec = None
        self._meter.close()


def import_av():
    """Return PyAV with libx264 in it. Raises `BackendUnavailable` with what to install."""
    try:
        import av
        import av.filter
    except ImportError as error:
        raise BackendUnavailable("x264 needs PyAV, on Python 3.8 or newer: pip install av ({})".format(error)) from error
    if "libx264" not in av.codecs_available:
        raise BackendUnavailable("this PyAV {} was built without libx264: pip install --force-reinstall --only-binary av av"
                                 .format(av.__version__))
    return av


def try_options(settings):
    """Raise `ConfigError` where x264 would refuse `settings.options` for any video, or leave some of them out. Raises `BackendUnavailable` where
    it can't be asked. To be called before other threads use FFmpeg.
    """
    with overheard(import_av()) as lines:
        try:
            X264Encoder(settings, VideoFormat(320, 180, "I420", Fraction(30), Fraction(1, 30), False)).close()
        except EncoderError as error:                   # something else, which depends on the video: a run will tell
            log.debug("encode.options were not judged: %s", error)
    refuse_strange(settings.options, lines)


@contextmanager
def overheard(av):
    """Give a list that takes the lines which FFmpeg logs inside, warnings and worse: of a parameter that it does not know it says nothing else.

    How much is logged is one setting of the whole process; what other threads log meanwhile would reach Python's log.
    """
    level, terse = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)                 # it would keep to itself what it has said in the check before
    lines = []
    try:
        with av.logging.Capture(local=True) as said:
            yield lines
        lines.extend(text for _, _, text in said)
    finally:
        av.logging.set_skip_repeated(terse)
        av.logging.set_level(level)


def told_qp(packet):
    """Return the QP that x264 gives for a frame as a whole, None where PyAV does not hand it out (15.1 does not, 17.1 does).

    It stands in the packet's side data (AV_PKT_DATA_QUALITY_STATS of libavcodec/packet.h).
    """
    if not hasattr(packet, "has_sidedata") or not packet.has_sidedata("quality_stats"):
        return None
    return struct.unpack_from("<I", bytes(packet.get_sidedata("quality_stats")))[0] / QP_UNIT


def x264_options(settings, video_format, bitrate):
    """Return FFmpeg's options for libx264, all values as text."""
    return {
        "preset": settings.preset, "tune": "zerolatency", "profile": settings.profile,
        "bf": "0", "forced-idr": "1", "g": str(max(1, round(settings.keyframe_interval * video_format.rate))),
        # aq-mode 1 even where the preset turns it off, and never strength 0: x264 would ignore regions silently.
        "aq-mode": "1", "aq-strength": str(max(0.01, settings.aq_strength)),
        "maxrate": str(bitrate), "bufsize": str(int(bitrate * settings.buffer)),
        "x264-params": colour_params(video_format) + (":" + settings.options if settings.options else ""),
    }


def colour_params(video_format):
    """Return what the stream's header shall say about colour."""
    return "fullrange={}:colormatrix={}".format("on" if video_format.full_range else "off", MATRICES[video_format.matrix])
