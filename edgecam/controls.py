"""What can be changed while a pipeline runs: by the live page, or by anybody with its `View`."""


class Controls:
    """The knobs of one pipeline: bitrate, ROI on/off and QP offset, score threshold, and the camera's own.

    Names of camera controls have the prefix "camera.". Changes are made by the guest's
    thread; every knob is a single value that the lanes read once per frame.
    """

    BITRATE = 20000, 200000000          # bits per second
    OFFSET = -25, 0                     # QP of the regions against the rest

    def __init__(self, pipeline):
        self._camera, self._encoder, self._planner = pipeline.camera, pipeline.encoder, pipeline.planner
        self._bitrate, self._roi = pipeline.encoder.format.bitrate, pipeline.conf.roi
        self.threshold = None           # None: the model's own

    def read(self):
        """Return {name: {"value", "min", "max", "step", "unit"}}."""
        knobs = {
            "bitrate": knob(self._bitrate, *self.BITRATE, step=10000, unit="bit/s"),
            "roi": {"value": self._roi.enabled, "type": "bool"},
            "roi_qp": knob(self._roi.qp, *self.OFFSET, step=1, unit="QP"),
            "threshold": knob(self.threshold, 0.01, 0.99, step=0.01),
        }
        for name, control in self._camera.controls().items():
            knobs["camera." + name] = control
        return knobs

    def change(self, name, value):
        """Set one knob. Raises `KeyError` for an unknown name, `ValueError` for a bad value."""
        if name.startswith("camera."):
            return self._camera.set_control(name[len("camera."):], value)
        changes = {"bitrate": self._set_bitrate, "roi": self._set_roi, "roi_qp": self._set_offset,
                   "threshold": self._set_threshold}
        changes[name](value)

    def _set_bitrate(self, value):
        self._bitrate = int(within("bitrate", value, *self.BITRATE))
        self._encoder.set_bitrate(self._bitrate)

    def _set_roi(self, value):
        if not isinstance(value, bool):
            raise ValueError("roi: expected true or false, not {!r}".format(value))
        self._plan_by(enabled=value)

    def _set_offset(self, value):
        self._plan_by(qp=int(within("roi_qp", value, *self.OFFSET)))

    def _plan_by(self, **changes):
        self._roi = self._roi.replace(**changes)
        self._planner.configure(self._roi)

    def _set_threshold(self, value):
        self.threshold = None if value is None else within("threshold", value, 0.01, 0.99)


def knob(value, low, high, step, unit=""):
    return {"value": value, "type": "number", "min": low, "max": high, "step": step, "unit": unit}


def within(name, value, low, high):
    """Return *value* as a float between *low* and *high*, or raise `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError("{}: expected a number from {:g} to {:g}, not {!r}".format(name, low, high, value))
    return float(value)
