"""From a network's output tensors to candidate boxes: what the decoders share.

A decoder is made from a `ModelDescription`, whose `decoder` holds its numbers, and has one
method: ``decode(outputs, threshold) -> Candidates``. *outputs* maps names to arrays that still
carry the batch axis of 1. Each decoder compares raw scores with the threshold first, so that
exp and sigmoid are taken of few cells only.
"""
import importlib
import math
from typing import NamedTuple

import numpy as np

from edgecam.detect.description import Keys
from edgecam.errors import ModelError

MODULES = {kind: "edgecam.detect.decode_" + kind for kind in ("detectnet", "yolov3", "yolo", "centernet", "ssd")}


class Candidates(NamedTuple):
    """Boxes before suppression, in pixels of the network's input."""

    boxes: np.ndarray       # float32 [n, 4]: left, top, right, bottom
    scores: np.ndarray      # float32 [n], 0 to 1
    labels: np.ndarray      # int [n], index into the description's labels
    groups: np.ndarray      # int [n]: only boxes of one group suppress each other


NOTHING = Candidates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.intp), np.zeros(0, np.intp))


def join(parts):
    """Return one `Candidates` of several."""
    parts = [part for part in parts if len(part.scores)]
    return Candidates(*(np.concatenate(column) for column in zip(*parts))) if parts else NOTHING


def open_decoder(model):
    """Return the decoder of *model*. Raises `ModelError` where its numbers are wrong."""
    kind = model.decoder["kind"]
    if kind == "none":
        raise ModelError("{}: decoder.kind = none: its outputs are no boxes; it is there for edgecam bench detect, on tensorrt and torch".format(model.path))
    keys = Keys(model.path, "decoder.", model.decoder)
    keys.choice("kind", tuple(MODULES))
    decoder = importlib.import_module(MODULES[kind]).make(model, keys)
    keys.refuse_others()
    return decoder


def logit(probability):
    """Return the raw score whose sigmoid is *probability*; -inf and inf at the ends."""
    if probability <= 0:
        return -math.inf
    return math.log(probability / (1 - probability)) if probability < 1 else math.inf


def sigmoid(raw):
    """Return 1 / (1 + exp(-raw)) without overflow, as float32."""
    return (0.5 * (1 + np.tanh(0.5 * raw.astype(np.float32)))).astype(np.float32)


def bounded_exp(raw):
    """Return exp(raw), capped where a box would be larger than any picture."""
    return np.exp(np.minimum(raw.astype(np.float32), 12.0))


def take(outputs, name, dimensions, model):
    """Return output *name* without its batch axis. Raises `ModelError` unless it has *dimensions* axes left."""
    array = outputs[name]
    if array.ndim != dimensions + 1 or array.shape[0] != 1:
        raise ModelError("{}: output {} has shape {}, but the decoder {} expects {} axes with a batch of 1".format(
            model.file, name, "x".join(map(str, array.shape)), model.decoder["kind"], dimensions + 1))
    return array[0]


def expect(condition, model, name, array, words):
    """Raise `ModelError` about the shape of output *name* unless *condition*."""
    if not condition:
        raise ModelError("{}: output {} has shape {}, but its description calls for {}".format(
            model.file, name, "x".join(map(str, array.shape)), words))


def output_name(keys, key, model):
    """Return the output that *key* of the description names. Raises `ModelError` unless it is one of `output.names`."""
    name = keys.take(key, str)
    if name not in model.outputs:
        keys.fail(key, "one of output.names: " + ", ".join(model.outputs))
    return name


def centred(x, y, w, h):
    """Return corners [n, 4] of boxes given by their centres."""
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1).astype(np.float32)
