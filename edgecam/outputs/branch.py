"""One output behind its own queue and thread: it may stall, die and come back, and nobody else notices."""
import logging
import threading

from edgecam import clock
from edgecam.errors import OutputError, WorkerStuck
from edgecam.pipes import await_reader
from edgecam.redaction import hide
from edgecam.worker import PacketQueue, Worker, backoff

log = logging.getLogger(__name__)

OPENING, RUNNING, UNREACHABLE = "opening", "running", "unreachable"
RETRYING, FAILED, CLOSED = "retrying", "failed", "closed"
FIRST_PAUSE = 0.5           # seconds before the first new attempt
IDLE_AFTER = 1.0            # seconds without a packet
STALLED_AFTER = 30.0        # seconds that a lossless recording may stand still


class Branch:
    """One output with its queue, its thread and its figures."""

    def __init__(self, output, stream, size, retry_max, ask_keyframe, on_event, lossless):
        self.output, self.url = output, hide(output.url)
        self._stream, self._size, self._lossless = stream, size, lossless
        self._retry_max, self._ask_keyframe, self._on_event = min(retry_max, output.longest_pause), ask_keyframe, on_event
        self._queue, self._room = PacketQueue(size), threading.Condition()
        self._worker = Worker("output " + self.url, self._run, self._left)
        self._done = threading.Event()
        self.state, self.error = OPENING, None
        self.packets = self.bytes = self.retries = 0
        self._away, self._lost = False, 0       # nobody takes packets; how many were dropped meanwhile
        self._hand, self._stuck = 0, False      # packets that are being written; whether that was waited for in vain

    def open_early(self, stopping):
        """Open a file in the caller's thread, who wants to know at once; what nobody reads yet is waited for, until *stopping()*."""
        self.output.prove()
        if not self.output.retries and await_reader("output " + self.url, self.output.reached, stopping):
            self.output.open(self._stream)
            self._become(RUNNING)

    def start(self):
        self._worker.start()

    # The writer's side.

    def put(self, packet):
        if self._lossless:
            self._wait_for_room()
        if self._away:
            self._lost += 1
        elif self._queue.put(packet):
            self._ask_keyframe()

    def _wait_for_room(self):
        with self._room:
            free = self._room.wait_for(lambda: len(self._queue) < self._size or self._done.is_set(), STALLED_AFTER)
        self.check()
        if not free:
            raise OutputError("{}: took nothing for {:g} s".format(self.url, STALLED_AFTER))

    def check(self):
        """Raise `OutputError` if this is a recording of a lossless run and it failed."""
        if self._lossless and self.state == FAILED:
            raise OutputError(self.error)

    def end(self):
        """No more packets will come."""
        self._queue.close()
        if self.state == RETRYING:
            self._worker.stopping.set()

    def join(self, deadline):
        """Wait until the output is finished, abandon what it has not taken by then."""
        self._done.wait(STALLED_AFTER if self._lossless else max(deadline - clock.now(), 0))
        try:
            self._worker.stop(timeout=1.0)
        except WorkerStuck:
            self._stuck = True
            self._queue.resync()                # counts what it will not take any more as dropped
            self._become(FAILED, "{}: did not finish in time; given up".format(self.url))
        if self._lossless and self._queue.drops and self.state != FAILED:      # of what failed, the first reason is the one to read
            self._become(FAILED, "{}: {} packets were not written".format(self.url, self._queue.drops))

    def stats(self):
        given_up = self._hand if self._stuck else 0
        held, held_bytes = self.output.held if self.state == FAILED else (0, 0)
        return {"url": self.url, "files": list(self.output.files), "state": self.state,
                "packets": self.packets - held, "bytes": self.bytes - held_bytes,
                "drops": self._queue.drops + self._lost + self.output.drops + given_up + held,
                "error": self.error, "retries": self.retries}

    # The thread's side.

    def _run(self, stopping):
        if not self.output.retries:
            self._serve(stopping)
            return
        pauses = backoff(self._retry_max, FIRST_PAUSE)
        while not stopping.is_set():
            before = self.packets
            try:
                self._connect()
                self._serve(stopping)
                return
            except OutputError as error:
                self._abandon(error)
            if self.packets > before:           # it worked for a while: begin with short pauses again
                pauses = backoff(self._retry_max, FIRST_PAUSE)
            stopping.wait(next(pauses))

    def _connect(self):
        self.output.open(self._stream)
        if self._away:
            self._queue.resync()                # what waited is old
            self._away = False
            self._ask_keyframe()

    def _serve(self, stopping):
        """Write packets until the end of the stream."""
        while not (self._queue.ended or stopping.is_set()):
            packet = self._queue.get(IDLE_AFTER)
            if packet is None:
                self.output.idle()
                continue
            with self._room:
                self._room.notify()
            self._write(packet)
        self.output.close()
        self._end()

    def _end(self):
        """The stream is over: what was away and did not come back by then has failed, whatever it took before."""
        self._become(FAILED if self.state == RETRYING else CLOSED, self.error)

    def _write(self, packet):
        output, self._hand, drops = self.output, 1, self.output.drops
        try:
            output.write(packet)
        except OutputError:
            self._lost += 1
            raise
        finally:
            self._hand = 0
        if output.drops == drops:               # else it was lost and counted there
            self.packets += 1
            self.bytes += len(packet.payload)
        self._become(UNREACHABLE if output.problem else RUNNING, output.problem)
        if output.wants_keyframe:
            output.wants_keyframe = False
            self._ask_keyframe()

    def _abandon(self, error):
        self.retries += 1
        self._away = True
        try:
            self.output.close()
        except OutputError as again:
            log.debug("output %s: while closing: %s", self.url, again)
        self._become(RETRYING, str(error))

    def _left(self):
        """The thread is at its end: tell why, if it was not asked to."""
        self._away = True
        self._queue.resync()                    # counts what is left as dropped
        try:
            if self._worker.error is not None:
                self._give_up(self._worker.error)
            elif self.state not in (CLOSED, FAILED):
                self._end()
        finally:
            self._done.set()
            with self._room:
                self._room.notify_all()

    def _give_up(self, error):
        if not isinstance(error, OutputError):
            log.error("output %s: a fault of edgecam itself", self.url, exc_info=error)
        try:
            self.output.close()
        except OutputError as again:
            log.debug("output %s: while closing: %s", self.url, again)
        except Exception:                       # what it died of is told all the same
            log.error("output %s: while closing: a fault of edgecam itself", self.url, exc_info=True)
        self._become(FAILED, str(error) or repr(error))

    def _become(self, state, error=None):
        """Change the state; a change is reported once, with the reason. What was given up stays failed, though its thread may come back to life."""
        if self._stuck and self.state == FAILED:
            return
        before, self.state = self.state, state
        self.error = hide(error) if error else None
        if before == state:
            return
        report(self.url, before, state, self.error)
        if self._on_event is not None:
            self._on_event(self.stats())


def report(url, before, state, error):
    """Log that an output changed its state; *error* names the output itself."""
    if state == FAILED:
        log.error("output failed: %s", error)
    elif state in (RETRYING, UNREACHABLE):
        log.warning("output %s; trying on", error)
    elif before in (RETRYING, UNREACHABLE) and state == RUNNING:
        log.info("output %s is back", url)
    else:
        log.debug("output %s is %s", url, state)
