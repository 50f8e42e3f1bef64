"""The detection lane: every frame is looked at or counted, every answer is told once."""
import threading
import time

import pytest

from edgecam.config import load_config
from edgecam.detect.detector import Detector
from edgecam.errors import DetectorError
from edgecam.lanes import DetectionLane
from edgecam.stats import Stats
from edgecam.track import Tracker
from edgecam.vocabulary import Box, Detection
from test_contract_detector import picture


class Failing(Detector):
    """Falls over in its first frame, when that is the last one too."""

    def __init__(self):
        self.begun, self.fail = threading.Event(), threading.Event()

    def detect(self, frame, threshold=None):
        self.begun.set()
        assert self.fail.wait(20)
        raise DetectorError("the engine fell over")


class Held(Detector):
    """Sees one thing in each frame, and looks when it is told to."""

    def __init__(self):
        self.looks, self.begun = threading.Semaphore(0), threading.Semaphore(0)
        self.labels = []

    def detect(self, frame, threshold=None):
        self.begun.release()
        assert self.looks.acquire(timeout=20)
        self.labels.append("thing {}".format(len(self.labels)))
        return [Detection(self.labels[-1], 0.9, Box(10, 10, 20, 20))]


def lane_with(monkeypatch, detector):
    monkeypatch.setattr("edgecam.lanes.open_detector", lambda settings, background: detector)
    stats = Stats()
    return DetectionLane(load_config().detect, Tracker(), stats), stats


def test_a_detector_that_answers_twice_between_two_frames_is_heard_twice(monkeypatch):
    detector = Held()
    lane, stats = lane_with(monkeypatch, detector)
    with lane:
        for looks in (1, 1, 0):             # when it looks at the third one, the answers of the first two are out
            lane.offer(picture())
            assert detector.begun.acquire(timeout=20)
            for _ in range(looks):
                detector.looks.release()
        told = [lane.news() for _ in range(3)]
        detector.looks.release()
    assert [news and news[1][0].label for news in told] == ["thing 0", "thing 1", None]
    assert stats.detected == 3


def answer_when_closed(lane, detector):
    while not lane._newest.closed:          # the frame that waited has been taken out
        time.sleep(0.005)
    detector.looks.release()


def test_a_frame_that_still_waits_at_the_end_counts_as_not_looked_at(monkeypatch):
    detector = Held()
    lane, stats = lane_with(monkeypatch, detector)
    with lane:
        lane.offer(picture())
        assert detector.begun.acquire(timeout=20)
        lane.offer(picture())
        lane.offer(picture())
        leaving = threading.Thread(target=answer_when_closed, args=(lane, detector))
        leaving.start()
    leaving.join()
    assert (stats.detected, stats.skipped) == (1, 2)


def test_what_the_lane_dies_of_after_the_last_frame_is_raised(monkeypatch):
    detector = Failing()
    lane, _ = lane_with(monkeypatch, detector)
    with pytest.raises(DetectorError, match="fell over"):
        with lane:
            lane.offer(picture())
            assert detector.begun.wait(20)
            lane.check()
            detector.fail.set()


def test_a_failure_of_the_video_is_not_hidden_by_one_of_the_lane(monkeypatch):
    detector = Failing()
    lane, _ = lane_with(monkeypatch, detector)
    with pytest.raises(ValueError, match="the video"):
        with lane:
            lane.offer(picture())
            assert detector.begun.wait(20)
            detector.fail.set()
            raise ValueError("the video")
