"""Average precision against pycocotools, the split, and what a labelled picture says."""
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edgecam.detect.evaluation.labelled import Labelled, find_sources, group_of, picture_of, read_labels
from edgecam.detect.evaluation.labelled import Truth
from edgecam.detect.evaluation.measure import Result, add, choose
from edgecam.detect.evaluation.precision import EVERYTHING, SIZES, THRESHOLDS, Tally
from edgecam.detect.evaluation.split import TRAIN, VALIDATION, scene_of, split_of
from edgecam.errors import ConfigError
from edgecam.vocabulary import Box, Detection
from labelled_data import record, write_source


def random_pictures(seed, count):
    """[(found boxes, scores, Truth)]: true boxes, most of them found a little off, with false ones and ignored regions."""
    random, pictures = np.random.RandomState(seed), []
    for _ in range(count):
        true = random.randint(0, 9)
        corner, size = random.uniform(0, 400, (true, 2)), random.uniform(8, 150, (true, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        found = np.concatenate([boxes + random.normal(0, 0.08, boxes.shape) * size.repeat(2, axis=0).reshape(-1, 4) for _ in range(2)]
                               + [random.uniform(0, 300, (4, 4)) + [0, 0, 300, 300]])[random.permutation(2 * true + 4)]
        pictures.append((found, random.permutation(len(found)) / float(len(found)) + random.uniform(0, 1e-3, len(found)),
                         Truth(boxes, random.uniform(size=true) < 0.25)))
    return pictures


def with_pycocotools(pictures, area):
    """(AP50, AP, AR) of the reference implementation."""
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval
    annotations, results = [], []
    for number, (found, scores, truth) in enumerate(pictures):
        for box, ignore in zip(truth.boxes, truth.ignore):
            x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": [x, y, w, h], "area": w * h,
                                "iscrowd": int(ignore)})
        for box, score in zip(found, scores):
            results.append({"image_id": number, "category_id": 1, "score": score,
                            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]})
    gold = coco.COCO()
    gold.dataset = {"images": [{"id": number} for number in range(len(pictures))], "annotations": annotations, "categories": [{"id": 1}]}
    gold.createIndex()
    run = COCOeval(gold, gold.loadRes(results), "bbox")
    run.params.maxDets = [1000]
    run.params.areaRng, run.params.areaRngLbl = [[area[0], min(area[1], 1e10)]], ["all"]
    run.evaluate()
    run.accumulate()
    precision, recall = run.eval["precision"][:, :, 0, 0, 0], run.eval["recall"][:, 0, 0, 0]
    return precision[0].mean(), precision.mean(), recall.mean()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("area", [EVERYTHING] + [SIZES[name] for name in ("small", "medium", "large")])
def test_agrees_with_pycocotools(seed, area, capsys):
    pictures = random_pictures(seed, 25)
    tally = Tally(area)
    for found, scores, truth in pictures:
        tally.add(found, scores, truth)
    assert tally.objects >= 3
    assert tuple(tally.score()[:3]) == pytest.approx(with_pycocotools(pictures, area), abs=1e-6)


def test_values_known_from_hand():
    boxes = np.float32([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]])
    truth = Truth(boxes[:2].astype(float), np.zeros(2, bool))
    tally = Tally()
    tally.add(boxes, np.array([0.9, 0.7, 0.8]), truth)      # right, wrong, right: precision 1, 2/3 at recall 1/2, 1
    score = tally.score()
    assert score.objects == 2 and score.recall == 1
    assert score.ap50 == pytest.approx((51 + 50 * 2 / 3.0) / 101) and score.ap == pytest.approx(score.ap50)


def test_ignored_regions_count_neither_way():
    truth = Truth(np.array([[0.0, 0, 10, 10], [100, 100, 200, 200]]), np.array([False, True]))
    found = np.array([[0.0, 0, 10, 10], [110, 110, 120, 120], [150, 150, 160, 160]])
    tally = Tally()
    tally.add(found, np.array([0.5, 0.9, 0.8]), truth)
    assert tally.score()[:4] == (pytest.approx(1), pytest.approx(1), 1, 1)


def test_nothing_found_and_nothing_there():
    tally = Tally()
    assert tally.score() is None
    tally.add(np.zeros((0, 4)), np.zeros(0), Truth(np.array([[0.0, 0, 9, 9]]), np.array([False])))
    assert tally.score() == (0, 0, 0, 1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10 ** 6), scale=st.floats(0.5, 2))
def test_scores_behave(seed, scale):
    pictures = random_pictures(seed, 3)
    tally, parts = Tally(), [Tally(area) for area in SIZES.values()]
    for found, scores, truth in pictures:
        for one in [tally] + parts:
            one.add(found, scores, truth, scale)
    score = tally.score()
    if score:
        assert 0 <= score.ap <= score.ap50 <= 1 and 0 <= score.recall <= 1
        assert sum(part.objects for part in parts) == score.objects     # no object lies on a border here
        precision, _ = tally.curve()
        assert precision.shape == (len(THRESHOLDS), 101) and (np.diff(precision, axis=1) <= 1e-12).all()


def test_scenes_drawn_anew_count_as_often_as_they_are_drawn():
    """Of two scenes either both are drawn or one twice: what a tally of those pictures says."""
    pictures = random_pictures(8, 6)
    both, alone = Tally(), [Tally(), Tally()]
    for number, (found, scores, truth) in enumerate(pictures):
        both.add(found, scores, truth, scene="ab"[number % 2])
        for _ in range(2):
            alone[number % 2].add(found, scores, truth)
    wanted = sorted(tally.score().ap50 for tally in [both] + alone)
    drawn = both.redrawn(60)
    assert np.unique(drawn.round(6)) == pytest.approx(wanted, abs=2e-6)
    assert (abs(drawn - both.score().ap50) < 1e-6).mean() == pytest.approx(0.5, abs=0.2)
    assert (both.redrawn(60) == drawn).all() and (both.redrawn(60, seed=1) != drawn).any()


def test_pictures_without_a_scene_are_drawn_one_by_one():
    tally, box = Tally(), np.array([[0.0, 0, 10, 10]])
    for found in (True, True, True, False):
        tally.add(box[:found], np.ones(int(found)), Truth(box, np.array([False])))
    drawn = tally.redrawn(300)
    assert drawn.min() < 0.3 and drawn.max() == 1 and drawn.mean() == pytest.approx(tally.score().ap50, abs=0.05)
    tally = Tally()
    tally.add(box, np.ones(1), Truth(box[:0], np.zeros(0, bool)))
    assert np.isnan(tally.redrawn(2)).all()


def test_order_of_pictures_does_not_matter():
    pictures = random_pictures(3, 10)
    one, two = Tally(), Tally()
    for item in pictures:
        one.add(*item)
    for item in reversed(pictures):
        two.add(*item)
    assert one.score() == two.score()


@pytest.mark.parametrize("label, expected", [("person", ("person", None)), ("Pedestrian", ("person", None)), ("car", ("vehicle", "car")),
                                             ("van", ("vehicle", "car")), ("vehicle", ("vehicle", None)), ("two-wheeler", ("two-wheeler", None)),
                                             ("motorbike", ("two-wheeler", None)), ("zebra", (None, None))])
def test_what_models_call_things(label, expected):
    assert group_of(label) == expected


def test_unlabelled_classes_are_not_measured():
    boxes = (("car", 0, 0, 9, 9, False),)
    only_car = Labelled("kit_ais", "x", (96, 64), frozenset(["car", "bus", "truck"]), boxes)
    assert only_car.truth("person") is None and only_car.truth("two-wheeler") is None and only_car.truth("vehicle").boxes.shape == (1, 4)
    part = only_car._replace(labelled=frozenset(["car"]))
    assert part.truth("vehicle") is None and part.truth("car") is not None
    any_vehicle = part._replace(source="topview_highway")       # whose "car" is any vehicle
    assert any_vehicle.truth("vehicle") is not None and any_vehicle.truth("car") is None


def test_three_wheelers_and_repeated_ignored_regions():
    entry = record("a.png", [("car", 1, 1, 0)], labelled=["car", "bus", "truck"])
    entry["boxes"] += [["car", 0, 0, 8, 8, 0, "e-rickshaw"]] + [[name, 30, 30, 9, 9, 1, "ignored region"] for name in ("car", "bus", "truck")]
    truth = picture_of("x", entry).truth("vehicle")
    assert truth.ignore.tolist() == [False, True, True]


def test_adding_sorts_detections_into_groups_and_classes():
    picture = Labelled("bdd100k", "x", (960, 540), frozenset(["person", "car", "bus", "truck"]),
                       (("person", 0.0, 0.0, 10.0, 20.0, False), ("bus", 100.0, 100.0, 300.0, 200.0, False)))
    tallies = {}
    add(tallies, picture, [Detection("person", 0.9, Box(0, 0, 10, 20)), Detection("truck", 0.8, Box(100, 100, 200, 100)),
                           Detection("kite", 0.8, Box(0, 0, 5, 5))])
    result = Result({}, tallies)
    assert result.score("person", "bdd100k").ap50 == pytest.approx(1) and result.score("vehicle", "bdd100k").ap50 == pytest.approx(1)
    assert result.score("bus", "bdd100k").ap50 == 0 and result.score("truck", "bdd100k") is None
    assert result.score("two-wheeler", "bdd100k") is None and result.mean("person") is None
    assert result.score("person", "bdd100k", "small").objects == 1 and result.score("vehicle", "bdd100k", "large").objects == 1


def test_folders_of_every_shape(tmp_path):
    one = write_source(tmp_path / "data" / "train" / "alpha", [(record("a.png", []), [])])
    write_source(tmp_path / "data" / "train" / "beta", [(record("b.png", []), [])])
    assert sorted(find_sources(str(tmp_path / "data"))) == sorted(find_sources(str(tmp_path / "data" / "train"))) == ["alpha", "beta"]
    assert find_sources(str(one)) == {"alpha": str(one)}
    with pytest.raises(ConfigError, match="there is no such folder"):
        find_sources(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("line, why", [
    ("{", "it is no JSON"), ("[]", "a value is of another kind, or one is missing"), ('{"file": "a"}', 'it has no "boxes"'),
    ('{"file":"a","w":1,"h":1,"labelled":[],"boxes":[["car"]],"src":"x"}', "a value is of another kind, or one is missing"),
    ('{"file":"a","w":0,"h":1,"labelled":[],"boxes":[],"src":"x"}', "a value is of another kind, or one is missing"),
    ('{"file":"a","w":1,"h":NaN,"labelled":[],"boxes":[],"src":"x"}', "a value is of another kind, or one is missing"),
    ('{"file":"a","w":9,"h":9,"labelled":[],"boxes":[["car","1","2","3","4",0,"car"]],"src":"x"}', "a value is of another kind, or one is missing"),
    ('{"file":"a","w":9,"h":9,"labelled":[],"boxes":[["car",1,2,3,Infinity,0,"car"]],"src":"x"}', "a value is of another kind, or one is missing")])
def test_a_broken_line_is_named(tmp_path, line, why):
    folder = write_source(tmp_path / "s", [(record("a.png", []), [])])
    (folder / "labels.jsonl").write_text(json.dumps(record("a.png", [])) + "\n" + line + "\n")
    with pytest.raises(ConfigError, match="labels.jsonl:2: {}; expected a line like".format(why)):
        read_labels("s", str(folder))


def test_a_limit_takes_the_same_sample_each_time(tmp_path):
    write_source(tmp_path / "s", [(record("{}.png".format(n), []), []) for n in range(40)])
    sources = find_sources(str(tmp_path))
    names = [picture.file for picture in choose(sources, None, 10)["s"]]
    assert len(names) == 10 and names == [picture.file for picture in choose(sources, None, 10)["s"]]
    assert len(choose(sources, None)["s"]) == 40


SRC = {"visdrone": "o/r:train/0000126_{:05d}_d_0000130.jpg", "bdd100k": "o/r:train/c6bd6f3b-{:08x}_jpg.rf.e9.jpg",
       "topview_highway": "o/r:train/10_mp4-{}_jpg.rf.0.jpg", "kit_ais": "o/r:MOS{}.png", "vn_cctv": "o/r:image-15{:02d}-_jpg.rf.b.jpg"}


@settings(max_examples=50, deadline=None)
@given(source=st.sampled_from(sorted(SRC)), one=st.integers(0, 90), two=st.integers(0, 90))
def test_a_scene_never_stands_on_both_sides(source, one, two):
    one, two = SRC[source].format(one), SRC[source].format(two)
    if source != "kit_ais":
        assert scene_of(source, one) == scene_of(source, two)
    assert split_of(source, {"src": one}) == split_of(source, {"src": two})


def test_the_same_coco_photo_is_on_one_side_in_every_source():
    for number in range(300):
        sides = {split_of("coco_train", {"src": "a/b:train2017/{:012d}.jpg".format(number)}),
                 split_of("human_v2", {"src": "c/d:train/{:012d}_jpg.rf.131.jpg".format(number)})}
        assert len(sides) == 1


def test_the_split_of_the_data_folder(data_folder):
    counts = {TRAIN: 0, VALIDATION: 0}
    for source, folder in find_sources(data_folder).items():
        with open(os.path.join(folder, "labels.jsonl")) as lines:
            for line in lines:
                counts[split_of(source, json.loads(line))] += 1
    assert 0.06 < counts[VALIDATION] / float(sum(counts.values())) < 0.14
