"""Non-maximum suppression against the definition, written as loops."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edgecam.detect.nms import BLOCK, nms
from edgecam.vocabulary import Box


def by_definition(boxes, scores, groups, iou, limit):
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: -scores[i]):
        box = Box.from_corners(*[float(edge) for edge in boxes[index]])
        rivals = [Box.from_corners(*[float(edge) for edge in boxes[other]]) for other in kept if groups[other] == groups[index]]
        if all(box.iou(rival) <= iou for rival in rivals):
            kept.append(index)
    return kept[:limit]


def random_boxes(seed, count, groups=3, span=100):
    random = np.random.RandomState(seed)
    corner = random.randint(0, span, (count, 2))
    boxes = np.concatenate([corner, corner + random.randint(1, 40, (count, 2))], axis=1).astype(np.float32)
    return boxes, random.permutation(count).astype(np.float32), random.randint(0, groups, count)


# No two boxes with sides of less than 40 whole pixels overlap by exactly so much, which rounding would decide.
LIMITS = [0.3001, 0.4501, 0.5501, 0.7001]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10 ** 6), count=st.integers(0, 60), iou=st.sampled_from(LIMITS))
def test_few_boxes_follow_the_definition(seed, count, iou):
    boxes, scores, groups = random_boxes(seed, count)
    assert nms(boxes, scores, groups, iou, 1000).tolist() == by_definition(boxes, scores, groups, iou, 1000)


@pytest.mark.parametrize("count", [BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_many_boxes_follow_the_definition_across_blocks(count):
    boxes, scores, groups = random_boxes(count, count, span=400)
    assert nms(boxes, scores, groups, 0.5, 5000).tolist() == by_definition(boxes, scores, groups, 0.5, 5000)


def test_limit_keeps_the_best():
    boxes, scores, groups = random_boxes(5, 700, span=3000)
    kept = nms(boxes, scores, groups, 0.5, 10)
    assert len(kept) == 10 and kept.tolist() == by_definition(boxes, scores, groups, 0.5, 10)


def test_groups_do_not_suppress_each_other():
    boxes = np.float32([[0, 0, 10, 10]] * 3)
    assert nms(boxes, np.float32([0.5, 0.9, 0.7]), np.array([0, 1, 0]), 0.5, 10).tolist() == [1, 2]


def test_of_equal_scores_the_first_stays():
    assert nms(np.float32([[0, 0, 10, 10]] * 3), np.float32([0.5] * 3), np.zeros(3, int), 0.5, 10).tolist() == [0]


def test_boxes_without_area_are_harmless():
    boxes = np.float32([[5, 5, 5, 5], [0, 0, 10, 10], [5, 5, 5, 5]])
    assert sorted(nms(boxes, np.float32([0.9, 0.8, 0.7]), np.zeros(3, int), 0.5, 10).tolist()) == [0, 1, 2]
