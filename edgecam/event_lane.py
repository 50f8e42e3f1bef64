"""The events of a live run, behind a queue and a thread: whoever reads them may stall or leave, and the video does not notice."""
import logging
import queue
from contextlib import suppress

from edgecam import clock
from edgecam.errors import OutputError, WorkerStuck
from edgecam.events import EventFile
from edgecam.pipes import await_reader
from edgecam.worker import Worker

log = logging.getLogger(__name__)

WAITING = 150           # events, five seconds of a usual camera; more would only be late
GIVE_UP_AFTER = 2.0     # seconds that the end of a run waits for a slow reader


def open_events(name, overwrite, mode, stopping=lambda: False):
    """Return what writes events to *name*: itself in exact mode, where failures are raised; live from a thread of its own.

    A pipe that nobody reads yet: exact mode loses nothing and waits, as every program of a shell does, until *stopping()*.
    """
    file = EventFile(name, overwrite)
    if mode != "exact":
        return EventLane(file)
    await_reader("events " + file.path, file.reached, stopping)
    return file


class EventLane:
    """Writes events to an `EventFile` without making their writer wait.

    What finds the queue full, or a pipe that nobody reads yet, is dropped and counted in *drops*. A failure is logged once and
    kept in *error*; all later events are drops then.
    """

    def __init__(self, file):
        self._file, self._queue = file, queue.Queue(WAITING)
        self._worker = Worker("events", self._run, self._left)
        self._offered = self._written = self._missed = self._unread = 0
        self._closed, self.error = False, None

    @property
    def drops(self):
        return self._offered - self._written if self._closed else self._missed + self._unread

    def write(self, event):
        """Leave *event* for the thread; never waits, never raises."""
        self._offered += 1
        if self.error is None:
            with suppress(queue.Full):
                self._queue.put_nowait(event)
                return
        self._missed += 1

    def __enter__(self):
        if not self._file.reached():
            log.info("events %s: nobody reads this pipe yet; until then events are dropped", self._file.path)
        self._worker.start()
        return self

    def __exit__(self, kind, error, trace):
        try:
            self._finish()
            self._file.__exit__(kind, error, trace)
        except OutputError as failure:
            self._fail(failure)
        self._closed = True

    def _finish(self):
        """Let the thread write what waits, for a bounded time. Raises `OutputError` where it did not; the file is the thread's own then."""
        if self.error is not None:
            return
        deadline = clock.now() + GIVE_UP_AFTER
        try:
            self._queue.put(None, timeout=GIVE_UP_AFTER)
            self._worker.stop(max(deadline - clock.now(), 0))
        except (queue.Full, WorkerStuck) as error:
            raise OutputError("events {}: not all were taken within {:g} s of the end; given up".format(self._file.path, GIVE_UP_AFTER)) from error
        if self._unread and not self._written:
            raise OutputError("events {}: nobody opened this pipe for reading; all of them were dropped".format(self._file.path))

    # The thread's side.

    def _run(self, stopping):
        for event in iter(self._queue.get, None):
            if self.error is not None:
                break
            if self._file.reached():
                self._file.write(event)
                self._written += 1
            else:
                self._unread += 1
        if self.error is not None:              # given up while a write was stuck
            self._file.close()

    def _left(self):
        if self._worker.error is not None:
            self._fail(self._worker.error)

    def _fail(self, error):
        if self.error is not None:
            return
        self.error = str(error) or repr(error)
        if isinstance(error, OutputError):
            log.error("%s; the video goes on without", self.error)
        else:
            log.error("events: a fault of edgecam itself", exc_info=error)
