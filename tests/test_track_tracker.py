"""Short scenes played to the tracker."""
import math
import random
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.config import load_config
from edgecam.track import Motion, Tracker
from edgecam.vocabulary import CONFIRMED, LOST, TENTATIVE, Box, Detection


def seen(x, y=100, w=40, h=80, score=0.9, label="person"):
    return Detection(label, score, Box(float(x), float(y), float(w), float(h)))


def walk(tracker, times, speed=60.0, start=100.0, **looks):
    """One object walks to the right; returns the answers."""
    return [tracker.update([seen(start + speed * time, **looks)], time) for time in times]


def steps(hz, seconds, start=0.0):
    return [start + n / hz for n in range(int(seconds * hz) + 1)]


@pytest.mark.parametrize("hz", [30, 10, 5, 2])
def test_one_object_is_one_track_at_any_rate(hz):
    answers = walk(Tracker(), steps(hz, 4))
    assert {track.id for tracks in answers for track in tracks} == {1}
    last = answers[-1][0]
    assert last.state == CONFIRMED
    assert last.velocity[0] == pytest.approx(60, rel=0.15)
    assert last.age == pytest.approx(4) and last.seen == pytest.approx(4)


def test_irregular_times_and_skipped_frames():
    rng = random.Random(3)
    times = sorted(rng.uniform(0, 6) for _ in range(40))
    answers = walk(Tracker(), times)
    assert {track.id for tracks in answers for track in tracks} == {1}


@pytest.mark.parametrize("hz", [30, 5])
def test_at_goes_on_between_and_beyond_detections(hz):
    tracker = Tracker()
    walk(tracker, steps(hz, 3))
    near, far = tracker.at(3.1)[0], tracker.at(3.4)[0]
    assert near.box.x == pytest.approx(100 + 60 * 3.1, abs=3)
    assert far.box.x == pytest.approx(100 + 60 * 3.4, abs=6)
    assert far.sigma[0] > near.sigma[0] > 0
    assert tracker.at(3.1) == [near]                                # asking changes nothing


def test_a_strong_detection_is_confirmed_at_once_and_a_faint_one_never():
    tracker = Tracker()
    assert tracker.update([seen(100, score=0.95)], 0.0)[0].state == CONFIRMED
    tracker = Tracker()
    for time in steps(10, 3):
        for track in tracker.update([seen(100, score=0.2)], time):
            assert track.state == TENTATIVE


@pytest.mark.parametrize("hz", [30, 10, 5])
def test_a_detector_that_is_never_sure_is_believed_by_its_own_measure(hz):
    """The best it has ever said is 0.62: that is a strong detection then."""
    answers = walk(Tracker(), steps(hz, 2), score=0.62)
    assert {track.id for tracks in answers for track in tracks} == {1}
    assert answers[0][0].state == CONFIRMED


def test_each_label_has_its_own_usual_score():
    """Cars at 0.97 for minutes don't make persons at 0.6 incredible."""
    tracker = Tracker()
    for time in steps(10, 20):
        tracker.update([seen(300, score=0.97, label="car")], time)
    tracks = tracker.update([seen(300, score=0.97, label="car"), seen(100, score=0.6)], 20.1)
    assert [(track.label, track.state) for track in tracks] == [("car", CONFIRMED), ("person", CONFIRMED)]


def test_weak_detections_keep_a_confirmed_track():
    tracker = Tracker()
    walk(tracker, steps(10, 2))
    for time in steps(10, 1, start=2.1):
        tracks = tracker.update([seen(100 + 60 * time, score=0.15)], time)
        assert [(track.id, track.state) for track in tracks] == [(1, CONFIRMED)]


def test_hidden_for_a_while_it_is_lost_and_comes_back_as_itself():
    tracker = Tracker()
    walk(tracker, steps(10, 2))
    hidden = [tracker.update([], time) for time in steps(10, 0.8, start=2.1)]
    assert [track.state for track in hidden[-1]] == [LOST]
    again = tracker.update([seen(100 + 60 * 3.1)], 3.1)
    assert [(track.id, track.state) for track in again] == [(1, CONFIRMED)]


def test_memory_ends_and_the_id_is_not_given_again():
    tracker = Tracker(load_config().track.replace(memory=0.5))
    walk(tracker, steps(10, 1))
    for time in steps(10, 1, start=1.1):
        left = tracker.update([], time)
    assert left == []
    assert tracker.update([seen(160)], 2.2)[0].id == 2


def test_two_that_cross_keep_their_ids():
    tracker = Tracker()
    for time in steps(10, 4):
        tracks = tracker.update([seen(100 + 80 * time), seen(420 - 80 * time, y=130)], time)
    left, right = sorted(tracks, key=lambda track: track.box.x)
    assert (left.id, right.id) == (2, 1) or (right.velocity[0] > 0 > left.velocity[0])
    assert {track.id for track in tracks} == {1, 2}


def test_labels_go_by_majority():
    tracker = Tracker()
    for n, label in enumerate(["car", "car", "car", "truck", "car", "car"]):
        tracks = tracker.update([seen(100, label=label)], n * 0.1)
        assert [(track.id, track.label) for track in tracks] == [(1, "car")]
    for n in range(6, 26):
        tracks = tracker.update([seen(100, label="truck")], n * 0.1)
    assert [(track.id, track.label) for track in tracks] == [(1, "truck")]


def test_reset_forgets_but_goes_on_counting():
    tracker = Tracker()
    walk(tracker, steps(10, 1))
    tracker.reset()
    assert tracker.at(1.0) == []
    assert tracker.update([seen(10)], 0.0)[0].id == 2


def test_tracks_move_with_the_camera_also_lost_ones():
    tracker = Tracker()
    walk(tracker, steps(10, 2), speed=0)
    for n in range(20, 26):
        tracker.move(Motion(n / 10, (n + 1) / 10, np.array([[1.0, 0, 30], [0, 1, -5]]), 0.9))
        tracks = tracker.update([], (n + 1) / 10)
    assert tracks[0].state == LOST
    assert tracks[0].box.x == pytest.approx(100 + 6 * 30, abs=3)
    assert tracks[0].box.y == pytest.approx(100 - 6 * 5, abs=3)
    tracks = tracker.update([seen(280, 70)], 2.6)
    assert [track.id for track in tracks] == [1]


def test_a_detection_later_than_the_motion_is_carried_through_it():
    """The video lane is ahead: motions up to 1.2 s are known when the detections of 1.0 s come."""
    tracker = Tracker()
    walk(tracker, steps(10, 0.8), speed=0)
    for n in range(8, 12):
        tracker.move(Motion(n / 10, (n + 1) / 10, np.array([[1.0, 0, 20], [0, 1, 0]]), 0.9))
    assert tracker.at(1.2)[0].box.x == pytest.approx(180, abs=3)
    late = tracker.update([seen(140)], 1.0)[0]
    assert (late.id, late.box.x) == (1, pytest.approx(140, abs=3))
    assert tracker.at(1.2)[0].box.x == pytest.approx(180, abs=3)


def test_a_jerk_of_the_camera_is_read_from_the_boxes():
    tracker = Tracker(load_config().track.replace(motion="detections"))
    places = [(100, 100), (300, 140), (520, 90), (700, 200)]
    for time in steps(5, 2):
        tracker.update([seen(x, y) for x, y in places], time)
    tracks = tracker.update([seen(x + 36, y - 8) for x, y in places], 2.2)
    assert {track.id for track in tracks} == {1, 2, 3, 4}
    assert all(track.state == CONFIRMED for track in tracks)


# -- what must hold whatever comes ------------------------------------------------------------------

box = st.builds(Box, *[st.floats(-2000, 4000)] * 2 + [st.floats(0, 3000)] * 2)
detection = st.builds(Detection, st.sampled_from(["car", "person"]), st.floats(0, 1), box)
sizes = st.sampled_from([None, (960, 540), (16, 16)])
frames = st.lists(st.tuples(st.lists(detection, max_size=8), st.floats(-5, 30)), max_size=12)


def check(tracks):
    assert len({track.id for track in tracks}) == len(tracks)
    for track in tracks:
        assert track.id >= 1 and track.state in (TENTATIVE, CONFIRMED, LOST)
        assert all(math.isfinite(number) for number in track.box + track.velocity + track.sigma)
        assert track.box.w > 0 and track.box.h > 0 and min(track.sigma) >= 0


@settings(max_examples=100, deadline=None)
@given(frames, st.integers(0, 9999), sizes)
def test_any_input_in_any_order_of_detections(played, seed, size):
    rng = random.Random(seed)
    one, other = Tracker(size=size), Tracker(size=size)
    for detections, time in played:
        shuffled = list(detections)
        rng.shuffle(shuffled)
        tracks = one.update(detections, time)
        check(tracks)
        assert other.update(shuffled, time) == tracks
        check(one.at(time + 0.3))


@settings(max_examples=50, deadline=None)
@given(frames, sizes)
def test_ids_are_never_used_again(played, size):
    tracker, alive, gone = Tracker(size=size), set(), set()
    for detections, time in played:
        now = {track.id for track in tracker.update(detections, time)}
        assert not now & gone
        gone |= alive - now
        alive = now


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.floats(-40, 0), st.floats(-1e9, 0)), st.floats(0.1, 30))
def test_a_question_about_the_past_has_a_sane_answer(back, memory):
    """A live source that begins anew asks before any detection says so."""
    tracker = Tracker(load_config().track.replace(memory=memory), (960, 540))
    for n in range(10):
        tracker.update([seen(100 + 6 * n, w=40 + n)], 100 + n / 10)
    tracks = tracker.at(100.9 + back)
    assert not tracks or back >= -memory
    check(tracks)
    for track in tracks:
        assert track.age >= 0 and abs(track.box.x) < 2000 and track.box.w < 200


@pytest.mark.parametrize("time", [1e9, 3.0, -1e9])
def test_time_may_jump_or_stand_still(time):
    tracker = Tracker()
    walk(tracker, steps(10, 3))
    for _ in range(5):
        tracks = tracker.update([seen(300)], time)
        check(tracks)
    assert len([track for track in tracks if track.state == CONFIRMED]) == 1


def test_boxes_that_are_none_are_left_out():
    nan, huge = float("nan"), float("inf")
    tracker = Tracker()
    assert tracker.update([seen(nan), seen(1, w=0), seen(1, h=-5), seen(huge), seen(1, score=nan)], 0.0) == []
    assert [track.state for track in tracker.update([seen(100)], 0.1)] == [CONFIRMED]      # and they leave nothing behind


def test_what_is_no_box_teaches_no_usual_score():
    """After a flawless score somebody with 0.5 would be nobody."""
    nan, huge = float("nan"), float("inf")
    tracker = Tracker()
    tracker.update([seen(1, w=0, score=0.999), seen(nan, score=0.999), seen(1, h=-5, score=0.999), seen(1, score=huge)], 0.0)
    assert [track.state for track in tracker.update([seen(100, score=0.5)], 0.1)] == [CONFIRMED]


@pytest.mark.parametrize("huge", [1e7, 1e60, 1e155, 1e200, 1e308])
def test_a_box_beyond_any_picture_is_none(huge):
    tracker = Tracker(size=(960, 540))
    for n in range(4):
        tracks = tracker.update([seen(100), seen(10, w=huge, h=huge), seen(huge), seen(300, y=-huge)], n / 10)
        check(tracks)
    assert {track.id for track in tracks} == {1}


def test_boxes_outside_the_picture_are_tracked_like_others():
    answers = walk(Tracker(size=(640, 480)), steps(10, 3), start=-150.0)
    assert {track.id for tracks in answers for track in tracks} == {1}


def test_a_thousand_objects():
    rng = np.random.RandomState(2)
    places = rng.uniform(0, 8000, (1000, 2)) // 90 * 90
    places = np.unique(places, axis=0)
    tracker = Tracker()
    for time in steps(10, 0.5):
        tracks = tracker.update([seen(x + 20 * time, y) for x, y in places], time)
    assert len(tracks) == len(places)
    assert {track.id for track in tracks} == set(range(1, len(places) + 1))


def test_memory_is_bounded():
    rng = np.random.RandomState(2)
    tracker, most = Tracker(), 0
    for n in range(300):
        tracker.move(Motion(n / 10, (n + 1) / 10, np.array([[1.0, 0, 1], [0, 1, 0]]), 1.0))
        tracks = tracker.update([seen(x, y) for x, y in rng.uniform(0, 2000, (20, 2))], n / 10)
        most = max(most, len(tracks))
    assert most <= 20 * 16 and len(tracker._motions) <= 60


def test_at_is_safe_beside_update():
    """The video lane asks while the detector's lane writes: every answer is one whole book."""
    tracker, stop, failures = Tracker(), threading.Event(), []

    def ask():
        while not stop.is_set():
            try:
                check(tracker.at(2.0))
            except Exception as error:              # reported below, in the test's own thread
                failures.append(error)
                return

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        rng = np.random.RandomState(1)
        for n in range(200):
            tracker.move(Motion(n / 30, (n + 1) / 30, np.array([[1.0, 0, 1], [0, 1, 0]]), 1.0))
            tracker.update([seen(x, y) for x, y in rng.uniform(0, 500, (rng.randint(9), 2))], n / 30)
    finally:
        stop.set()
        asker.join()
    assert not failures
