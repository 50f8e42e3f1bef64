"""MJPEG for browsers without anything better: encoded only while somebody watches, once for all who do."""
import threading

from edgecam.web.jpeg import encode_jpeg

BOUNDARY = b"edgecam-frame"
HEAD = b"--" + BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n\r\n"
KIND = "multipart/x-mixed-replace; boundary=" + BOUNDARY.decode()


class Stills:
    """The newest frame of a `View` as JPEG. Whoever asks first encodes, the others share the bytes."""

    def __init__(self, view, quality):
        self._view, self._quality = view, quality
        self._made, self._lock = {}, threading.Lock()

    def next(self, after=-1, timeout=2.0, overlay=False):
        """Return (frame number, JPEG) of a frame newer than number *after*, or None when none came in time."""
        glance = self._view.glance(after, timeout)
        if glance is None:
            return None
        with glance, self._lock:
            number, jpeg = self._made.get(overlay, (None, None))
            if number is None or number < glance.frame.number:
                number, jpeg = glance.frame.number, encode_jpeg(glance.frame, glance.event, self._quality, overlay, self._view.zones)
                self._made[overlay] = number, jpeg
            return number, jpeg


def parts(stills, ended, overlay=False):
    """Yield a multipart stream until ``ended()``.

    A browser paints a part when it has read the head of the next one, so that head follows
    each picture at once; that spares a whole frame of delay, and leaves no room for a length.
    """
    yield HEAD
    shown = -1
    while not ended():
        made = stills.next(shown, 2.0, overlay)
        if made is not None:
            shown, jpeg = made
            yield jpeg + b"\r\n" + HEAD
