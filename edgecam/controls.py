"""What can be changed while a pipeline runs: by the live page, or by anybody with its `View`."""
import json
import threading
from contextlib import suppress

from edgecam.standard import shorten

CAMERA = "camera."                                                      # before the names of the camera's own controls
SETTINGS = {"bitrate": "encode.bitrate", "roi": "roi.enabled", "roi_qp": "roi.qp", "threshold": "detect.threshold"}
REFUSALS = KeyError, ValueError, TypeError, RuntimeError, OSError       # how a camera says no


class Controls:
    """The knobs of one pipeline: bitrate, ROI on/off and QP offset, score threshold, and the camera's own.

    Names of camera controls have the prefix "camera.". Changes are made by the guest's
    thread, those of one guest after those of another; every knob is a single value that the lanes read once per frame.
    """

    BITRATE = 20000, 200000000          # bits per second
    OFFSET = -25, 0                     # QP of the regions against the rest

    def __init__(self, pipeline):
        self._camera, self._encoder, self._planner = pipeline.camera, pipeline.encoder, pipeline.planner
        self.bitrate, self._roi = pipeline.encoder.format.bitrate, pipeline.conf.roi
        self.threshold = None           # None: as the detector was opened, with that of the settings or the model's own
        self._first_threshold = pipeline.conf.detect.threshold
        self._changing = threading.Lock()
        self.changed = {}               # {setting: value} of what is no longer as the settings say

    def read(self):
        """Return {name: {"value", "min", "max", "step", "unit"}}."""
        knobs = {
            "bitrate": knob(self.bitrate, *self.BITRATE, step=10000, unit="bit/s"),
            "roi": {"value": self._roi.enabled, "type": "bool"},
            "roi_qp": knob(self._roi.qp, *self.OFFSET, step=1, unit="QP"),
            "threshold": knob(self._first_threshold if self.threshold is None else self.threshold, 0.01, 0.99, step=0.01),
        }
        for name, control in self._camera.controls().items():
            knobs[CAMERA + name] = control
        return knobs

    def change(self, changes):
        """Set some knobs, {name: value}, all of them or none.

        Raises `KeyError` for an unknown name, `ValueError` for a bad value, or one that the camera refuses.
        """
        own = {name: self._checked(name, value) for name, value in changes.items() if not name.startswith(CAMERA)}
        with self._changing:
            self._turn_camera({name[len(CAMERA):]: value for name, value in changes.items() if name.startswith(CAMERA)})
            for name, value in own.items():
                self._turn(name, value)

    def _checked(self, name, value):
        """Return *value* as the knob's own type; raises as `change` does, and changes nothing."""
        if name == "roi":
            if not isinstance(value, bool):
                raise ValueError("roi: expected true or false, not {}".format(shown(value)))
            return value
        if name == "threshold":
            return None if value is None else within(name, value, 0.01, 0.99)
        return int(within(name, value, *{"bitrate": self.BITRATE, "roi_qp": self.OFFSET}[name]))

    def _turn(self, name, value):
        """Set one of our own knobs to a value that was checked."""
        if name == "bitrate":
            self.bitrate = value
            self._encoder.set_bitrate(value)
        elif name == "threshold":
            self.threshold = value
        else:
            self._roi = self._roi.replace(**{SETTINGS[name].partition(".")[2]: value})
            self._planner.configure(self._roi)
        changed = dict(self.changed, **{SETTINGS[name]: value})
        self.changed = {key: now for key, now in changed.items() if now is not None}        # None: the first threshold again

    def _turn_camera(self, changes):
        """Set the camera's own controls; where it refuses one, those before it get their former values again."""
        before, turned = {name: entry["value"] for name, entry in self._camera.controls().items()} if changes else {}, []
        for name in changes:
            if name not in before:
                raise KeyError(CAMERA + name)
        try:
            for name, value in changes.items():
                self._camera.set_control(name, value)
                turned.append(name)
        except REFUSALS as error:
            for earlier in turned:
                with suppress(*REFUSALS):           # a camera that has gone has no values to keep
                    self._camera.set_control(earlier, before[earlier])
            raise ValueError("{}{}: {}".format(CAMERA, name, error)) from error


def knob(value, low, high, step, unit=""):
    return {"value": value, "type": "number", "min": low, "max": high, "step": step, "unit": unit}


def within(name, value, low, high):
    """Return *value* as a float between *low* and *high*, or raise `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError("{}: expected a number from {:.12g} to {:.12g}, not {}".format(name, low, high, shown(value)))
    return float(value)


def shown(value):
    """Return *value* as JSON, which is how it came, cut off where it is long."""
    return shorten(json.dumps(value, default=repr, ensure_ascii=False))
