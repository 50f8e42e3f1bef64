"""From one encoder to every output: each behind a queue and a thread of its own, so that none holds up another."""
import math
import threading

from edgecam import clock
from edgecam.errors import OutputError
from edgecam.outputs.branch import Branch
from edgecam.outputs.urls import make_outputs

KEYFRAME_INTERVAL = 1.0     # seconds between two keyframes asked for


def open_outputs(settings, stream, request_keyframe=None, on_event=None, lossless=False, stopping=lambda: False):
    """Open every output of ``settings.urls`` for the `StreamFormat` *stream*; return `Outputs`.

    *request_keyframe()* is called, at most once a second, when an output waits for a keyframe;
    *on_event(stats)* with an entry of `Outputs.stats` whenever an output changes its state; both
    from any thread. With *lossless*, `Outputs.write` waits for recordings rather than dropping, and this call for
    whoever reads a named pipe, until *stopping()*.

    Raises `ConfigError` for an URL that is not understood, `OutputError` for a file that
    can't be written. A network that can't be reached is tried again for as long as it takes.
    """
    return Outputs(make_outputs(settings, lossless), stream, settings, request_keyframe, on_event, lossless, stopping)


class Outputs:
    """Any number of outputs that get the same packets."""

    def __init__(self, outputs, stream, settings, request_keyframe=None, on_event=None, lossless=False, stopping=lambda: False):
        self._close_timeout, self._closed = settings.close_timeout, False
        size = max(math.ceil(settings.queue * (stream.rate or 30)), 2)
        ask = Seldom(request_keyframe, KEYFRAME_INTERVAL)
        self._branches = [Branch(output, stream, size, settings.retry_max, ask, on_event, lossless and not output.retries)
                          for output in outputs]
        try:
            for branch in self._branches:
                branch.open_early(stopping)
        except (OutputError, KeyboardInterrupt):
            for output in outputs:
                output.close()
            raise
        for branch in self._branches:
            branch.start()

    def __len__(self):
        return len(self._branches)

    def write(self, packet):
        """Hand *packet* to every output and return at once.

        Only recordings of a lossless run are waited for, and raise `OutputError` when they died.
        """
        for branch in self._branches:
            branch.put(packet)

    def stats(self):
        """Return for each output a dict of url (without credentials), files (names of those it began), state ("opening", "running", "unreachable",
        "retrying", "failed", "closed"), packets and bytes written, drops, error (or None), and retries. What was still
        retrying when the stream ended has failed."""
        return [branch.stats() for branch in self._branches]

    def close(self):
        """Let every output write what is queued, for a bounded time, and finish its file; twice is fine.

        Raises `OutputError` when a recording of a lossless run is not complete.
        """
        if self._closed:
            return
        self._closed = True
        for branch in self._branches:
            branch.end()
        deadline = clock.now() + self._close_timeout
        for branch in self._branches:
            branch.join(deadline)
        for branch in self._branches:
            branch.check()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            self.close()
        except OutputError:
            if kind is None:        # what ended the run first is what its user should read
                raise


class Seldom:
    """Calls *action* at most once in *interval* seconds; from any thread."""

    def __init__(self, action, interval):
        self._action, self._interval = action, interval
        self._lock, self._next = threading.Lock(), -math.inf

    def __call__(self):
        if self._action is None:
            return
        with self._lock:
            now = clock.now()
            due = now >= self._next
            if due:
                self._next = now + self._interval
        if due:
            self._action()
