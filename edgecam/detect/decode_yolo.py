"""YOLOv5 to v11 as Ultralytics exports them, and whatever shares their layouts.

    style "v5"   [1, n, 5 + classes]: centre, size, objectness, class scores; score = objectness * class.
                 With "anchors" and "strides" the rows are still raw: xy = (2 s(t) - 0.5 + cell) * stride,
                 wh = (2 s(t))^2 * anchor, s the sigmoid; rows ordered by scale, anchor, row, column.
    style "v8"   [1, 4 + classes, n]: centre, size, class scores; also v9, v11, v12, YOLO-World.
    style "v10"  [1, n, 6]: left, top, right, bottom, score, class; made for no suppression.

Pixels of the input; with "normalised" true, fractions of it.
"""
import numpy as np

from edgecam.detect.decode import NOTHING, Candidates, centred, expect, logit, output_name, sigmoid, take
from edgecam.detect.description import are_anchors


def make(model, keys):
    """Return the decoder of a yolo description. Raises `ModelError`."""
    style = keys.choice("style", tuple(STYLES))
    output = output_name(keys, "output", model) if keys.value("output") is not None else model.outputs[0]
    return STYLES[style](model, keys, output)


class YoloDecoder:
    """What the styles share."""

    def __init__(self, model, keys, output):
        self._model, self._output = model, output
        self._raw_scores = keys.choice("score_activation", ("none", "sigmoid"), "none") == "sigmoid"
        size = (model.input.width, model.input.height) if keys.take("normalised", bool, False) else (1, 1)
        self._unit = np.array(size * 2, np.float32)

    def _table(self, outputs, columns, axis):
        """Return the output without its batch axis; its *axis* must be *columns* long."""
        table = take(outputs, self._output, 2, self._model)
        expect(table.shape[axis] == columns, self._model, self._output, table,
               "{} values per box ({} labels)".format(columns, len(self._model.labels)))
        return table

    def _least(self, threshold):
        return logit(threshold) if self._raw_scores else threshold

    def _score(self, values):
        return sigmoid(values) if self._raw_scores else values.astype(np.float32)

    def _boxes(self, xywh):
        """Return corners of [n, 4] centres and sizes."""
        return centred(*(xywh * self._unit).T)


class V8(YoloDecoder):
    """Anchor-free, one score per class, boxes along the last axis."""

    def decode(self, outputs, threshold):
        """Return the `Candidates` whose score is at least *threshold*, each box with its best class."""
        table = self._table(outputs, 4 + len(self._model.labels), 0)
        best = table[4:].max(axis=0)
        boxes = np.flatnonzero(best >= self._least(threshold))
        labels = table[4:, boxes].argmax(axis=0)
        return Candidates(self._boxes(table[:4, boxes].T), self._score(best[boxes]), labels, labels)


class V5(YoloDecoder):
    """With objectness; raw where the description gives anchors."""

    def __init__(self, model, keys, output):
        YoloDecoder.__init__(self, model, keys, output)
        self._cells = None
        if keys.value("anchors") is not None:
            self._raw_scores = True
            self._cells = cell_table(keys, model)

    def decode(self, outputs, threshold):
        """Return the `Candidates` whose score is at least *threshold*, each box with its best class."""
        table = self._table(outputs, 5 + len(self._model.labels), 1)
        rows = np.flatnonzero(table[:, 4] >= self._least(threshold))        # objectness alone bounds the score
        if not len(rows):
            return NOTHING
        values = table[rows].astype(np.float32)
        labels = values[:, 5:].argmax(axis=1)
        scores = self._score(values[:, 4]) * self._score(values[np.arange(len(rows)), 5 + labels])
        good = scores >= threshold
        xywh = values[good, :4] if self._cells is None else self._from_cells(values[good, :4], rows[good], table)
        return Candidates(self._boxes(xywh), scores[good], labels[good], labels[good])

    def _from_cells(self, values, rows, table):
        expect(len(table) == len(self._cells), self._model, self._output, table,
               "{} rows by its anchors and strides".format(len(self._cells)))
        column, row, stride, width, height = self._cells[rows].T
        part = 2 * sigmoid(values)
        return np.stack([(part[:, 0] - 0.5 + column) * stride, (part[:, 1] - 0.5 + row) * stride,
                         part[:, 2] ** 2 * width, part[:, 3] ** 2 * height], axis=1)


def cell_table(keys, model):
    """Return float [rows, 5] for v5's raw rows: column, row, stride, anchor width, anchor height."""
    strides, anchors = keys.numbers("strides"), keys.take("anchors", list)
    if not all(1 <= stride <= 256 for stride in strides):
        keys.fail("strides", "numbers from 1 to 256")
    if len(anchors) != len(strides) or not all(map(are_anchors, anchors)):
        keys.fail("anchors", "a list of [width, height] pairs for each of the {} strides".format(len(strides)))
    parts = []
    for stride, pairs in zip(strides, anchors):
        height, width = int(model.input.height // stride), int(model.input.width // stride)
        for anchor_width, anchor_height in pairs:
            row, column = np.mgrid[:height, :width].reshape(2, -1)
            rest = np.full(len(row), stride), np.full(len(row), anchor_width), np.full(len(row), anchor_height)
            parts.append(np.stack((column, row) + rest, axis=1))
    return np.concatenate(parts).astype(np.float32)


class V10(YoloDecoder):
    """End to end: rows of finished boxes, best first."""

    def decode(self, outputs, threshold):
        """Return the `Candidates` whose score is at least *threshold*; no two suppress each other."""
        table = self._table(outputs, 6, 1)
        rows = table[np.flatnonzero(table[:, 4] >= self._least(threshold))]
        labels = rows[:, 5].astype(np.intp)
        known = (labels >= 0) & (labels < len(self._model.labels))
        rows, labels = rows[known], labels[known]
        return Candidates((rows[:, :4] * self._unit).astype(np.float32), self._score(rows[:, 4]), labels, np.arange(len(rows)))


STYLES = {"v5": V5, "v8": V8, "v10": V10}
