"""Network streams through PyAV: reconnected, watched for silence, the newest frame first."""
import logging

from edgecam import clock
from edgecam.capture.damage import Damage
from edgecam.capture.live import LiveCamera
from edgecam.capture.pyav import FrameMaker, export_vectors, import_av, open_container, stream_format, video_stream
from edgecam.errors import CaptureError, CaptureTimeout, reason
from edgecam.redaction import hide
from edgecam.worker import backoff

log = logging.getLogger(__name__)

BACKLOG = 4             # frames; more would only be delay


class NetworkCamera(LiveCamera):
    """Reads a stream in a thread of its own; when it stalls or ends it is opened anew, with jittered pauses.

    Frames that nobody took in time are dropped, the oldest first. Packet times restart with
    each connection, so frames are stamped by the monotonic clock when they arrive, and *pts*
    continues from there in units of 1/90000 s. What comes damaged is counted and said (`Damage`).
    *container*: the first connection, where it is open already; closed with the camera.
    """

    name = "network"

    def __init__(self, url, settings, container=None):
        super().__init__(hide(url), BACKLOG)
        self.url, self._settings = url, settings
        self._av = import_av()
        self._number, self._started, self._last_pts = 0, None, -1
        self._damage = Damage(self.shown)
        self._opened = self._prepare(container) if container else self._connect()
        self._make = FrameMaker(stream_format(self._opened[1], True))
        self._start_worker()
        self._wait_first(settings.stale_after * 2)

    @property
    def broken(self):
        return self._damage.count

    def _wait_first(self, timeout):
        """The format is known with the first frame alone."""
        with self._ready:
            self._ready.wait_for(lambda: self._frames or not self._worker.alive, timeout)
            if self._frames:
                self.format = self._frames[0].format
                return
        self.close()
        self._worker.check()
        raise CaptureTimeout("input {}: connected, but no frame came within {:g} s".format(self.shown, timeout))

    def _connect(self):
        options = {"fflags": "nobuffer", "flags": "low_delay"}
        if self.url.startswith("rtsp"):
            options["rtsp_transport"] = self._settings.rtsp_transport
        elif self.url.endswith(".sdp"):
            options["protocol_whitelist"] = "file,udp,rtp"
        container = open_container(self.url, options, (self._settings.stale_after * 2, self._settings.stale_after), local="://" not in self.url)
        return self._prepare(container)

    def _prepare(self, container):
        """Return (container, its video stream). Raises `CaptureError`, and then it is closed: the server's one place is free again."""
        try:
            stream = video_stream(container, self.shown)
        except CaptureError:
            container.close()
            raise
        stream.codec_context.thread_count = 1           # frame threads would hold frames back
        if self._settings.motion_vectors:
            export_vectors(stream)
        return container, stream

    def _run(self, stopping):
        container, stream = self._opened
        while not stopping.is_set():
            try:
                self._receive(stopping, container, stream)
                why = "the stream ended"
            except self._av.error.ExitError:            # FFmpeg's word for our own time limit
                why = "silent for {:g} s".format(self._settings.stale_after)
            except (self._av.error.FFmpegError, OSError) as error:
                why = reason(error)
            finally:
                container.close()
            if stopping.is_set():
                return
            log.warning("%s: %s; connecting again", self.shown, why)
            found = self._reconnect(stopping)
            if found is None:
                return
            container, stream = found
            self.reconnects += 1

    def _receive(self, stopping, container, stream):
        for packet in container.demux(stream):
            if stopping.is_set():
                return
            self._damage.packet(packet)
            try:
                pictures = packet.decode()
            except self._av.error.FFmpegError as error:
                self._damage.skip(reason(error))
                continue
            for picture in pictures:
                self._arrive(picture)

    def _arrive(self, picture):
        now = clock.now()
        if self._started is None:
            self._started = now
        base = self._make.format.time_base
        pts = max(int((now - self._started) / base), self._last_pts + 1)
        self._last_pts = pts
        self._damage.picture(picture, self._number)
        frame = self._make.make(picture, self._number, now, pts)
        self._number += 1
        self._deliver(frame)

    def _reconnect(self, stopping):
        """Return (container, stream) of a new connection, or None when told to stop."""
        lost_at = clock.now()
        for pause in backoff(self._settings.retry_max):
            if stopping.wait(pause):
                return None
            try:
                return self._connect()
            except CaptureError as error:
                log.info("%s", error)
                if 0 < self._settings.give_up_after < clock.now() - lost_at:
                    raise CaptureError("{}; given up after {:g} s".format(error, self._settings.give_up_after)) from error

    def close(self):
        self._stop_worker(self._settings.stale_after * 2 + 5)
