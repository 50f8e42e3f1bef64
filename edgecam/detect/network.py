"""A detector around any engine: frame -> tensor -> network -> candidates -> detections.

An engine module offers ``open_engine(model, threads)``, whose result has `name`, `version`,
``run(tensor) -> {output: array}`` and `close`. The arrays are valid until the next run.
"""
import logging
import threading

import numpy as np

from edgecam.detect.decode import open_decoder
from edgecam.detect.detector import Detector, refuse_unknown
from edgecam.detect.letterbox import Letterbox
from edgecam.detect.nms import nms
from edgecam.detect.priority import build_lowered, lower_this_thread
from edgecam.vocabulary import Box, Detection

log = logging.getLogger(__name__)
CANDIDATES = 4096       # the best so many go into suppression; far more than any picture holds


class NetworkDetector(Detector):
    """Runs one described network on one engine."""

    def __init__(self, model, open_engine, settings):
        self._nice, self._lowered = settings.nice, None
        self.description, self.model = model, model.name
        self.labels, self.size = model.labels, (model.input.width, model.input.height)
        self._interpreter = Interpreter(model, settings)
        self.threshold = self._interpreter.threshold
        self._letterbox = Letterbox(model.input, model.resize)
        self._engine = build_lowered(self._nice, lambda: self._start(open_engine, settings))
        self.name, self.threads = self._engine.name, self._engine.threads

    def _start(self, open_engine, settings):
        """Open the engine and run it once: what does not fit is told now, and the first frame is not the slow one."""
        self.description.check_file()
        engine = open_engine(self.description, settings.threads)
        try:
            self._letterbox.tensor.fill(0)
            self._interpreter.decoder.decode(engine.run(self._letterbox.tensor), 1.0)
        except BaseException:
            engine.close()
            raise
        return engine

    def detect(self, frame, threshold=None):
        if threading.get_ident() != self._lowered:
            lower_this_thread(self._nice)
            self._lowered = threading.get_ident()
        outputs = self._engine.run(self._letterbox.fill(frame))
        return self.interpret(outputs, self.threshold if threshold is None else threshold)

    def interpret(self, outputs, threshold):
        """Return the detections in *outputs*, {name: array}, for the frame that was filled in last."""
        return self._interpreter.interpret(outputs, threshold, self._letterbox.boxes_to_frame)

    def bare_engine(self, frame):
        """Return a function of nothing that runs the network alone, on the tensor of *frame*: what benchmarks compare with."""
        tensor = self._letterbox.fill(frame)
        return lambda: self._engine.run(tensor)

    def close(self):
        self._engine.close()

    def __repr__(self):
        return "<{} on {}, {} threads>".format(self.model, self.name, self.threads)


class Interpreter:
    """From a network's outputs to detections, as the description and the settings want it."""

    def __init__(self, model, settings):
        self.labels = model.labels
        self.threshold = model.threshold if settings.threshold is None else settings.threshold
        self.iou = model.iou if settings.nms_iou is None else settings.nms_iou
        self.limit = settings.max_detections or model.max_detections
        self.wanted = wanted_labels(model, settings.classes)
        self.decoder = open_decoder(model)

    def interpret(self, outputs, threshold, to_frame):
        """Return the detections in *outputs*, {name: array}; ``to_frame(boxes)`` brings boxes of the input into the frame."""
        boxes, scores, labels, groups = self.decoder.decode(outputs, threshold)
        if self.wanted is not None:
            boxes, scores, labels, groups = select((boxes, scores, labels, groups), self.wanted[labels])
        if len(scores) > CANDIDATES:
            best = np.argpartition(-scores, CANDIDATES)[:CANDIDATES]
            boxes, scores, labels, groups = select((boxes, scores, labels, groups), best)
        kept = nms(boxes, scores, groups, self.iou, self.limit)
        return make_detections(self.labels, to_frame(boxes[kept]), scores[kept], labels[kept])


def make_detections(names, corners, scores, labels):
    """Make `Detection` values of columns; boxes that lie outside of the frame are left out, and what overflowed, as fp16 may."""
    sizes = corners[:, 2:] - corners[:, :2]
    inside = (sizes > 0).all(axis=1) & np.isfinite(scores)
    rows = zip(labels[inside].tolist(), scores[inside].tolist(), corners[inside].tolist(), sizes[inside].tolist())
    return [Detection(names[label], score, Box(corner[0], corner[1], size[0], size[1]))
            for label, score, corner, size in rows]


def select(columns, rows):
    return tuple(column[rows] for column in columns)


def wanted_labels(model, classes):
    """Return a bool per label of *model*, or None where all are wanted. Raises `ConfigError` for unknown ones."""
    refuse_unknown("detect.classes", classes, model.name, model.labels)
    return np.array([label in classes for label in model.labels]) if classes else None
