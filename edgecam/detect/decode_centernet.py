"""CenterNet (Zhou et al., "Objects as Points", 2019): peaks of a heat map are the centres.

Outputs: heat map [1, classes, h, w], size [1, 2, h, w] (width, height) and, where there is one,
the centre's offset inside its cell [1, 2, h, w] (x, y), both in cells of the map.
"""
import numpy as np

from edgecam.detect.decode import Candidates, centred, expect, logit, output_name, sigmoid, take


def make(model, keys):
    """Return the decoder of a centernet description. Raises `ModelError`."""
    offset = output_name(keys, "offset", model) if keys.value("offset") is not None else None
    return CenterNetDecoder(model, output_name(keys, "heatmap", model), output_name(keys, "size", model), offset,
                            keys.number("stride", 1, 256, 4),
                            keys.choice("heatmap_activation", ("none", "sigmoid"), "sigmoid") == "sigmoid",
                            keys.choice("size_unit", ("cell", "pixel"), "cell"))


class CenterNetDecoder:
    """Finds the cells that no neighbour in 3x3 exceeds."""

    def __init__(self, model, heatmap, size, offset, stride, raw, unit):
        self._model, self._names = model, (heatmap, size, offset)
        self._stride, self._raw = stride, raw
        self._size_unit = stride if unit == "cell" else 1

    def decode(self, outputs, threshold):
        """Return the `Candidates` whose peak is at least *threshold*."""
        heat, size = (take(outputs, name, 3, self._model) for name in self._names[:2])
        expect(heat.shape[0] == len(self._model.labels), self._model, self._names[0], heat,
               "{} labels".format(len(self._model.labels)))
        expect(size.shape == (2,) + heat.shape[1:], self._model, self._names[1], size, "2 channels on the heat map's grid")
        label, row, column = peaks(heat, logit(threshold) if self._raw else threshold)
        scores = heat[label, row, column]
        x, y = column + 0.5, row + 0.5
        if self._names[2] is not None:
            offset = take(outputs, self._names[2], 3, self._model)
            x, y = column + offset[0, row, column], row + offset[1, row, column]
        w, h = size[:, row, column] * self._size_unit
        boxes = centred(x * self._stride, y * self._stride, w, h)
        return Candidates(boxes, sigmoid(scores) if self._raw else scores.astype(np.float32), label, label)


def peaks(heat, least):
    """Return (class, row, column) of cells in *heat* [classes, h, w] that are at least *least* and not below any of the
    eight around them.
    """
    label, row, column = np.nonzero(heat >= least)
    strongest = heat[label, row, column]
    peak = np.ones(len(label), bool)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            near_row = np.clip(row + down, 0, heat.shape[1] - 1)
            near_column = np.clip(column + right, 0, heat.shape[2] - 1)
            peak &= heat[label, near_row, near_column] <= strongest
    return label[peak], row[peak], column[peak]
