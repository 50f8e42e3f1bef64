"""YOLOv3: three scales with three anchors each (Redmon and Farhadi, 2018), as Darknet and its ONNX exports give them.

Each scale's output is [1, anchors * (5 + classes), h, w], or with the last two steps done
[1, h, w, anchors, 5 + classes]; raw scores. x = (sigmoid(tx) + column) * stride, w = anchor * exp(tw).
"""
from typing import NamedTuple

import numpy as np

from edgecam.detect.decode import Candidates, bounded_exp, centred, join, logit, output_name, sigmoid
from edgecam.detect.description import are_anchors
from edgecam.errors import ModelError


class Scale(NamedTuple):
    """One output and the anchors it predicts, in pixels of the input."""

    output: str
    stride: int
    anchors: np.ndarray         # float [n, 2]: width, height


def make(model, keys):
    """Return the decoder of a yolov3 description. Raises `ModelError`."""
    scales = []
    for entry in keys.objects("scales"):
        anchors = entry.take("anchors", list)
        if not are_anchors(anchors):
            entry.fail("anchors", "a list of [width, height] in pixels of the input")
        scales.append(Scale(output_name(entry, "output", model), int(entry.number("stride", 1, 256)), np.array(anchors, np.float32)))
    return YoloV3Decoder(model, scales)


class YoloV3Decoder:
    """Reads anchored scales: score = sigmoid(objectness) * sigmoid(class)."""

    def __init__(self, model, scales):
        self._model, self._scales = model, scales

    def decode(self, outputs, threshold):
        """Return the `Candidates` whose score is at least *threshold*, each cell with its best class."""
        return join([self._decode_scale(scale, outputs[scale.output], threshold) for scale in self._scales])

    def _decode_scale(self, scale, output, threshold):
        cells = self._rows(scale, output)                           # [anchors, h, w, 5 + classes], a view
        anchor, row, column = np.nonzero(cells[..., 4] >= logit(threshold))     # objectness alone bounds the score
        values = cells[anchor, row, column].astype(np.float32)
        labels = values[:, 5:].argmax(axis=1)
        scores = sigmoid(values[:, 4]) * sigmoid(values[np.arange(len(values)), 5 + labels])
        good = scores >= threshold
        values, labels = values[good], labels[good]
        centre = (sigmoid(values[:, :2]) + np.stack([column[good], row[good]], axis=1)) * scale.stride
        size = scale.anchors[anchor[good]] * bounded_exp(values[:, 2:4])
        return Candidates(centred(centre[:, 0], centre[:, 1], size[:, 0], size[:, 1]), scores[good], labels, labels)

    def _rows(self, scale, output):
        channels, count = 5 + len(self._model.labels), len(scale.anchors)
        if output.ndim == 5 and output.shape[0] == 1 and output.shape[3:] == (count, channels):
            return output[0].transpose(2, 0, 1, 3)
        if output.ndim == 4 and output.shape[:2] == (1, count * channels):
            return output[0].reshape((count, channels) + output.shape[2:]).transpose(0, 2, 3, 1)
        raise ModelError("{}: output {} has shape {}, but {} anchors and {} labels call for 1x{}xHxW or 1xHxWx{}x{}".format(
            self._model.file, scale.output, "x".join(map(str, output.shape)), count, len(self._model.labels),
            count * channels, count, channels))
