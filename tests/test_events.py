"""What an event says of a frame."""
from edgecam.events import qp_dict
from edgecam.vocabulary import Box, Plan, Region

LEFT = Region(Box(0, 0, 160, 240), -12)


def told(*regions):
    return qp_dict(30.0, Plan(0.0, regions), (320, 240))


def test_the_qps_inside_and_outside_average_to_the_frames():
    assert told(LEFT) == {"frame": 30.0, "inside": 24.0, "outside": 36.0}
    assert told() == {"frame": 30.0, "inside": None, "outside": None}


def test_regions_that_overlap_count_once():
    assert told(LEFT, LEFT) == told(LEFT)
    assert told(LEFT, LEFT._replace(box=Box(80, 0, 80, 240))) == told(LEFT)
    assert told(LEFT._replace(box=Box(400, 0, 80, 240))) == told()
