"""Who is watching: a bounded number, each with a queue of their own, all of them closable."""
import threading

from edgecam.web.errors import Refused
from edgecam.web.shutting import shut

PATIENCE = 1.0          # seconds: where nothing flows, a stream has an idle or an empty piece that often, and so finds out that it is over


class Viewers:
    """Admits up to *limit* streams at a time. Each holds a thread of the server while it lasts."""

    def __init__(self, limit):
        self._limit, self._watching, self._lock = limit, set(), threading.Lock()
        self.closing = False
        self.refused = 0

    def __len__(self):
        return len(self._watching)

    def admit(self, chunks, leave=None, connection=None, allowed=lambda: True):
        """Return an iterator over *chunks*, but for empty ones, that counts as a viewer until it ends or is closed.

        *leave* is called once then. It ends at the first chunk that comes when ``allowed()`` is false.
        Raises `Refused` (503) when the house is full.
        """
        watching = Watching(self, chunks, leave, connection, allowed)
        with self._lock:
            if self.closing or len(self._watching) >= self._limit:
                self.refused += 1
                raise Refused(503, "{} viewers are watching, as many as web.viewers admits".format(self._limit),
                              {"Retry-After": "5"})
            self._watching.add(watching)
        return watching

    def forget(self, watching):
        with self._lock:
            self._watching.discard(watching)

    def close(self):
        """Send everybody home, also those who don't take their data."""
        with self._lock:
            self.closing = True
            watching = list(self._watching)
        for one in watching:
            one.cut()


class Watching:
    """One viewer's chunks; `close` may come before the first one was asked for."""

    def __init__(self, viewers, chunks, leave, connection, allowed):
        self._viewers, self._chunks, self._leave, self._connection = viewers, iter(chunks), leave, connection
        self._allowed = allowed

    def __iter__(self):
        return self

    def __next__(self):
        for chunk in self._chunks:
            if not self._allowed():         # asked after the wait for the chunk, not before
                break
            if chunk:
                return chunk
        raise StopIteration

    def close(self):
        """The viewer is gone."""
        self._viewers.forget(self)
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def cut(self):
        """End it from outside: no more chunks, and a write that hangs fails."""
        leave = self._leave
        if leave is not None:
            leave()
        if self._connection is not None:
            shut(self._connection)
