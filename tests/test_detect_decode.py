"""Each decoder against a second implementation in plain loops, over random tensors, and against values known from print."""
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edgecam.detect.decode import open_decoder
from edgecam.detect.description import InputSpec, ModelDescription, ResizeSpec
from edgecam.detect.network import make_detections
from edgecam.errors import ModelError

SIZE = 64, 48           # of the input: width, height


def describe(decoder, outputs, labels=("a", "b", "c"), size=SIZE):
    return ModelDescription("m", "m.json", "m.onnx", None, InputSpec("x", *size), ResizeSpec(), tuple(outputs), decoder, tuple(labels))


def decode(decoder, outputs, threshold=0.3, **kwargs):
    return open_decoder(describe(decoder, sorted(outputs), **kwargs)).decode(outputs, threshold)


def s(raw):
    return 1 / (1 + math.exp(-raw))


def rows(candidates):
    """As a sorted list of (label, group, score, box) to compare."""
    return sorted((int(label), round(float(score), 4)) + tuple(round(float(edge), 2) for edge in box)
                  for box, score, label, group in zip(*candidates))


def assert_same(candidates, expected):
    found, wanted = rows(candidates), sorted((label, round(score, 4)) + tuple(round(edge, 2) for edge in box) for label, score, box in expected)
    assert len(found) == len(wanted) and len(wanted) > 0
    for one, two in zip(found, wanted):
        assert one == pytest.approx(two, abs=0.02)


def normal(seed, *shape):
    return np.random.RandomState(seed).normal(0, 1.5, shape).astype(np.float32)


OURS = {"kind": "detectnet", "coverage_activation": "sigmoid", "box_encoding": "ltrb-exp",
        "grids": [{"stride": 4, "coverage": "cov4", "boxes": "box4", "fine": "fine4", "min_size": 0, "max_size": 12},
                  {"stride": 8, "coverage": "cov8", "boxes": "box8", "fine": "fine8", "min_size": 12, "max_size": None}],
        "groups": [{"label": "person"}, {"label": "vehicle", "fine": ["car", "bus", "truck"]}, {"label": "two-wheeler"}]}
OUR_LABELS = "person", "car", "bus", "truck", "two-wheeler"


def our_outputs(seed):
    return {name + str(stride): normal(seed + stride + len(name) * channels, 1, channels, SIZE[1] // stride, SIZE[0] // stride)
            for stride in (4, 8) for name, channels in (("cov", 3), ("box", 12), ("fine", 3))}


def our_boxes(outputs, threshold):
    """Our DetectNet, cell by cell."""
    found = []
    for stride, low, high in ((4, 0, 12), (8, 12, 1e9)):
        cov, box, fine = (outputs[name + str(stride)][0] for name in ("cov", "box", "fine"))
        for group in range(3):
            for y in range(cov.shape[1]):
                for x in range(cov.shape[2]):
                    left, top, right, bottom = [math.exp(box[4 * group + k, y, x]) * stride for k in range(4)]
                    size = math.sqrt((left + right) * (top + bottom))
                    if s(cov[group, y, x]) < threshold or not low <= size < high:
                        continue
                    cx, cy = (x + 0.5) * stride, (y + 0.5) * stride
                    label = (0, 1 + int(np.argmax(fine[:, y, x])), 4)[group]
                    found.append((label, s(cov[group, y, x]), (cx - left, cy - top, cx + right, cy + bottom)))
    return found


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.8])
def test_our_detectnet(threshold):
    outputs = our_outputs(3)
    found = decode(OURS, outputs, threshold, labels=OUR_LABELS)
    assert_same(found, our_boxes(outputs, threshold))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10 ** 6), threshold=st.floats(0.02, 0.98))
def test_our_detectnet_keeps_its_promises(seed, threshold):
    boxes, scores, labels, groups = decode(OURS, our_outputs(seed), threshold, labels=OUR_LABELS)
    assert (scores >= threshold - 1e-4).all() and (scores <= 1).all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all() and np.isfinite(boxes).all()
    assert (groups[(labels >= 1) & (labels <= 3)] == 1).all() and (groups[labels == 4] == 2).all() and (groups[labels == 0] == 0).all()


def test_detectnet_survives_huge_values():
    outputs = our_outputs(1)
    outputs["box8"][...] = 300
    outputs["cov8"][...] = 90
    boxes, scores, _, _ = decode(OURS, outputs, 0.5, labels=OUR_LABELS)
    assert np.isfinite(boxes).all() and scores.max() == 1.0


def nvidia(**changes):
    return dict({"kind": "detectnet", "box_encoding": "corners", "boxes_shared": True, "coverage_activation": "none",
                 "grids": [{"stride": 4, "coverage": "coverage", "boxes": "bboxes"}], "groups": [{"label": "car"}]}, **changes)


@pytest.mark.parametrize("cell, corner", [(0, (0, 0)), (239, (956, 0)), (240, (0, 4)), (31679, (956, 524))])
def test_nvidia_half_hd_check_values(cell, corner):
    coverage = np.zeros((1, 1, 132, 240), np.float32)
    coverage.reshape(-1)[cell] = 0.9
    boxes, scores, _, _ = decode(nvidia(), {"coverage": coverage, "bboxes": np.zeros((1, 4, 132, 240), np.float32)},
                                 labels=["car"], size=(960, 540))
    assert boxes.tolist() == [list(corner) * 2] and scores[0] == pytest.approx(0.9)


def test_digits_detectnet_with_shared_boxes():
    outputs = {"coverage": np.abs(normal(1, 1, 2, 3, 4)) / 3, "bboxes": normal(2, 1, 4, 3, 4) * 20}
    expected = [(group, outputs["coverage"][0, group, y, x],
                 [outputs["bboxes"][0, k, y, x] + 16 * (x if k % 2 == 0 else y) for k in range(4)])
                for group in range(2) for y in range(3) for x in range(4) if outputs["coverage"][0, group, y, x] >= 0.3]
    network = nvidia(grids=[{"stride": 16, "coverage": "coverage", "boxes": "bboxes"}], groups=[{"label": "a"}, {"label": "b"}])
    assert_same(decode(network, outputs, labels=["a", "b"]), expected)


def test_detectnet_v2_in_normalised_units():
    outputs = {"coverage": np.abs(normal(3, 1, 2, 3, 4)) / 3, "bboxes": np.abs(normal(4, 1, 8, 3, 4))}
    expected = []
    for group in range(2):
        for y in range(3):
            for x in range(4):
                b = outputs["bboxes"][0, 4 * group:4 * group + 4, y, x]
                cx, cy = (x * 16 + 0.5) / 35, (y * 16 + 0.5) / 35
                if outputs["coverage"][0, group, y, x] >= 0.3:
                    expected.append((group, outputs["coverage"][0, group, y, x],
                                     (-35 * (b[0] - cx), -35 * (b[1] - cy), 35 * (b[2] + cx), 35 * (b[3] + cy))))
    network = nvidia(grids=[{"stride": 16, "coverage": "coverage", "boxes": "bboxes"}], boxes_shared=False, box_norm=35.0,
                     cell_offset=0.5, groups=[{"label": "a"}, {"label": "b"}])
    assert_same(decode(network, outputs, labels=["a", "b"]), expected)


ANCHORS = [[[10, 13], [16, 30], [33, 23]], [[30, 61], [62, 45], [59, 119]], [[116, 90], [156, 198], [373, 326]]]
YOLOV3 = {"kind": "yolov3", "scales": [{"output": "o" + str(stride), "stride": stride, "anchors": anchors}
                                       for stride, anchors in zip((8, 16, 32), ANCHORS)]}


@pytest.mark.parametrize("last", [False, True])
def test_yolov3(last):
    outputs, expected = {}, []
    for stride, anchors in zip((8, 16, 32), ANCHORS):
        grid = normal(stride, 1, 3, 8, 64 // stride, 64 // stride)
        for a in range(3):
            for y in range(64 // stride):
                for x in range(64 // stride):
                    t = grid[0, a, :, y, x].astype(float)
                    label = int(np.argmax(t[5:]))
                    score = s(t[4]) * s(t[5 + label])
                    cx, cy = (s(t[0]) + x) * stride, (s(t[1]) + y) * stride
                    w, h = anchors[a][0] * math.exp(t[2]), anchors[a][1] * math.exp(t[3])
                    if score >= 0.3:
                        expected.append((label, score, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)))
        outputs["o" + str(stride)] = grid.transpose(0, 3, 4, 1, 2) if last else grid.reshape(1, 24, 64 // stride, 64 // stride)
    assert_same(decode(YOLOV3, outputs, size=(64, 64)), expected)


def test_yolo_v8():
    table = np.abs(normal(8, 1, 7, 200))
    table[:, 4:] /= 4
    table[:, :4] *= 20
    expected = []
    for box in range(200):
        label = int(np.argmax(table[0, 4:, box]))
        x, y, w, h = table[0, :4, box].tolist()
        if table[0, 4 + label, box] >= 0.3:
            expected.append((label, float(table[0, 4 + label, box]), (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    assert_same(decode({"kind": "yolo", "style": "v8"}, {"output0": table}), expected)
    fractions = table.copy()
    fractions[:, :4] /= np.float32([64, 48, 64, 48])[None, :, None]
    assert_same(decode({"kind": "yolo", "style": "v8", "normalised": True}, {"output0": fractions}), expected)


def test_yolo_v5_finished_rows():
    table = np.minimum(np.abs(normal(5, 1, 150, 8)) / 2, 1)
    table[:, :, :4] *= 20
    expected = []
    for row in table[0].tolist():
        label = int(np.argmax(row[5:]))
        score = row[4] * row[5 + label]
        if score >= 0.3:
            expected.append((label, score, (row[0] - row[2] / 2, row[1] - row[3] / 2, row[0] + row[2] / 2, row[1] + row[3] / 2)))
    assert_same(decode({"kind": "yolo", "style": "v5"}, {"out": table}), expected)


def test_yolo_v5_rows_of_known_value():
    table = np.float32([[[30, 20, 10, 8, 0.9, 0.1, 0.8, 0.3], [30, 20, 10, 8, 0.5, 0.1, 0.5, 0.3], [1, 1, 1, 1, 0.1, 1, 1, 1]]])
    assert_same(decode({"kind": "yolo", "style": "v5"}, {"out": table}), [(1, 0.72, (25, 16, 35, 24))])


def test_yolo_v5_raw_rows():
    strides, anchors = [8, 16], ANCHORS[:2]
    table, expected = [], []
    random = np.random.RandomState(2)
    for stride, pairs in zip(strides, anchors):
        for w0, h0 in pairs:
            for y in range(48 // stride):
                for x in range(64 // stride):
                    t = random.normal(0, 1.5, 8)
                    label = int(np.argmax(t[5:]))
                    score = s(t[4]) * s(t[5 + label])
                    cx, cy = (2 * s(t[0]) - 0.5 + x) * stride, (2 * s(t[1]) - 0.5 + y) * stride
                    w, h = (2 * s(t[2])) ** 2 * w0, (2 * s(t[3])) ** 2 * h0
                    table.append(t)
                    if score >= 0.3:
                        expected.append((label, score, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)))
    network = {"kind": "yolo", "style": "v5", "strides": strides, "anchors": anchors}
    assert_same(decode(network, {"out": np.float32([table])}), expected)


def test_yolo_v10_rows_are_final():
    table = np.float32([[[1, 2, 11, 12, 0.9, 2], [1, 2, 11, 12, 0.8, 2], [0, 0, 5, 5, 0.2, 0], [0, 0, 5, 5, 0.9, 7]]])
    found = decode({"kind": "yolo", "style": "v10"}, {"out": table})
    assert_same(found, [(2, 0.9, (1, 2, 11, 12)), (2, 0.8, (1, 2, 11, 12))])
    assert len(set(found.groups.tolist())) == 2             # so that they don't suppress each other


def test_centernet():
    heat, size, offset = normal(1, 1, 3, 12, 16), np.abs(normal(2, 1, 2, 12, 16)) * 2, np.abs(normal(3, 1, 2, 12, 16)) / 3
    expected = []
    for label in range(3):
        for y in range(12):
            for x in range(16):
                around = heat[0, label, max(0, y - 1):y + 2, max(0, x - 1):x + 2]
                if s(heat[0, label, y, x]) >= 0.3 and heat[0, label, y, x] == around.max():
                    cx, cy = (x + offset[0, 0, y, x]) * 4, (y + offset[0, 1, y, x]) * 4
                    w, h = size[0, :, y, x] * 4
                    expected.append((label, s(heat[0, label, y, x]), (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)))
    network = {"kind": "centernet", "heatmap": "hm", "size": "wh", "offset": "reg", "stride": 4}
    assert_same(decode(network, {"hm": heat, "wh": size, "reg": offset}), expected)


def test_ssd_of_tensorflow():
    boxes = np.float32([[[0.25, 0.5, 0.75, 1.0], [0, 0, 1, 1], [0, 0, 0.5, 0.5]]])          # top, left, bottom, right
    outputs = {"boxes": boxes, "scores": np.float32([[0.9, 0.1, 0.8]]), "classes": np.float32([[1, 2, 3]])}
    network = {"kind": "ssd", "layout": "tf", "boxes": "boxes", "scores": "scores", "classes": "classes"}
    assert_same(decode(network, outputs), [(0, 0.9, (32, 12, 64, 36)), (2, 0.8, (0, 0, 32, 24))])
    counted = dict(outputs, count=np.float32([1]))
    assert_same(decode(dict(network, count="count"), counted), [(0, 0.9, (32, 12, 64, 36))])
    assert_same(decode(dict(network, box_order="xyxy", normalised=False, first_class=0), dict(outputs, boxes=boxes * 40)),
                [(1, 0.9, (10, 20, 30, 40))])


@pytest.mark.parametrize("count, found", [(math.inf, 2), (9, 2), (-1, 0), (math.nan, 0)])
def test_a_count_that_is_none_ends_nothing(count, found):
    outputs = {"boxes": np.float32([[[0.1, 0.2, 0.5, 0.6]] * 2]), "scores": np.float32([[0.9, 0.8]]), "classes": np.float32([[1, 1]]),
               "count": np.float32([count])}
    network = {"kind": "ssd", "boxes": "boxes", "scores": "scores", "classes": "classes", "count": "count"}
    assert len(decode(network, outputs).scores) == found


def test_a_score_that_overflowed_is_no_detection():
    """It would be Infinity in the events, which is no JSON."""
    corners, scores = np.float32([[0, 0, 9, 9]] * 3), np.float32([math.inf, 0.9, math.nan])
    assert [found.score for found in make_detections(("a",), corners, scores, np.zeros(3, int))] == [pytest.approx(0.9)]


def test_ssd_of_caffe():
    table = np.float32([[[[0, 2, 0.9, 0.5, 0.25, 1.0, 0.75], [0, 1, 0.2, 0, 0, 1, 1], [-1, 0, 0, 0, 0, 0, 0], [0, 1, 0.9, 0, 0, 1, 1]]]])
    assert_same(decode({"kind": "ssd", "layout": "caffe", "detections": "out"}, {"out": table}), [(1, 0.9, (32, 12, 64, 36))])


EMPTY = [(OURS, {k: v * 0 - 9 for k, v in our_outputs(1).items()}, OUR_LABELS),
         (YOLOV3, {"o" + str(k): np.full((1, 24, 64 // k, 64 // k), -9, np.float32) for k in (8, 16, 32)}, "abc"),
         ({"kind": "yolo", "style": "v8"}, {"o": np.zeros((1, 7, 50), np.float32)}, "abc"),
         ({"kind": "yolo", "style": "v5"}, {"o": np.zeros((1, 50, 8), np.float32)}, "abc"),
         ({"kind": "yolo", "style": "v10"}, {"o": np.zeros((1, 50, 6), np.float32)}, "abc"),
         ({"kind": "centernet", "heatmap": "h", "size": "w"}, {"h": np.full((1, 3, 4, 4), -9, np.float32), "w": np.zeros((1, 2, 4, 4), np.float32)}, "abc"),
         ({"kind": "ssd", "layout": "caffe", "detections": "o"}, {"o": np.zeros((1, 1, 5, 7), np.float32)}, "abc")]


@pytest.mark.parametrize("decoder, outputs, labels", EMPTY)
def test_nothing_seen_is_an_empty_result_of_the_right_shape(decoder, outputs, labels):
    boxes, scores, found, groups = decode(decoder, outputs, labels=labels)
    assert boxes.shape == (0, 4) and len(scores) == len(found) == len(groups) == 0


@pytest.mark.parametrize("decoder, outputs, labels, words", [
    (OURS, dict(our_outputs(1), cov4=np.zeros((1, 2, 12, 16), np.float32)), OUR_LABELS, "output cov4 has shape 2x12x16"),
    (OURS, dict(our_outputs(1), box8=np.zeros((1, 12, 5, 8), np.float32)), OUR_LABELS, "output box8"),
    (OURS, dict(our_outputs(1), cov4=np.zeros((2, 3, 12, 16), np.float32)), OUR_LABELS, "batch of 1"),
    ({"kind": "yolo", "style": "v8"}, {"o": np.zeros((1, 84, 50), np.float32)}, "abc", "7 values per box"),
    (YOLOV3, {"o" + str(k): np.zeros((1, 255, 2, 2), np.float32) for k in (8, 16, 32)}, "abc", "3 anchors and 3 labels"),
    ({"kind": "centernet", "heatmap": "h", "size": "w"}, {"h": np.zeros((1, 80, 4, 4)), "w": np.zeros((1, 2, 4, 4))}, "abc", "3 labels"),
    ({"kind": "ssd", "layout": "caffe", "detections": "o"}, {"o": np.zeros((1, 1, 5, 6))}, "abc", "rows of 7"),
])
def test_outputs_that_do_not_fit_are_refused(decoder, outputs, labels, words):
    with pytest.raises(ModelError) as caught:
        decode(decoder, outputs, labels=labels)
    assert words in str(caught.value) and "m.onnx" in str(caught.value)


@pytest.mark.parametrize("change, words", [
    ({"box_encoding": "polar"}, "decoder.box_encoding"), ({"grids": []}, "decoder.grids"), ({"grids": None}, "decoder.grids is missing"),
    ({"grids": [{"stride": 0, "coverage": "cov4", "boxes": "box4"}]}, "decoder.grids[0].stride"),
    ({"grids": [{"stride": 4, "coverage": "cov5", "boxes": "box4"}]}, "one of output.names"),
    ({"groups": [{"label": "zebra"}]}, "names that stand in labels"), ({"boxes_shared": "yes"}, "true or false"),
])
def test_wrong_numbers_name_their_key(change, words):
    with pytest.raises(ModelError) as caught:
        open_decoder(describe(dict(OURS, **change), sorted(our_outputs(1)), OUR_LABELS))
    assert words in str(caught.value) and "m.json" in str(caught.value)
