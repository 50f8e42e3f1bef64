"""MJPEG for browsers without anything better: encoded only while somebody watches, once for all who do."""
import threading

from edgecam.spare import Spare
from edgecam.web.jpeg import encode_jpeg
from edgecam.web.viewers import PATIENCE
from edgecam.worker import Worker

BOUNDARY = b"edgecam-frame"
HEAD = b"--" + BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n\r\n"
BEHIND = b"\r\n" + HEAD
IDLE = 1.0              # seconds without a picture to make, then the thread that makes them ends
KIND = "multipart/x-mixed-replace; boundary=" + BOUNDARY.decode()


class Hand:
    """A thread that does one thing at a time for whoever asks, and goes when nobody does.

    Were it done by the viewers' threads, whichever comes first, each of them would end up with
    memory that the C library keeps for a thread.
    """

    def __init__(self, name):
        self._name, self._worker = name, None
        self._job = self._result = None
        self._turn, self._ready = threading.Lock(), threading.Condition()

    def do(self, job):
        """Return what ``job()`` returns, or raise what it raises."""
        with self._turn, self._ready:
            self._job, self._result = job, None
            if self._worker is None:
                self._worker = Worker(self._name, self._run).start()
            self._ready.notify_all()
            self._ready.wait_for(lambda: self._result is not None)
            value, error = self._result
        if error is not None:
            raise error
        return value

    def _run(self, stopping):
        with self._ready:
            while self._ready.wait_for(lambda: self._job is not None, IDLE):
                job, self._job = self._job, None
                try:
                    self._result = job(), None
                except Exception as error:          # raised in the thread of the one who asked
                    self._result = None, error
                self._ready.notify_all()
            self._worker = None


class Stills:
    """The newest frame of a `View` as JPEG. Whoever asks first has it encoded, the others share the bytes."""

    def __init__(self, view, quality):
        self._view, self._quality = view, quality
        self._made, self._spare, self._lock = {}, Spare(), threading.Lock()
        self._hand = Hand("jpeg-" + view.name)

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
                part = self._hand.do(lambda: self._make(glance, overlay))
                self._made[overlay] = number, part
            return number, part

    def _make(self, glance, overlay):
        return encode_jpeg(glance.frame, glance.event, self._quality, overlay, self._view.zones, self._spare) + BEHIND


def parts(stills, ended, overlay=False):
    """Yield a multipart stream until ``ended()``; nothing, b"", now and then while no picture comes.

    A browser paints a part when it has read the head of the next one, so that head follows
    each picture at once; that spares a whole frame of delay, and leaves no room for a length.
    """
    yield HEAD
    shown = -1
    while not ended():
        made = stills.next_part(shown, PATIENCE, overlay)
        if made is None:
            yield b""
            continue
        shown, part = made
        yield part
