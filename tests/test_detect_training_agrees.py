"""The runtime and the training code read the same grids alike and score the same boxes alike."""
import numpy as np
import pytest

from edgecam.detect.decode import open_decoder
from edgecam.detect.description import InputSpec, ModelDescription, ResizeSpec
from edgecam.detect.evaluation import precision as ours
from edgecam.detect.evaluation.labelled import Truth
from edgecam.detect.nms import nms
from train_scripts import importable

OUTPUTS = "cov4", "box4", "fine4", "cov8", "box8", "fine8"


@pytest.fixture
def training(monkeypatch):
    """The modules of scripts/train, importable."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    with importable(monkeypatch):
        yield


def test_the_same_boxes_from_the_same_grids(training):
    import detections
    import export
    import torch
    random, outputs = np.random.RandomState(1), {}
    for name in OUTPUTS:
        stride, channels = int(name[-1]), 12 if name.startswith("box") else 3
        middle, spread = {"cov": (-7, 1.6), "box": (1.2, 0.6), "fin": (0, 1)}[name[:3]]
        outputs[name] = random.normal(middle, spread, (1, channels, 544 // stride, 960 // stride)).astype(np.float32)
    theirs = detections.detect([torch.from_numpy(outputs[name]) for name in OUTPUTS])[0]
    model = ModelDescription("m", "m.json", "m.onnx", None, InputSpec("x", 960, 540), ResizeSpec(), OUTPUTS, export.decoder("full"),
                             ("person", "car", "bus", "truck", "two-wheeler"))
    boxes, scores, labels, groups = open_decoder(model).decode(outputs, detections.LEAST_SCORE)
    kept = nms(boxes, scores, groups, detections.NMS_IOU, 100000)
    for group in range(3):
        rows, mine = theirs[theirs[:, 5] == group], kept[groups[kept] == group][:detections.MOST]
        assert len(rows) == len(mine) == detections.MOST
        assert boxes[mine] == pytest.approx(rows[:, :4], abs=1e-3) and scores[mine] == pytest.approx(rows[:, 4], abs=1e-5)
        assert group != 1 or (labels[mine] == rows[:, 6] + 1).all()


def test_the_same_precision_from_the_same_boxes(training):
    import precision as theirs
    random = np.random.RandomState(2)
    for area in theirs.SIZES.values():
        one, two = ours.Tally(area), theirs.Tally(area)
        for _ in range(30):
            corner, size = random.uniform(0, 300, (8, 2)), random.uniform(12, 150, (8, 2))
            true, crowd = np.concatenate([corner, corner + size], axis=1), random.uniform(size=8) < 0.2
            found = np.repeat(true, 2, axis=0) + random.uniform(-5, 5, (16, 4))
            scores = random.uniform(size=16)
            one.add(found, scores, Truth(true, crowd), 1.3)
            two.add(np.column_stack([found, scores]), true, crowd, 1.3)
        assert tuple(one.score())[:2] == pytest.approx(two.result()[:2], abs=1e-9) and one.objects == two.objects
