"""What drives the region plan in the benchmark: the detector and the tracker, as they would run live or frame by frame.

The detector runs once over the clip; each way of driving then takes those detections by the clock.
"""
import random

from edgecam.detect import open_detector
from edgecam.roi import RoiPlanner
from edgecam.track import Tracker, open_motion
from edgecam.vocabulary import NO_PLAN, Box, Detection


def detect_all(clip, settings, progress=iter):
    """Return (the model's name, the list of `Detection` of every frame)."""
    with open_detector(settings) as detector:
        return detector.model, [detector.detect(frame) for frame in progress(clip.frames())]


def no_plans(clip):
    return [NO_PLAN] * clip.count


def noisy(truth, seed=1, jitter=0.06, missed=0.1, false=0.02):
    """Return *truth* as a fair detector would see it.

    *jitter* is the standard deviation of each edge against the box's sides, *missed* the share of
    boxes that are not seen, *false* the chance of a frame to have a box that is not there.
    """
    dice = random.Random(seed)
    found = [[shaken(d, dice, jitter) for d in boxes if dice.random() >= missed] for boxes in truth]
    for boxes in found:
        if dice.random() < false:
            boxes.append(Detection("person", dice.uniform(0.3, 0.5), Box(dice.uniform(0, 900), dice.uniform(0, 480), 40, 60)))
    return found


def shaken(detection, dice, jitter):
    left, top, right, bottom = detection.box.corners
    w, h = jitter * detection.box.w, jitter * detection.box.h
    corners = [dice.gauss(value, spread) for value, spread in zip((left, top, right, bottom), (w, h, w, h))]
    return Detection(detection.label, min(0.99, max(0.3, dice.gauss(0.75, 0.12))), Box.from_corners(*corners))


def exact_plans(clip, detections, conf):
    """Plan with the detections of each frame itself."""
    driver = Driver(clip, conf)
    return [driver.plan(i, [(found, clip.time(i))]) for i, found in enumerate(detections)]


def live_plans(clip, detections, conf, rate, latency, held=False):
    """Plan with a detector that starts *rate* times a second and answers *latency* seconds later.

    It takes the newest frame each time. Tracks are carried forward to each frame's time, or, if
    *held*, stay where the latest detection left them.
    """
    driver, waiting, free = Driver(clip, conf, held), [], 0.0
    plans = []
    for index in range(clip.count):
        now = clip.time(index)
        ready = [entry for entry in waiting if entry[0] <= now + 1e-9]
        waiting = [entry for entry in waiting if entry[0] > now + 1e-9]
        if now >= free - 1e-9:
            waiting.append((now + latency, detections[index], now))
            free = max(free + 1 / rate, now)
        plans.append(driver.plan(index, [(found, at) for _, found, at in ready]))
    return plans


class Driver:
    """Tracker and planner, wired as in the pipeline."""

    def __init__(self, clip, conf, held=False):
        self._clip, self._held = clip, held
        self._frames = clip.frames()
        size = clip.format.width, clip.format.height
        self._tracker, self._motion = Tracker(conf.track, size), open_motion(conf.track)
        self._planner = RoiPlanner(conf.roi, size)
        self._latest = 0.0

    def plan(self, index, news):
        """Return the plan of frame *index*; *news* are (detections, time of their frame) that are ready by then."""
        frame = next(self._frames)
        if self._motion is not None and not self._held:
            motion = self._motion.observe(frame)
            if motion is not None:
                self._tracker.move(motion)
        for detections, time in news:
            self._tracker.update(detections, time)
            self._latest = time
        return self._planner.plan(self._tracks(frame.time), frame.time)

    def _tracks(self, time):
        if not self._held:
            return self._tracker.at(time)
        return [track._replace(velocity=(0.0, 0.0), sigma=(0.0, 0.0)) for track in self._tracker.at(self._latest)]
