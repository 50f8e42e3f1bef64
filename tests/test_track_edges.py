"""What the picture's edge cuts: objects that come in grow, and the tracker knows."""
import pytest

from edgecam.track import Tracker
from edgecam.vocabulary import Box, Detection

SIZE = (960, 540)
SPEED = 240.0           # pixels per second
LONG, WIDE = 300.0, 120.0


def truth(side, time):
    """What is seen of a car that drives in over one edge at time 0."""
    way = SPEED * time
    box = {"left": Box(way - LONG, 200, LONG, WIDE), "right": Box(960 - way, 200, LONG, WIDE),
           "top": Box(400, way - LONG, WIDE, LONG), "bottom": Box(400, 540 - way, WIDE, LONG)}[side]
    return box.clip(*SIZE)


def front(side, box):
    """Return how far the box reaches into the picture."""
    return {"left": box.right, "right": 960 - box.x, "top": box.bottom, "bottom": 540 - box.y}[side]


def drive(tracker, side, times):
    tracker.update([], -0.2)            # somebody watched before
    for time in times:
        tracker.update([Detection("car", 0.9, truth(side, time))], time)
    return tracker


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_what_appears_at_the_edge_is_expected_to_come_in(side):
    first = 0.2
    aware, blind = drive(Tracker(size=SIZE), side, [first]), drive(Tracker(), side, [first])
    here, later = truth(side, first), truth(side, first + 0.3)
    assert front(side, blind.at(first + 0.3)[0].box) == pytest.approx(front(side, here))
    reached = front(side, aware.at(first + 0.3)[0].box)
    assert front(side, here) + 10 < reached < front(side, later) + 10


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_the_cut_box_soon_grows_as_fast_as_the_object_drives(side):
    times = [0.2, 0.4, 0.6, 0.8]
    aware, blind = drive(Tracker(size=SIZE), side, times), drive(Tracker(), side, times)
    later = front(side, truth(side, 1.1))
    errors = [abs(front(side, tracker.at(1.1)[0].box) - later) for tracker in (aware, blind)]
    assert errors[0] < 15 and errors[0] < errors[1] / 2
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[side]
    assert front(opposite, aware.at(1.1)[0].box) >= front(opposite, truth(side, 0.8)) - 6      # the cut end stays at the edge, nearly


def test_what_stands_at_the_edge_when_the_watch_begins_is_not_expected_to_move():
    box = Box(0, 200, 100, 120)
    tracker = Tracker(size=SIZE)
    tracker.update([Detection("car", 0.9, box)], 0.0)
    assert tracker.at(0.3)[0].box == box
    tracker.update([], 50.0)                                   # and again after a long pause
    tracker.update([Detection("car", 0.9, box)], 100.0)
    assert tracker.at(100.3)[0].box == box


def test_a_person_who_stands_still_at_the_edge_is_soon_held_still():
    tracker, box = Tracker(size=SIZE), Box(0, 200, 60, 180)
    tracker.update([], -0.2)
    for n in range(6):
        tracker.update([Detection("person", 0.9, box)], n / 5)
    held = tracker.at(1.3)[0].box
    assert held.right == pytest.approx(box.right, abs=6) and held.x == pytest.approx(0, abs=6)


def test_away_from_the_edges_the_size_of_the_picture_changes_nothing():
    aware, blind = Tracker(size=SIZE), Tracker()
    for n in range(10):
        box = Box(200 + 12 * n, 200, 50, 100)
        assert aware.update([Detection("person", 0.8, box)], n / 5) == blind.update([Detection("person", 0.8, box)], n / 5)
        assert aware.at(n / 5 + 0.1) == blind.at(n / 5 + 0.1)


def test_a_box_that_fills_the_picture_is_not_cut_by_one_edge():
    tracker = Tracker(size=SIZE)
    tracker.update([], -0.2)
    tracker.update([Detection("bus", 0.9, Box(0, 0, 960, 540))], 0.0)
    assert tracker.at(0.3)[0].velocity == (0.0, 0.0)
