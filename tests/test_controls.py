"""What can be changed while running: all that was asked for, or nothing."""
import threading
from types import SimpleNamespace

import pytest

from edgecam.capture import Camera
from edgecam.config import load_config
from edgecam.controls import Controls
from edgecam.encode import Encoder
from edgecam.roi import RoiPlanner
from edgecam.vocabulary import StreamFormat


class Lens(Camera):
    """A camera with three controls, of which one can't be set while the other is."""

    def __init__(self):
        self.values = {"gain": 8, "exposure": 100, "focus": 5}

    def controls(self):
        return {name: {"value": value} for name, value in self.values.items()}

    def set_control(self, name, value):
        if name == "focus":
            raise OSError(16, "Device or resource busy")
        self.values[name] = value


class Rate(Encoder):
    format = StreamFormat("h264", 320, 180, 30, None, 1000000)

    def set_bitrate(self, bits_per_second):
        self.wanted = bits_per_second


@pytest.fixture
def pipeline():
    conf = load_config()
    return SimpleNamespace(camera=Lens(), encoder=Rate(), planner=RoiPlanner(conf.roi, (320, 180)), conf=conf)


def test_the_threshold_of_the_settings_is_shown_until_it_is_changed(pipeline):
    assert Controls(pipeline).read()["threshold"]["value"] is None          # the model's own
    pipeline.conf = load_config(overrides=["detect.threshold=0.6"])
    controls, seen = Controls(pipeline), []
    for value in (0.6, 0.4, None):
        seen.append(controls.read()["threshold"]["value"])
        controls.change({"threshold": value})
    assert seen == [0.6, 0.6, 0.4] and controls.read()["threshold"]["value"] == 0.6


def test_two_guests_change_one_after_the_other(pipeline):
    done, others = [], []

    def meanwhile(bits_per_second):
        other = threading.Thread(target=controls.change, args=({"roi": False},))
        other.start()
        other.join(0.2)                 # it would be over by then, did it not wait
        others.append(other)
        done.append("bitrate")
    pipeline.encoder.set_bitrate, pipeline.planner.configure = meanwhile, lambda settings: done.append("roi")
    controls = Controls(pipeline)
    controls.change({"bitrate": 500000})
    others[0].join()
    assert done == ["bitrate", "roi"] and controls.changed == {"encode.bitrate": 500000, "roi.enabled": False}


def test_what_was_changed_is_known_by_its_setting(pipeline):
    controls = Controls(pipeline)
    controls.change({"bitrate": 500000, "roi_qp": -3, "threshold": 0.5, "camera.gain": 9})
    assert controls.changed == {"encode.bitrate": 500000, "roi.qp": -3, "detect.threshold": 0.5}
    assert pipeline.encoder.wanted == 500000 and pipeline.camera.values["gain"] == 9
    controls.change({"threshold": None})
    assert controls.threshold is None and "detect.threshold" not in controls.changed


@pytest.mark.parametrize("changes, error", [
    ({"camera.gain": 9, "camera.exposure": 7, "camera.focus": 1, "bitrate": 500000}, ValueError), ({"camera.gain": 9, "bitrate": 1}, ValueError),
    ({"camera.gain": 9, "camera.zoom": 1}, KeyError), ({"roi": False, "wings": 2}, KeyError), ({"roi": False, "roi_qp": 1.0}, ValueError)])
def test_one_bad_value_leaves_all_as_it_was(pipeline, changes, error):
    controls = Controls(pipeline)
    before = controls.read()
    with pytest.raises(error) as caught:
        controls.change(changes)
    assert any(name in str(caught.value) for name in ("camera.focus: ", "bitrate", "camera.zoom", "wings", "roi_qp"))
    assert controls.read() == before and controls.changed == {} and not hasattr(pipeline.encoder, "wanted")


@pytest.mark.parametrize("name, value, words", [
    ("bitrate", None, "bitrate: expected a number from 20000 to 200000000, not null"), ("bitrate", "2M", 'to 200000000, not "2M"'),
    ("bitrate", True, "to 200000000, not true"), ("bitrate", float("inf"), "to 200000000, not Infinity"), ("threshold", 2, "from 0.01 to 0.99, not 2"),
    ("roi", None, "roi: expected true or false, not null"), ("roi", ["x" * 100], 'roi: expected true or false, not ["' + 55 * "x" + "...")])
def test_a_bad_value_is_told_as_it_was_sent(pipeline, name, value, words):
    with pytest.raises(ValueError) as caught:
        Controls(pipeline).change({name: value})
    assert str(caught.value).endswith(words)
