"""Threads that don't die quietly, the two mailboxes between them, and how long they wait before they try again."""
import logging
import random
import threading
from collections import deque

from edgecam.errors import WorkerStuck

log = logging.getLogger(__name__)


class Worker:
    """A thread that runs ``target(stopping)`` and keeps its exception for the one who asks.

    *stopping* is a `threading.Event` that *target* looks at. `check` raises what the
    thread died of; `stop` ends it and raises `WorkerStuck` if it does not end in time.
    """

    def __init__(self, name, target, on_exit=None):
        self.name, self._target, self._on_exit = name, target, on_exit
        self.error = None
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgecam-" + name, daemon=True)

    def start(self):
        self._thread.start()
        return self

    @property
    def alive(self):
        return self._thread.is_alive()

    def _run(self):
        try:
            self._target(self.stopping)
        except Exception as error:          # kept, and raised by check() in the foreground
            log.debug("worker %s failed", self.name, exc_info=True)
            self.error = error
        finally:
            if self._on_exit is not None:
                self._on_exit()

    def check(self):
        """Raise the exception that the thread died of, if it did."""
        if self.error is not None:
            raise self.error

    def stop(self, timeout=5.0):
        """Ask the thread to end and wait for it."""
        self.stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise WorkerStuck("thread {} did not stop within {:g} s".format(self.name, timeout))


class Latest:
    """A mailbox with one slot: a newer value replaces an unread one, which is counted."""

    def __init__(self, dropped=None):
        self._ready = threading.Condition()
        self._value, self._full, self._closed = None, False, False
        self._dropped = dropped             # called with each value nobody read
        self.drops = 0

    def put(self, value):
        with self._ready:
            old, had = self._value, self._full
            self._value, self._full = value, True
            self.drops += had
            self._ready.notify()
        if had and self._dropped is not None:
            self._dropped(old)

    def get(self, timeout=None):
        """Wait for a value and take it; None when *timeout* passed or the box was closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._full or self._closed, timeout)
            value, self._value, self._full = self._value, None, False
            return value

    def close(self):
        """Wake the reader; what lies in the box can still be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self):
        with self._ready:
            return self._closed and not self._full


class PacketQueue:
    """A bounded queue of packets that never makes its writer wait.

    When it is full it forgets everything in it and resumes at the next keyframe, so that a
    reader never gets a picture whose reference is missing. *drops* counts lost packets.
    """

    def __init__(self, size):
        self._ready = threading.Condition()
        self._packets, self._size = deque(), size
        self._skipping, self._closed = True, False      # a stream starts with a keyframe
        self.drops = 0

    def __len__(self):
        return len(self._packets)

    def put(self, packet):
        """Queue *packet*, or drop it; return whether a keyframe is wanted to resume."""
        with self._ready:
            if len(self._packets) >= self._size:
                self.drops += len(self._packets)
                self._packets.clear()
                self._skipping = True
            if self._skipping and not packet.keyframe:
                self.drops += 1
                return True
            self._skipping = False
            self._packets.append(packet)
            self._ready.notify()
            return False

    def resync(self):
        """Forget what is queued and wait for the next keyframe, as after a reconnect."""
        with self._ready:
            self.drops += len(self._packets)
            self._packets.clear()
            self._skipping = True

    def get(self, timeout=None):
        """Wait for a packet and take it; None when *timeout* passed or at the end."""
        with self._ready:
            self._ready.wait_for(lambda: self._packets or self._closed, timeout)
            return self._packets.popleft() if self._packets else None

    def close(self):
        """No more packets will come; what is queued can still be read."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def ended(self):
        with self._ready:
            return self._closed and not self._packets


def backoff(longest, first=0.5):
    """Yield pauses in seconds that double from *first* up to *longest*, each shortened by chance to as little as half."""
    pause = first
    while True:
        yield min(pause, longest) * random.uniform(0.5, 1)
        pause = min(pause * 2, longest)
