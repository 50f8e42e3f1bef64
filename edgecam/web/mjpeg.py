"""MJPEG for browsers without anything better: encoded only while somebody watches, once for all who do."""
import threading

from edgecam.web.jpeg import Scratch, encode_jpeg

BOUNDARY = b"edgecam-frame"
HEAD = b"--" + BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n\r\n"
BEHIND = b"\r\n" + HEAD
KIND = "multipart/x-mixed-replace; boundary=" + BOUNDARY.decode()


class Stills:
    """The newest frame of a `View` as JPEG. Whoever asks first encodes, the others share the bytes."""

    def __init__(self, view, quality):
        self._view, self._quality = view, quality
        self._made, self._scratch, self._lock = {}, Scratch(), threading.Lock()

    def next(self, after=-1, timeout=2.0, overlay=False):
        """Return (frame number, JPEG) of a frame newer than number *after*, or None when none came in time."""
        made = self.next_part(after, timeout, overlay)
        return made and (made[0], made[1][:-len(BEHIND)])

    def next_part(self, after=-1, timeout=2.0, overlay=False):
        """The same with what follows a JPEG in a stream, so that viewers share these bytes as well."""
        glance = self._view.glance(after, timeout)
        if glance is None:
            return None
        with glance, self._lock:
            number, part = self._made.get(overlay, (-1, None))
            if number < glance.frame.number:
                number = glance.frame.number
                part = encode_jpeg(glance.frame, glance.event, self._quality, overlay, self._view.zones, self._scratch) + BEHIND
                self._made[overlay] = number, part
            return number, part


def parts(stills, ended, overlay=False):
    """Yield a multipart stream until ``ended()``.

    A browser paints a part when it has read the head of the next one, so that head follows
    each picture at once; that spares a whole frame of delay, and leaves no room for a length.
    """
    yield HEAD
    shown = -1
    while not ended():
        made = stills.next_part(shown, 2.0, overlay)
        if made is not None:
            shown, part = made
            yield part
