"""Several cameras on one engine: how old their frames are when they are detected, how many were dropped, how busy the GPU is."""
import threading

import numpy as np

from edgecam import clock
from edgecam.bench.detect_measure import busy_nv12
from edgecam.bench.power_meter import PowerMeter
from edgecam.detect import open_detector
from edgecam.detect.batching import open_pool
from edgecam.errors import DetectorError
from edgecam.vocabulary import Frame
from edgecam.worker import Worker

WARM_UP = 1.0           # seconds before frames count
PATIENCE = 1.0          # seconds that the last frame's answer may take


class Camera:
    """Offers a frame at every tick of its own clock and notes the age of each when its detections are there.

    Frames of before the time *counts* warm up: they are offered like all others, but *offered*, *dropped* and `counted` leave them out.
    """

    def __init__(self, port, frame, rate, first, counts):
        self.ages, self.offered, self.dropped, self._counts = [], 0, 0, counts
        self._port, self._frame, self._period, self._first = port, frame, 1.0 / rate, first
        self._worker = Worker("camera-" + port.name, self._run).start()

    def _run(self, stopping):
        number = 0
        while not stopping.is_set():
            due = self._due(number)
            self._listen(due)
            with Frame(number, due, number, self._frame.format, self._frame.planes) as frame:
                self._offer(frame)
            number += 1
        self._listen(clock.now() + PATIENCE, number)

    def _due(self, number):
        return self._first + number * self._period

    def _offer(self, frame):
        """Offer *frame*, which may cost the one before it."""
        drops = self._port.drops
        self._port.offer(frame)
        self.offered += frame.time >= self._counts
        self.dropped += self._port.drops - drops if self._due(frame.number - 1) >= self._counts else 0

    def _listen(self, until, wanted=None):
        """Take results until a time, or until all *wanted* frames were detected or dropped."""
        while clock.now() < until and (wanted is None or len(self.ages) + self._port.drops < wanted):
            result = self._port.get(max(0.0, until - clock.now()))
            if result is not None:
                self.ages.append((result.time, clock.now() - result.time))

    def counted(self):
        """Return the ages of the frames that count."""
        return [age for born, age in self.ages if born >= self._counts]

    def stop(self):
        self._worker.stop(timeout=10)
        self._worker.check()


def run(settings, count, rate, size, seconds):
    """Return the figures of *count* cameras of *rate* frames a second for *seconds*. Raises what the detector raises."""
    settings = settings.replace(nice=0)
    open_detector(settings).close()                     # builds its plan, where it has none
    with open_pool(settings) as pool:
        wait_for(pool)
        frames = [busy_nv12(index, *size) for index in range(count)]
        paused, begun = threading.Event(), clock.now() + 0.2
        cameras = [Camera(pool.add(str(index)), frame, rate, begun + index / rate / count, begun + WARM_UP) for index, frame in enumerate(frames)]
        paused.wait(begun + WARM_UP - clock.now())         # watts and load, too, are those of the frames that count
        with PowerMeter() as meter:
            paused.wait(begun + WARM_UP + seconds - clock.now())
        for camera in cameras:
            camera.stop()
        ages = np.array([age for camera in cameras for age in camera.counted()])
        engine, = pool.engines
        offered, dropped = (sum(getattr(camera, name) for camera in cameras) for name in ("offered", "dropped"))
        return {"cameras": count, "rate": rate, "model": engine.detector.model, "engine": engine.detector.name, "batch": settings.batch,
                "seconds": seconds, "offered": offered, "detected": len(ages), "dropped": dropped, "frames per batch": round(engine.frames / engine.batches, 2),
                "age p50 ms": at(ages, 50), "age p99 ms": at(ages, 99), "age max ms": at(ages, 100), "gpu busy %": meter.busy, "watts": meter.watts}


def wait_for(pool):
    """Wait until every engine of *pool* is open."""
    pause = threading.Event()
    for engine in pool.engines:
        while engine.detector is None:
            engine.check()
            pause.wait(0.05)


def at(ages, percent):
    if not len(ages):
        raise DetectorError("no frame was detected")
    return round(1e3 * float(np.percentile(ages, percent)), 2)


def text(figures):
    return "".join("{:<18} {}\n".format(key, "-" if value is None else value) for key, value in figures.items())
