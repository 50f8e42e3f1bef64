"""DetectNet: grids of coverage and box edges, of any stride; ours and NVIDIA's.

Our coding "ltrb-exp" gives the distances from a cell's centre to the four edges as
exp(z) * stride. NVIDIA's "corners" (Caffe's detectnet_coverage_rectangular.cpp, jetson-inference's
detectNet) gives the edges relative to the cell's top left corner in pixels; in DetectNet_v2
(TAO, ResNet-10) relative to its centre, in units of `box_norm` and with the first two negated.
"""
from typing import NamedTuple, Optional

import numpy as np

from edgecam.detect.decode import Candidates, bounded_exp, expect, join, logit, output_name, sigmoid, take


class Grid(NamedTuple):
    """One resolution: the names of its outputs and the sizes that it answers for."""

    stride: int                     # pixels of the input per cell
    coverage: str                   # output [1, groups, h, w]
    boxes: str                      # output [1, 4 or 4 * groups, h, w]
    fine: Optional[str]             # output [1, fine labels, h, w]
    min_size: float                 # sqrt(width * height) of a box, in pixels of the input
    max_size: float


class Group(NamedTuple):
    """One coverage channel, and the labels it can mean."""

    labels: np.ndarray              # int: into the model's labels; several are told apart by...
    channels: Optional[slice]       # ...these channels of the fine output


def make(model, keys):
    """Return the decoder of a detectnet description. Raises `ModelError`."""
    grids = [read_grid(grid, model) for grid in keys.objects("grids")]
    encoding = keys.choice("box_encoding", tuple(ENCODINGS))
    return DetectNetDecoder(
        model, grids, read_groups(keys, model), shared=keys.take("boxes_shared", bool, False),
        raw=keys.choice("coverage_activation", ("none", "sigmoid"), "none") == "sigmoid", encoding=ENCODINGS[encoding],
        norm=keys.number("box_norm", 1e-6, 1e6, None), offset=keys.number("cell_offset", 0, 1, 0))


def read_grid(keys, model):
    fine = output_name(keys, "fine", model) if keys.value("fine") is not None else None
    return Grid(int(keys.number("stride", 1, 256)), output_name(keys, "coverage", model), output_name(keys, "boxes", model),
                fine, keys.number("min_size", 0, 1e6, 0), keys.number("max_size", 0, 1e6, np.inf))


def read_groups(keys, model):
    """Return the `Group` of each coverage channel; their fine channels follow each other in order."""
    groups, channel = [], 0
    for entry in keys.objects("groups", [{"label": label} for label in model.labels]):
        label, several = entry.take("label", str, None), entry.value("fine") is not None
        names = entry.texts("fine") if several else (label or entry.take("label", str),)
        unknown = [name for name in names if name not in model.labels]
        if unknown:
            entry.fail("fine" if several else "label", "names that stand in labels: " + ", ".join(model.labels))
        span = slice(channel, channel + len(names)) if len(names) > 1 else None
        channel = span.stop if span else channel
        groups.append(Group(np.array([model.labels.index(name) for name in names]), span))
    return tuple(groups)


class DetectNetDecoder:
    """Reads coverage and box grids."""

    def __init__(self, model, grids, groups, shared, raw, encoding, norm, offset):
        self._model, self._grids, self._groups = model, grids, groups
        self._shared, self._raw = shared, raw
        self._corners, self._norm, self._offset = encoding, norm, offset

    def decode(self, outputs, threshold):
        """Return the `Candidates` whose coverage is at least *threshold*."""
        return join([self._decode_grid(grid, outputs, self.least(threshold)) for grid in self._grids])

    def least(self, threshold):
        """Return what raw coverage must reach for a score of *threshold*."""
        return logit(threshold) if self._raw else threshold

    def layout(self):
        """Return what another decoder of the same grids needs: cuda/suppression.py, on the GPU."""
        kind = 0 if self._corners is ltrb_exp else 1 if self._norm is None else 2
        return {"grids": self._grids, "groups": self._groups, "shared": self._shared, "raw": self._raw, "corners": kind,
                "norm": self._norm or 1, "offset": self._offset}

    def _decode_grid(self, grid, outputs, least):
        coverage, boxes = take(outputs, grid.coverage, 3, self._model), take(outputs, grid.boxes, 3, self._model)
        self._check(grid, coverage, boxes)
        cells = np.flatnonzero(coverage.reshape(-1) >= least)
        plane = coverage.shape[1] * coverage.shape[2]
        groups, places = cells // plane, cells % plane
        y, x = places // coverage.shape[2], places % coverage.shape[2]
        channels = np.zeros_like(groups) if self._shared else 4 * groups
        edges = boxes.reshape(-1, plane)[channels[:, None] + np.arange(4), places[:, None]]
        corners = self._corners(edges, x, y, grid.stride, self._norm, self._offset)
        size = np.sqrt(np.maximum(corners[:, 2] - corners[:, 0], 0) * np.maximum(corners[:, 3] - corners[:, 1], 0))
        ours = (size >= grid.min_size) & (size < grid.max_size)
        groups, places, scores = groups[ours], places[ours], coverage.reshape(-1)[cells[ours]]
        scores = sigmoid(scores) if self._raw else scores.astype(np.float32)
        return Candidates(corners[ours], scores, self._labels(grid, outputs, groups, places), groups)

    def _labels(self, grid, outputs, groups, places):
        """Return the label of each cell: its group's, or the strongest of the group's fine channels there."""
        labels = np.array([group.labels[0] for group in self._groups])[groups]
        fine = take(outputs, grid.fine, 3, self._model) if grid.fine else None
        for index, group in enumerate(self._groups):
            if fine is not None and group.channels is not None:
                members = np.flatnonzero(groups == index)
                logits = fine[group.channels].reshape(len(group.labels), -1)[:, places[members]]
                labels[members] = group.labels[logits.argmax(axis=0)]
        return labels

    def _check(self, grid, coverage, boxes):
        expect(coverage.shape[0] == len(self._groups), self._model, grid.coverage, coverage,
               "{} groups".format(len(self._groups)))
        wanted = 4 if self._shared else 4 * len(self._groups)
        expect(boxes.shape == (wanted,) + coverage.shape[1:], self._model, grid.boxes, boxes,
               "{} channels on the coverage's grid {}x{}".format(wanted, *coverage.shape[1:]))


def ltrb_exp(edges, x, y, stride, norm, offset):
    """Corners from exp-coded distances to the cell's centre."""
    centre = (np.stack([x, y, x, y], axis=1) + 0.5) * stride
    return (centre + bounded_exp(edges) * (np.array([-1, -1, 1, 1]) * stride)).astype(np.float32)


def corners(edges, x, y, stride, norm, offset):
    """NVIDIA's corners: relative to the cell, or with *norm* in DetectNet_v2's normalised coding."""
    cell = np.stack([x, y, x, y], axis=1) * stride
    if norm is None:
        return (edges + cell).astype(np.float32)
    centre = (cell + offset) / norm
    signs = np.array([-1, -1, 1, 1])
    return (norm * (signs * edges + centre)).astype(np.float32)


ENCODINGS = {"ltrb-exp": ltrb_exp, "corners": corners}
