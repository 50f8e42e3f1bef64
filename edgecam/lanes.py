"""The detection lane: the newest frame only, in a thread of its own, beside the video that never waits."""
import logging
from collections import deque

from edgecam import clock
from edgecam.detect import has_detector, open_detector
from edgecam.vocabulary import Frame
from edgecam.worker import Latest, Worker

log = logging.getLogger(__name__)


class DetectionLane:
    """Detects in the newest frame offered and tells the tracker; frames it can't keep up with are skipped and counted.

    The detector is opened, used and closed by the lane's own thread (CUDA contexts and thread
    priorities belong to threads); video flows while it loads.
    """

    def __init__(self, settings, tracker, stats):
        self._settings, self._tracker, self._stats = settings, tracker, stats
        self._looks = has_detector(settings)
        self._newest = Latest(dropped=self._skip)
        self._news = deque()                # a frame brings one answer at most and takes one along: never more than a few
        self.detector = None
        self.threshold = None               # replaces the model's own while running
        self._worker = Worker("detect", self._run, on_exit=self._newest.close)

    def __enter__(self):
        self._worker.start()
        return self

    def __exit__(self, kind, *rest):
        self._newest.close()
        left = self._newest.get(timeout=0)
        if left is not None:
            self._skip(left)
        self._worker.stop(timeout=60)       # a large network on a slow board takes its time
        if kind is None:
            self.check()                    # it may have died after the last frame, as where a model can't be loaded and the video is short

    def offer(self, frame):
        """Leave *frame* for the detector, if there is one; it takes the newest when it is ready."""
        if self._looks and self._worker.alive:
            self._newest.put(frame.hold())

    def news(self):
        """Return (frame time, detections) of the earliest frame whose were found and not told yet, or None.

        A fast detector may answer twice between two frames; what it said first is not lost then, and the next frame tells the second.
        """
        return self._news.popleft() if self._news else None

    def check(self):
        """Raise what the lane died of, if it did."""
        self._worker.check()

    def _skip(self, frame: Frame):
        frame.release()
        self._stats.skip()

    def _run(self, stopping):
        with open_detector(self._settings, background=True) as detector:
            self.detector = detector
            while not stopping.is_set():
                frame = self._newest.get(timeout=0.5)
                if frame is None:
                    if self._newest.closed:
                        return
                    continue
                with frame:
                    if detector.prepare():
                        self._look(detector, frame)
                    else:
                        self._stats.skip()

    def _look(self, detector, frame):
        started = clock.now()
        detections = detector.detect(frame, self.threshold)
        found = clock.now()
        self._tracker.update(detections, frame.time)
        self._news.append((frame.time, detections))
        self._stats.stages["detect"].add(found - started)
        self._stats.stages["track"].add(clock.now() - found)
        self._stats.detection(found)
