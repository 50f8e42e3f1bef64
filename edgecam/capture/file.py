"""Video files, decoded by FFmpeg through PyAV."""
import logging
import os
import re
import stat

from edgecam import clock
from edgecam.capture.camera import Camera
from edgecam.capture.damage import Damage
from edgecam.capture.piped import LATE_INDEX, has_late_index
from edgecam.capture.pyav import FrameMaker, export_vectors, import_av, open_container, stream_format, video_stream
from edgecam.capture.timeline import Timeline, may_jump
from edgecam.capture.urls import FEED
from edgecam.errors import CaptureError, CaptureTimeout, reason
from edgecam.pipes import told_when_waiting
from edgecam.redaction import hide

log = logging.getLogger(__name__)

FEW = 5                 # frames that may be missing at the end of a file that is whole
MAX_BROKEN = 300        # packets in a row that can't be decoded before a file is given up
SERIES = re.compile(r"\*|%[0-9]*d")     # the name of many pictures, for a shell or for FFmpeg
PICTURES_AS_VIDEO = "of pictures make a video first: ffmpeg -framerate 30 {}-i '{}' video.mp4"
GLOB = "-pattern_type glob "


class FileCamera(Camera):
    """Plays a file from its start; what is damaged is counted and said (`Damage`), jumps in its timestamps are bridged (`Timeline`).

    *realtime*: give frames at the speed at which they were recorded, as a live camera would.
    *vectors*: take H.264's motion vectors along, in the side data of `Frame.native`.
    *container*: one that is open already (a file on a web server); closed with the camera.
    """

    name = "file"

    def __init__(self, path, threads=1, realtime=False, container=None, vectors=False):
        self._av = import_av()
        if container is None:
            check_file(path)
        self.shown, self._path, self._realtime = hide(path), path, realtime
        with told_when_waiting("input " + self.shown, path):
            self._container = container or open_container(path, local=True)
        self._damage, self._ended = Damage(self.shown), False
        try:
            self._stream = video_stream(self._container, self.shown)
            self._stream.codec_context.thread_count = threads
            self._stream.codec_context.thread_type = "FRAME" if threads > 1 else "SLICE"
            if vectors:
                export_vectors(self._stream)
            self._pictures = self._decode()
            first = next(self._pictures, None)
            self._make = FrameMaker(stream_format(self._stream, False))
            if first is None:
                raise CaptureError("input {}: not one frame of it can be decoded".format(self.shown))
            self._make.settle(first)
            self._say_what_changes()
        except Exception:
            self._container.close()
            raise
        self.format = self._make.format
        self._number, self._started = 0, None
        step = int(round(1 / (self.format.rate * self.format.time_base))) or 1
        self._timeline = Timeline(self.shown, step, self.format.time_base, may_jump(self._container))
        self._kept = first, self._timeline.place(first.pts, 0)       # the next picture with its pts, where it was decoded already

    @property
    def length(self):
        return self._stream.frames or None

    @property
    def broken(self):
        return self._damage.count

    def read(self, timeout=None):
        self._kept = self._kept or self._next()
        if self._kept is None:
            self._say_end()
            return None
        picture, pts = self._kept
        seconds = float(pts * self.format.time_base)
        if self._realtime:
            self._keep_time(seconds, timeout)
        self._kept = None
        self._damage.picture(picture, self._number)
        frame = self._make.make(picture, self._number, seconds, pts)
        self._number += 1
        return frame

    def _next(self):
        """Return (picture, pts), or None at the end."""
        picture = next(self._pictures, None)
        return None if picture is None else (picture, self._timeline.place(picture.pts, self._number))

    def _decode(self):
        """Yield pictures; a packet that can't be decoded is counted and skipped."""
        in_a_row = 0
        for packet in self._packets():
            self._damage.packet(packet)
            try:
                pictures = packet.decode()
                in_a_row = 0
            except self._av.error.FFmpegError as error:
                in_a_row += 1
                self._damage.skip(reason(error))
                if in_a_row >= MAX_BROKEN:
                    raise CaptureError("input {}: {} packets in a row can't be decoded: {}".format(
                        self.shown, in_a_row, reason(error))) from error
                continue
            for picture in pictures:
                yield picture

    def _packets(self):
        """Yield the packets, the flushing one last; a file that breaks off ends where it breaks off. Raises `CaptureError` where a pipe brings none."""
        packets, packet = self._container.demux(self._stream), None
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (self._av.error.FFmpegError, OSError) as error:
                if packet is None and has_late_index(self._container, self._path):
                    raise CaptureError("input {}: {}".format(self.shown, LATE_INDEX)) from error
                log.warning("%s: reading ended early: %s", self.shown, reason(error))
                self._damage.skipped += 1
                return
            yield packet

    def _keep_time(self, seconds, timeout):
        """Wait until a frame of the time *seconds* is due. Raises `CaptureTimeout` after *timeout*: files have gaps of minutes."""
        now = clock.now()
        if self._started is None:
            self._started = now - seconds
        pause = self._started + seconds - now
        if timeout is not None and pause > timeout:
            clock.sleep(timeout)
            raise CaptureTimeout("input {}: no frame within {:g} s".format(self.shown, timeout))
        clock.sleep(pause)

    def _say_what_changes(self):
        """Say what is done to the file's contents, and what is left out."""
        if self._make.turning:
            log.info("%s: its pictures lie on their side or mirrored, and are turned upright", self.shown)
        if self._container.streams.audio:
            log.info("%s: its sound is left out", self.shown)
        shape = self._stream.sample_aspect_ratio
        if shape and shape != 1:
            log.warning("%s: its pixels are not square (%s); they are sent and recorded as if they were (make them so first: "
                        "ffmpeg -i %s -vf scale=iw*sar:ih,setsar=1 square.mp4)", self.shown, shape, self.shown)

    def _say_end(self):
        """Say, once, what was missing; an impatient reader asks again after the end."""
        if self._ended:
            return
        self._ended = True
        if self.broken:
            log.warning("%s: %s", self.shown, self._damage.words())
        if self.length and self.length - self._number > max(FEW, self.length // 50):
            log.warning("%s: ended after %d of the %d frames in its index: it is cut off or damaged", self.shown, self._number, self.length)

    def close(self):
        self._pictures.close()
        self._container.close()


def check_file(path):
    """Raise `CaptureError` for what FFmpeg would describe badly."""
    if not os.path.exists(path):
        words = PICTURES_AS_VIDEO.format("" if "%" in path else GLOB, path) if SERIES.search(path) else ""
        raise CaptureError("input {}: there is no such file{}".format(path, words and "; " + words))
    if os.path.isdir(path):
        raise CaptureError("input {}: this is a folder; name a video in it; {}".format(path, PICTURES_AS_VIDEO.format(GLOB, os.path.join(path, "*.jpg"))))
    if stat.S_ISCHR(os.stat(path).st_mode):         # a terminal would be waited for, and others end at once, or never
        raise CaptureError("input {}: this is a terminal or another device, no video; expected a camera, a file or a URL; {}".format(path, FEED))
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        raise CaptureError("input {}: the file is empty (0 bytes)".format(path))
