"""What live cameras share: a thread brings frames, a reader takes them, and only the newest wait."""
import threading
from collections import deque

from edgecam.capture.camera import Camera
from edgecam.errors import CaptureTimeout
from edgecam.worker import Worker


class LiveCamera(Camera):
    """A camera whose frames come from ``_run(stopping)``, a thread of its own.

    A descendant calls `_start_worker` when it is open, and `_deliver` with each frame. At most
    *backlog* frames wait for the reader; older ones go home and are counted in *drops*.
    *shown* is how messages call the source.
    """

    def __init__(self, shown, backlog):
        self.shown, self._backlog = shown, backlog
        self._frames, self._ready = deque(), threading.Condition()
        self._worker = None

    def _run(self, stopping):
        raise NotImplementedError

    def _start_worker(self):
        self._worker = Worker("capture", self._run, self._wake)
        self._worker.start()

    def _wake(self):
        with self._ready:
            self._ready.notify_all()

    def _deliver(self, frame):
        """Put *frame* before the reader; called by the thread."""
        oldest = None
        with self._ready:
            if len(self._frames) >= self._backlog:
                oldest = self._frames.popleft()
                self.drops += 1
            self._frames.append(frame)
            self._ready.notify()
        if oldest is not None:
            oldest.release()

    def read(self, timeout=None):
        with self._ready:
            came = self._ready.wait_for(lambda: self._frames or not self._worker.alive, timeout)
            if self._frames:
                return self._frames.popleft()
        self._worker.check()
        if not came:
            raise CaptureTimeout("input {}: no frame within {:g} s".format(self.shown, timeout))
        return None

    def _stop_worker(self, timeout):
        """End the thread and send home what nobody took."""
        self._worker.stop(timeout)
        with self._ready:
            left, self._frames = self._frames, deque()
        for frame in left:
            frame.release()
