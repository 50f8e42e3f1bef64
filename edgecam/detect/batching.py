"""Several cameras on one engine: the newest frame of each, computed together, results back to their camera.

Works with any detector. An engine belongs to the thread that opened it, so each has a thread of
its own here; with several GPUs there is one engine for each and the cameras are spread over them.
"""
import logging
import threading
from typing import Any, NamedTuple

from edgecam import clock
from edgecam.detect import open_detector
from edgecam.detect.detector import Detector
from edgecam.errors import DetectorError
from edgecam.worker import Latest, Worker

log = logging.getLogger(__name__)
WAIT = 0.004            # seconds that the first frame waits for those of other cameras


class Result(NamedTuple):
    """What was found in one frame of one camera."""

    number: int             # of the frame
    time: float
    detections: list


def choose(waiting, served, batch):
    """Return up to *batch* of the cameras *waiting*, those first that were served longest ago.

    *served* is {camera: number of the batch that served it last}. So of n cameras none with a frame
    waits longer than ceil(n / batch) batches, however fast the others are.
    """
    return sorted(waiting, key=lambda camera: served.get(camera, -1))[:batch]


class Port:
    """One camera's place at an engine. `offer` and `get` may be called by different threads."""

    def __init__(self, engine, name):
        self.name, self._engine = name, engine
        self.drops = 0              # frames that were replaced by newer ones before the engine took them
        self.results = Latest()
        self.pending = None         # (frame, threshold), under the engine's lock

    def offer(self, frame, threshold=None):
        """Leave *frame* for the engine, which takes the newest. Raises what the engine died of."""
        self._engine.offer(self, frame.hold(), threshold)

    def get(self, timeout=None):
        """Return the newest unread `Result`, or None after *timeout* seconds. Raises what the engine died of."""
        result = self.results.get(timeout)
        if result is None:
            self._engine.check()
        return result

    def close(self):
        """Take the camera away; its waiting frame is given back."""
        self._engine.remove(self)
        self.results.close()


class BatchingEngine:
    """A thread that runs the detector of ``open_one()`` for every port that was added to it."""

    def __init__(self, open_one, batch, wait=WAIT, name="shared"):
        self._open, self._wanted, self._wait = open_one, batch, wait
        self._changed = threading.Condition()
        self._ports, self._served, self._round = [], {}, 0
        self.batches = self.frames = 0
        self.detector = None
        self._worker = Worker("detect-" + name, self._run, on_exit=self._end).start()

    @property
    def cameras(self):
        return len(self._ports)

    def add(self, name):
        """Return the `Port` of a new camera."""
        self.check()
        port = Port(self, name)
        with self._changed:
            self._ports.append(port)
        return port

    def remove(self, port):
        with self._changed:
            if port in self._ports:
                self._ports.remove(port)
            self._served.pop(port, None)
            self._replace(port, None)
            self._changed.notify_all()

    def offer(self, port, frame, threshold):
        with self._changed:
            if port in self._ports and self._worker.alive:
                port.drops += port.pending is not None
                self._replace(port, (frame, threshold))
                self._changed.notify_all()
                return
        frame.release()
        self.check()
        raise DetectorError("camera {}: its place at the detector is closed".format(port.name))

    @staticmethod
    def _replace(port, pending):
        if port.pending is not None:
            port.pending[0].release()
        port.pending = pending

    def check(self):
        """Raise what the thread died of, if it did."""
        self._worker.check()

    def close(self):
        with self._changed:
            self._worker.stopping.set()
            self._changed.notify_all()
        self._worker.stop(timeout=60)

    # -- the engine's thread -----------------------------------------------------------------------

    def _run(self, stopping):
        with self._open() as self.detector:
            while not stopping.is_set():
                work = self._collect(stopping)
                if work:
                    self._detect(work)

    def _collect(self, stopping):
        """Return [(port, frame, threshold)] of the next batch: full, or what came within `wait` of the first."""
        with self._changed:
            self._changed.wait_for(lambda: stopping.is_set() or self._waiting(), 0.5)
            deadline = clock.now() + self._wait
            self._changed.wait_for(lambda: stopping.is_set() or self._complete(), max(0.0, deadline - clock.now()))
            chosen = choose(self._waiting(), self._served, self._wanted)
            work = [(port,) + port.pending for port in chosen]
            self._round += 1
            for port in chosen:
                port.pending = None
                self._served[port] = self._round
            return work

    def _waiting(self):
        return [port for port in self._ports if port.pending is not None]

    def _complete(self):
        waiting = len(self._waiting())
        return waiting >= self._wanted or waiting == len(self._ports)

    def _detect(self, work):
        try:
            for threshold in {threshold for _, _, threshold in work}:
                same = [(port, frame) for port, frame, own in work if own == threshold]
                step = max(1, self.detector.batch)
                for start in range(0, len(same), step):
                    self._detect_together(same[start:start + step], threshold)
        finally:
            for _, frame, _ in work:
                frame.release()

    def _detect_together(self, pairs, threshold):
        found = self.detector.detect_batch([frame for _, frame in pairs], threshold)
        self.batches += 1
        self.frames += len(pairs)
        for (port, frame), detections in zip(pairs, found):
            port.results.put(Result(frame.number, frame.time, detections))

    def _end(self):
        """Nobody waits for a thread that is gone."""
        with self._changed:
            for port in self._ports:
                self._replace(port, None)
                port.results.close()


class DetectorPool:
    """One `BatchingEngine` for each of *openers*, functions that open a detector; a new camera goes to the emptiest."""

    def __init__(self, openers, batch, wait=WAIT):
        self.engines = [BatchingEngine(opener, batch, wait, str(number)) for number, opener in enumerate(openers)]

    def add(self, name):
        return min(self.engines, key=lambda engine: engine.cameras).add(name)

    def close(self):
        for engine in self.engines:
            engine.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def open_pool(settings, gpus=None, wait=WAIT):
    """Return the `DetectorPool` that *settings*, the section `detect`, ask for: with *gpus* one engine on each of them."""
    each = [settings] if gpus is None else [settings.replace(gpu=number) for number in gpus]
    return DetectorPool([lambda own=own: open_detector(own, background=True) for own in each], settings.batch, wait)


class PooledDetector(Detector):
    """A camera's share of a pool as a detector of its own: `detect` waits for the batch that its frame goes with."""

    name = "pool"

    def __init__(self, pool, camera, timeout=60.0):
        self._port, self._timeout, self._name = pool.add(camera), timeout, camera

    def detect(self, frame, threshold=None):
        self._port.results.get(timeout=0)               # what came too late for the last call
        self._port.offer(frame, threshold)
        deadline = clock.now() + self._timeout
        while clock.now() < deadline:
            result = self._port.get(max(0.0, deadline - clock.now()))
            if result is not None and result.number == frame.number:
                return result.detections
            if self._port.results.closed:
                raise DetectorError("camera {}: the shared detector was closed".format(self._name))
        raise DetectorError("camera {}: the shared detector gave no result within {:g} s".format(self._name, self._timeout))

    def close(self):
        self._port.close()
