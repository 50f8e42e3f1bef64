"""SSD with suppression inside the network.

    layout "tf"       separate outputs: boxes [1, n, 4], scores [1, n], classes [1, n] and perhaps count [1]:
                      TensorFlow's object detection API; also torchvision's with a batch axis.
    layout "caffe"    one output [1, 1, n, 7] (DetectionOutput, and TensorRT's NMS of the UFF models in
                      jetson-inference): image, class, score, left, top, right, bottom; image -1 ends the list.

"box_order" is "yxyx" (TensorFlow) or "xyxy"; "normalised" boxes are fractions of the input. Classes
count from "first_class" (TensorFlow and Caffe keep 0 for the background, so theirs start at 1).
"""
import numpy as np

from edgecam.detect.decode import Candidates, expect, output_name


def make(model, keys):
    """Return the decoder of an ssd description. Raises `ModelError`."""
    layout = keys.choice("layout", ("tf", "caffe"), "tf")
    normalised = keys.take("normalised", bool, True)
    unit = np.array((model.input.width, model.input.height) * 2 if normalised else (1, 1, 1, 1), np.float32)
    first = int(keys.number("first_class", 0, 1000, 1))
    if layout == "caffe":
        return CaffeSsdDecoder(model, unit, first, output_name(keys, "detections", model))
    count = output_name(keys, "count", model) if keys.value("count") is not None else None
    names = [output_name(keys, key, model) for key in ("boxes", "scores", "classes")]
    return TfSsdDecoder(model, unit, first, names, count, keys.choice("box_order", ("yxyx", "xyxy"), "yxyx"))


class SsdDecoder:
    """What the layouts share."""

    def __init__(self, model, unit, first_class):
        self._model, self._unit, self._first = model, unit, first_class

    def _candidates(self, boxes, scores, classes, threshold):
        """Return those with a known class and a score of at least *threshold*; no two suppress each other."""
        labels = classes.astype(np.intp) - self._first
        good = (scores >= threshold) & (labels >= 0) & (labels < len(self._model.labels))
        return Candidates((boxes[good] * self._unit).astype(np.float32), scores[good].astype(np.float32), labels[good],
                          np.arange(int(good.sum())))


class TfSsdDecoder(SsdDecoder):
    """Reads boxes, scores and classes apart."""

    def __init__(self, model, unit, first_class, names, count, order):
        SsdDecoder.__init__(self, model, unit, first_class)
        self._names, self._count = names, count
        self._columns = [1, 0, 3, 2] if order == "yxyx" else [0, 1, 2, 3]

    def decode(self, outputs, threshold):
        """Return the `Candidates` with a score of at least *threshold*."""
        boxes, scores, classes = (outputs[name] for name in self._names)
        rows = scores.size
        expect(boxes.size == 4 * rows and boxes.shape[-1] == 4, self._model, self._names[0], boxes,
               "4 edges for each of {} scores".format(rows))
        expect(classes.size == rows, self._model, self._names[2], classes, "one class for each of {} scores".format(rows))
        used = int(np.nan_to_num(np.clip(float(outputs[self._count].reshape(-1)[0]), 0, rows))) if self._count else rows
        return self._candidates(boxes.reshape(-1, 4)[:used, self._columns], scores.reshape(-1)[:used],
                                classes.reshape(-1)[:used], threshold)


class CaffeSsdDecoder(SsdDecoder):
    """Reads rows of seven."""

    def __init__(self, model, unit, first_class, output):
        SsdDecoder.__init__(self, model, unit, first_class)
        self._output = output

    def decode(self, outputs, threshold):
        """Return the `Candidates` with a score of at least *threshold*."""
        table = outputs[self._output]
        expect(table.shape[-1] == 7 and table.size == table.shape[-2] * 7, self._model, self._output, table, "rows of 7 values")
        rows = table.reshape(-1, 7)
        ends = np.flatnonzero(rows[:, 0] < 0)
        rows = rows[:ends[0]] if len(ends) else rows
        return self._candidates(rows[:, 3:], rows[:, 2], rows[:, 1], threshold)
