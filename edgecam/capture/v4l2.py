"""Cameras with a kernel driver: USB webcams, HDMI grabbers, v4l2loopback, the drivers of MIPI cameras.

Formats are negotiated, faults and unplugging survived; the buffers are those of `v4l2_session`.
"""
import errno
import logging
import select
from fractions import Fraction

from edgecam import clock
from edgecam.capture.live import LiveCamera
from edgecam.capture.v4l2_mjpeg import open_decoder
from edgecam.capture.v4l2_session import Session
from edgecam.errors import CaptureError, reason
from edgecam.v4l2 import raw
from edgecam.v4l2.controls import MENUS, SCALARS
from edgecam.v4l2.device import Device
from edgecam.v4l2.discovery import explain, find_again
from edgecam.v4l2.layout import PICTURES, memory_planes
from edgecam.v4l2.negotiation import COMPRESSED, choose, describe, list_modes
from edgecam.vocabulary import Frame, VideoFormat
from edgecam.worker import backoff

log = logging.getLogger(__name__)

BACKLOG = 2             # frames that may wait for the reader; more would only be delay
TIME_BASE = Fraction(1, 90000)
FIRST_PAUSE = 0.25      # seconds before the second attempt to find a lost camera
STALE_STAMP = 1.0       # seconds: a picture that says to be older has a wrong stamp
POLL = 0.25             # seconds: how soon the thread notices that it shall stop


class V4L2Camera(LiveCamera):
    """A camera at *path* (/dev/videoN, or /dev/v4l/by-id/... which stays with the device).

    *settings* is the section ``capture``. A thread takes the frames from the driver; when the
    camera is unplugged or fails it waits for it to come back. *lost* counts frames that the
    driver dropped (gaps in its sequence numbers), *broken* those that it marked as such or
    that can't be decoded; both are in *drops* too.
    """

    name = "v4l2"

    def __init__(self, path, settings):
        super().__init__(path, BACKLOG)
        self.path, self._settings = path, settings
        self._number, self._started, self._last_pts = 0, None, -1
        self.lost = self.broken = 0
        self._wishes, self._mode = {}, None
        self._session = self._open(path)
        self.capability = self._session.device.capability
        self._start_worker()

    # -- opening ----------------------------------------------------------------------------------

    def _open(self, path):
        try:
            device = Device(path)
        except OSError as error:
            raise CaptureError("input {}: {}".format(self.path, explain(error, path))) from error
        try:
            return self._start(device)
        except OSError as error:
            device.close()
            raise CaptureError("input {}: can't stream: {}".format(self.path, explain(error, path))) from error
        except CaptureError:
            device.close()
            raise

    def _start(self, device):
        if not device.capability.captures:
            raise CaptureError("input {}: {} ({}) is no camera".format(self.path, device.capability.card,
                                                                      device.capability.driver))
        device.follow_signal()
        device.subscribe(raw.V4L2_EVENT_SOURCE_CHANGE)
        mode = self._mode or self._choose(device)
        fmt = device.set_format(device.capture_type, mode.width, mode.height, mode.fourcc, memory_planes(mode.fourcc))
        if fmt.fourcc != mode.fourcc or self._mode and (fmt.width, fmt.height) != (self.format.width, self.format.height):
            raise CaptureError("input {}: asked for {}, but it is set to {}".format(self.path, mode, fmt))
        rate = device.set_rate(device.capture_type, self._settings.rate) or mode.rate or Fraction(self._settings.rate)
        if self._mode is None:
            self._settle(device, mode, fmt, rate)
        self._repeat_wishes(device)
        return Session(device, fmt)

    def _repeat_wishes(self, device):
        """Set what the user changed while running; a camera that came back starts with its defaults."""
        for name, value in self._wishes.items():
            try:
                device.controls.set(name, value)
            except (KeyError, ValueError, OSError) as error:
                log.warning("%s: control %s could not be set to %r again: %s", self.path, name, value, error)

    def _choose(self, device):
        wish = self._settings.width, self._settings.height
        modes = list_modes(device, *wish)
        mode = choose(modes, wish[0], wish[1], Fraction(self._settings.rate).limit_denominator(1001))
        if mode is None:
            offers = ", ".join(fmt.fourcc for fmt in device.formats(device.capture_type))
            raise CaptureError("input {}: none of its formats can be read here: {}".format(self.path, offers or "it has none"))
        log.debug("%s: %s of %s", self.path, mode, describe(modes, 100))
        return mode

    def _settle(self, device, mode, fmt, rate):
        """The format of the whole run: a camera that comes back must come back with this one."""
        compressed = fmt.fourcc in COMPRESSED
        self._decode = open_decoder(fmt.width, fmt.height) if compressed else None
        self.format = VideoFormat(fmt.width, fmt.height, "I420" if compressed else PICTURES[fmt.fourcc][0], rate, TIME_BASE,
                                  True, fmt.matrix, compressed or fmt.full_range)
        self._mode = mode
        wish = (self._settings.width, self._settings.height, float(self._settings.rate))
        got = (fmt.width, fmt.height, float(rate))
        log.log(logging.INFO if got != wish else logging.DEBUG, "%s (%s): %dx%d %s at %.4g/s; asked for %dx%d at %.4g/s",
                self.path, device.capability.card, fmt.width, fmt.height, fmt.fourcc, got[2], *wish)

    # -- the thread -------------------------------------------------------------------------------

    def _run(self, stopping):
        while not stopping.is_set():
            try:
                self._receive(stopping)
            except OSError as error:
                log.warning("%s: lost the camera: %s; waiting for it", self.path, reason(error))
                self._session.close()
                if not self._reopen(stopping):
                    return
                self.reconnects += 1

    def _receive(self, stopping):
        """Take frames from the driver until told to stop; raises `OSError` when the camera fails."""
        session, expected, latest = self._session, None, clock.now()
        while not stopping.is_set():
            came = session.device.wait(select.POLLIN | select.POLLPRI, POLL)
            if came & select.POLLPRI:
                self._look_at_events(session)
            if not came:
                if session.queue.queued == 0:           # every buffer is on lease: not the camera's fault
                    latest = clock.now()
                if clock.now() - latest > self._settings.stale_after:
                    raise OSError(errno.ETIMEDOUT, "no frame for {:g} s".format(self._settings.stale_after))
                continue
            try:
                buffer = session.queue.dequeue()
            except BlockingIOError:
                if came & (select.POLLERR | select.POLLHUP):
                    self._wait_for_buffers(session, stopping)
                continue
            latest = clock.now()
            gap = 0 if expected is None else max(0, buffer.sequence - expected)
            expected = buffer.sequence + 1
            self._arrive(session, buffer, latest, gap)

    def _look_at_events(self, session):
        """Raise `OSError` for another source: the session starts anew then, in the format of the run."""
        for event in session.device.events():
            if event.type == raw.V4L2_EVENT_SOURCE_CHANGE:
                raise OSError(errno.ESTALE, "its source changed")

    def _wait_for_buffers(self, session, stopping):
        """poll also says POLLERR while every buffer is on lease: wait for one. Raises `OSError` if it is not that."""
        if session.queue.queued:
            raise OSError(errno.EIO, "the driver reports an error")
        stopping.wait(0.002)

    def _arrive(self, session, buffer, now, gap):
        session.lend()
        usable = any(buffer.bytesused) and not buffer.error
        frame = self._frame(session, buffer, now) if usable else None
        self.lost += gap
        self.broken += frame is None
        self.drops += gap + (frame is None)
        if frame is None:
            session.take_back(buffer)
        else:
            self._deliver(frame)

    def _frame(self, session, buffer, now):
        """Make the `Frame` of a filled buffer; None for a JPEG picture that is broken."""
        monotonic = buffer.flags & raw.V4L2_BUF_FLAG_TIMESTAMP_MASK == raw.V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
        time = buffer.microseconds / 1e6
        if not monotonic or not now - STALE_STAMP < time < now:     # some drivers stamp the future, or by another clock
            time = now
        if self._started is None:
            self._started = time
        pts = max(round((time - self._started) / TIME_BASE), self._last_pts + 1)
        number = self._number
        if self._decode is None:
            planes, native = buffer.owner
            frame = Frame(number, time, pts, self.format, planes, native, lambda _: session.take_back(buffer))
        else:
            frame = self._decoded(session, buffer, number, time, pts)
        if frame is not None:
            self._number, self._last_pts = number + 1, pts
        return frame

    def _decoded(self, session, buffer, number, time, pts):
        """A picture of its own: the JPEG's buffer goes home at once."""
        try:
            planes, native = self._decode(buffer.payload())
        except ValueError as error:
            log.debug("%s: a frame was left out: %s", self.path, error)
            return None
        session.take_back(buffer)
        return Frame(number, time, pts, self.format, planes, native)

    def _reopen(self, stopping):
        """Wait for the camera to come back; return whether it did before we were told to stop."""
        lost_at = clock.now()
        for pause in backoff(self._settings.retry_max, FIRST_PAUSE):
            if stopping.wait(pause):
                return False
            path = find_again(self.path, self.capability)
            try:
                if path is not None:
                    self._session = self._open(path)
                    log.warning("%s: the camera is back%s", self.path, "" if path == self.path else " as " + path)
                    return True
                why = "input {}: the camera did not come back".format(self.path)
            except CaptureError as error:
                why = str(error)
                log.info("%s", why)
            if 0 < self._settings.give_up_after < clock.now() - lost_at:
                raise CaptureError("{}; given up after {:g} s".format(why, self._settings.give_up_after))

    # -- the promise ------------------------------------------------------------------------------

    def controls(self):
        if not self._session.open:
            return {}
        controls, shown = self._session.device.controls, {}
        for name, control in controls.names.items():
            if control.type in SCALARS and not control.dims and control.readable and control.writable:
                try:
                    shown[name] = knob(controls, control)
                except OSError as error:            # unplugged meanwhile, or a control that can't be read now
                    log.debug("%s: control %s: %s", self.path, name, error)
        return shown

    def set_control(self, name, value):
        device = self._session.device
        if not self._session.open:
            raise ValueError("{} can't be set now: {} is away".format(name, self.path))
        try:
            device.controls.set(name, value)
        except OSError as error:
            raise ValueError("{} = {!r}: {}".format(name, value, reason(error))) from error
        if device.controls.names[name].type != raw.V4L2_CTRL_TYPE_BUTTON:
            self._wishes[name] = value

    def close(self):
        self._stop_worker(5.0)
        self._session.close()


def knob(controls, control):
    """Describe one control with its present value."""
    entry = {"value": controls.get_value(control.id), "min": control.minimum, "max": control.maximum,
             "step": control.step, "type": "number", "unit": ""}
    if control.type == raw.V4L2_CTRL_TYPE_BOOLEAN:
        entry.update(type="bool", value=bool(entry["value"]))
    elif control.type in MENUS:
        entry.update(type="menu", menu=controls.menu(control))
    return entry
