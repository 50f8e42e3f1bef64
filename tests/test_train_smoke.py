"""The training code, small: it reads the data format, assigns, learns, measures and exports on a CPU."""
import io
import json
import os
import sys
import tarfile

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
cv2 = pytest.importorskip("cv2")
torch.set_num_threads(1)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts", "train"))
import assign  # noqa: E402
import canvas  # noqa: E402
import detections  # noqa: E402
import losses  # noqa: E402
import network  # noqa: E402
import pictures as labelled  # noqa: E402
import precision  # noqa: E402
import render  # noqa: E402
import store  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder of two sources: a white car on grey in each picture; persons are open in vn_cctv."""
    folder = tmp_path_factory.mktemp("data")
    for source, labels in (("bdd100k", sorted(labelled.GROUP_OF)), ("vn_cctv", ["bicycle", "car", "motorcycle", "bus", "truck"])):
        where = folder / "train" / source
        where.mkdir(parents=True)
        with tarfile.open(str(where / "images.tar"), "w") as tar, open(str(where / "labels.jsonl"), "w") as lines:
            for number in range(3):
                name = "%s_%05d.jpg" % (source, number)
                picture = np.full((180, 320, 3), 90, np.uint8)
                picture[60:100, 100:180] = 255
                content = cv2.imencode(".jpg", picture)[1].tobytes()
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                lines.write(json.dumps({"file": name, "w": 320, "h": 180, "labelled": labels, "src": "x:a/%09d.jpg" % (number + 7),
                                        "boxes": [["car", 100, 60, 80, 40, 0, "car"], ["bus", 0, 0, 50, 20, 1, "far"]]}) + "\n")
    return str(folder)


@pytest.fixture(scope="module")
def stored(data, tmp_path_factory):
    pictures = labelled.read_all(data)
    path = str(tmp_path_factory.mktemp("store") / "all")
    store.build(data, pictures, path, workers=2)
    return pictures, store.Store.open(path)


def plan_of(boxes, cut=(960.0, 540.0), weight=1.0):
    rows = torch.tensor(boxes, dtype=torch.float32).view(1, -1, 7)
    return {"cut": torch.tensor([cut]), "weight": torch.full((1, 4, 3), weight), "boxes": rows}


def test_a_group_that_a_source_does_not_label_is_open(stored):
    pictures, _ = stored
    by_source = {p.source: p for p in pictures}
    assert by_source["bdd100k"].closed.all()
    assert by_source["vn_cctv"].closed.tolist() == [False, True, True]
    assert by_source["vn_cctv"].background[0] == 0


def test_the_plain_canvas_shows_the_object_where_its_box_says(stored):
    pictures, pixels = stored
    planner = canvas.Planner(pictures, [0], pixels.table)
    plan = planner.plain([0])
    shown = render.gather(pixels.pixels, plan["cut"], plan["affine"], plan["place"])[0, 0]
    x1, y1, x2, y2 = [int(v) for v in plan["boxes"][0, 0, :4]]
    assert (x1, y1, x2, y2) == (300, 180, 540, 300)
    assert shown[y1 + 4:y2 - 4, x1 + 4:x2 - 4].min() > 230 and shown[y1 - 30:y1 - 6].max() < 130


def test_wild_canvases_keep_boxes_on_objects(stored):
    pictures, pixels = stored
    planner = canvas.Planner(pictures, list(range(len(pictures))), pixels.table, seed=3)
    plan = planner.batch(3, canvas.Settings(mosaic=1.0))
    shown = render.gather(pixels.pixels, plan["cut"], plan["affine"], plan["place"])
    seen = 0
    for picture, boxes in zip(shown, plan["boxes"]):
        for x1, y1, x2, y2, group, _, ignore in boxes.tolist():
            if group == 1 and not ignore and min(x2 - x1, y2 - y1) > 12:
                seen += 1
                assert picture[:, int(y1) + 3:int(y2) - 3, int(x1) + 3:int(x2) - 3].mean() > 180
    assert seen > 1
    wild = render.weather(shown, 1.0)
    assert wild.shape == shown.shape and torch.isfinite(wild).all() and 0 <= wild.min() and wild.max() <= 255


def test_ignored_boxes_and_open_tiles_are_no_background():
    plan = plan_of([[80, 80, 240, 240, 1, -1, 1]])
    weight = losses.background(plan, 8, (68, 120))
    assert weight[0, 1, 15, 15] == 0 and weight[0, 0, 15, 15] == 1 and weight[0, 1, 50, 50] == 1
    assert losses.background(plan_of([[0, 0, 1, 1, -1, -1, 0]], weight=0.0), 8, (68, 120)).max() == 0


@pytest.mark.parametrize("box", [[400, 200, 480, 400], [301, 301, 304, 305], [0, 0, 900, 500]])
def test_every_object_gets_a_cell_even_between_the_centres(box):
    plan = plan_of([box + [0, -1, 0]])
    corners = torch.tensor(box, dtype=torch.float32).view(1, 1, 4, 1, 1).expand(1, 3, 4, 68, 120) + torch.randn(1, 3, 4, 68, 120) * 0.1
    cells, target, _ = assign.assign(torch.full((1, 3, 68, 120), 0.1), corners, plan["boxes"], 8, 10)
    assert 0 < (target > 0).sum() <= 10 and target.max() > 0.8


def test_two_objects_never_share_a_cell():
    plan = plan_of([[400, 200, 480, 400, 0, -1, 0], [407, 203, 493, 411, 0, -1, 0]])
    corners = assign.decode(torch.full((1, 3, 4, 68, 120), 1.5), 8)
    cells, target, _ = assign.assign(torch.full((1, 3, 68, 120), 0.1), corners, plan["boxes"], 8, 10)
    first, second = (set(cells[0, k][target[0, k] > 0].tolist()) for k in (0, 1))
    assert first and second and not first & second


def test_a_few_steps_lower_the_loss():
    torch.manual_seed(0)
    shapes = [(1, c, h, w) for h, w in ((16, 24), (8, 12)) for c in (3, 12, 3)]
    raw = [torch.zeros(s, requires_grad=True) for s in shapes]
    plan = plan_of([[8, 6, 72, 58, 1, 0, 0], [76, 30, 88, 60, 0, -1, 0]])
    optimiser = torch.optim.Adam(raw, 0.3)
    history = []
    for _ in range(60):
        loss, _ = losses.detection_loss(raw, plan)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(float(loss))
    assert history[-1] < 0.2 * history[0]
    rows = detections.detect([r.detach() for r in raw])[0]
    best = rows[rows[:, 5] == 1][0]
    assert np.abs(best[:4] - [8, 6, 72, 58]).max() < 8 and best[6] == 0


def test_suppression_is_the_greedy_one():
    random = np.random.RandomState(0)
    corner = random.rand(40, 2) * 60
    boxes = torch.tensor(np.concatenate([corner, corner + 10 + random.rand(40, 2) * 30], 1), dtype=torch.float32)
    kept = []
    for k in range(40):
        if all(assign.overlap(boxes[k], boxes[j]) <= 0.5 for j in kept):
            kept.append(k)
    assert detections.suppressed(boxes[None], 0.5)[0].nonzero()[:, 0].tolist() == kept


def test_average_precision_agrees_with_pycocotools():
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval
    random, truth, found, tally = np.random.RandomState(1), [], [], precision.Tally()
    for image in range(12):
        corner = random.rand(8, 2) * 300
        boxes = np.concatenate([corner, corner + 8 + random.rand(8, 2) * 90], 1)
        crowd = random.rand(8) < 0.2
        moved = boxes[random.randint(0, 8, 20)] + random.randn(20, 4) * 4
        rows = np.column_stack([moved, random.rand(20)])
        tally.add(rows, boxes, crowd)
        for box, ignored in zip(boxes, crowd):
            w, h = box[2:] - box[:2]
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": 1, "bbox": [box[0], box[1], w, h], "area": w * h, "iscrowd": int(ignored)})
        found += [{"image_id": image, "category_id": 1, "bbox": [r[0], r[1], r[2] - r[0], r[3] - r[1]], "score": r[4]} for r in rows]
    reference = coco.COCO()
    reference.dataset = {"images": [{"id": i} for i in range(12)], "annotations": truth, "categories": [{"id": 1}]}
    reference.createIndex()
    judge = COCOeval(reference, reference.loadRes(found), "bbox")
    judge.evaluate(), judge.accumulate(), judge.summarize()
    ap50, ap, objects = tally.result()
    assert ap == pytest.approx(judge.stats[0], abs=1e-6) and ap50 == pytest.approx(judge.stats[1], abs=1e-6)


@pytest.mark.parametrize("variant, limit", [("full", 60.0), ("light", 16.0)])
def test_the_networks_stay_within_their_budget(variant, limit):
    with torch.device("meta"):
        parameters, gflops = network.count(network.build(variant).to("meta"))
    assert gflops <= limit


def test_export_keeps_the_function(tmp_path):
    pytest.importorskip("onnxruntime")
    export = pytest.importorskip("export")
    assert export.main(["random:tiny", "-o", str(tmp_path / "tiny.onnx")]) == 0
    import onnx
    model = onnx.load(str(tmp_path / "tiny.onnx"))
    assert model.ir_version == 7 and [o.version for o in model.opset_import] == [13]
    known = {"Conv", "Relu", "MaxPool", "Concat", "Resize", "Add", "Constant"}
    assert {n.op_type for n in model.graph.node} - {"Identity"} <= known         # Identity: equal fresh biases are stored once
    described = json.load(open(str(tmp_path / "tiny.json")))
    assert described["output"]["names"] == [o.name for o in model.graph.output]


def test_a_ghost_shines_through_with_its_boxes_and_its_open_groups(stored):
    pictures, pixels = stored
    planner = canvas.Planner(pictures, list(range(len(pictures))), pixels.table, seed=5)
    plan = planner.batch(4, canvas.Settings(mosaic=0.0, ghosts=0.5))
    assert plan["ghost_share"].shape == (2,) and plan["ghost_weight"].shape == (2, 4, 3)
    plain = render.gather(pixels.pixels, plan["cut"], plan["affine"], plan["place"])
    ghost = render.gather(pixels.pixels, plan["ghost_cut"], plan["ghost_affine"], plan["ghost_place"])
    shown, share = render.canvases(pixels.pixels, plan), plan["ghost_share"][:, None, None, None]
    assert torch.allclose(shown[:2], plain[:2] * (1 - share) + ghost * share, atol=1e-3)
    assert torch.equal(shown[2:], plain[2:])
    plan["ghost_weight"][:, :, 0] = 0
    plan["boxes"][..., 4] = -1
    weight = losses.background(plan, 8, (68, 120))
    assert weight[:2, 0].max() == 0 and weight[2:, 1].max() > 0


def test_turned_colours_keep_their_grey():
    colours = torch.rand(2, 3, 4, 4)
    turned = render.hue(colours, torch.tensor(0.5))
    assert torch.allclose(turned.mean(1), colours.mean(1), atol=1e-6) and not torch.allclose(turned, colours, atol=1e-2)
    assert torch.allclose(render.hue(colours, torch.tensor(0.0)), colours, atol=1e-6)


def test_a_stopped_training_goes_on_where_it_was(tmp_path, monkeypatch):
    schedule = pytest.importorskip("schedule")
    now = [100.0]
    monkeypatch.setattr(schedule.time, "time", lambda: now[0])
    progress = schedule.Progress(minutes=1.0, lengths=str(tmp_path / "minutes"))
    for pause in (0.5, 1.0, 600.0, 0.5):
        progress.tick()
        now[0] += pause
    progress.tick()
    assert progress.at(5) == pytest.approx((0.5 + 1.0 + 2.0 + 0.5) / 60)
    (tmp_path / "minutes").write_text("0.1\n")
    assert progress.at(5) == pytest.approx(4.0 / 6)
    (tmp_path / "minutes").write_text("")
    assert progress.at(5) == pytest.approx(4.0 / 6)


def test_an_exported_network_can_be_trained_on(tmp_path):
    pytest.importorskip("onnxruntime")
    export, unfold = pytest.importorskip("export"), pytest.importorskip("unfold")
    torch.manual_seed(3)
    trained = network.build("tiny")
    for name, value in trained.state_dict().items():            # no batch norm as it begins
        if ".conv." not in name and value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
    export.save(export.to_onnx(export.deployable(trained.eval())), str(tmp_path / "tiny.onnx"), "tiny", "fp32", 1.0, 1)
    fresh = network.build("tiny")
    pictures = torch.rand(2, 3, 540, 960) * 255
    unfold.unfold(fresh, unfold.folded_weights(str(tmp_path / "tiny.onnx")), pictures)
    assert unfold.variant_of(str(tmp_path / "tiny.onnx")) == "tiny"
    assert unfold.difference(fresh.eval(), str(tmp_path / "tiny.onnx")) < 1e-4
    learned, used = (n(pictures)[3].detach() for n in (fresh.train(), fresh.eval()))
    assert (learned - used).abs().max() < 0.1 * used.abs().max()


def test_what_is_pasted_lies_where_its_boxes_say(stored):
    pictures, pixels = stored
    for picture in pictures:                                    # the white cars as persons, small enough to be copied
        picture.group[:1] = 0
    planner = canvas.Planner(pictures, [0, 1, 2], pixels.table, seed=4)
    try:
        plan = planner.batch(20, canvas.Settings(mosaic=0.0, scale=(0.2, 0.3), aspect=0.0, pasted=4.0))
    finally:
        for picture in pictures:
            picture.group[:1] = 1
    plain = render.gather(pixels.pixels, plan["cut"], plan["affine"], plan["place"])
    shown = render.canvases(pixels.pixels, plan)
    used = (plan["patch_box"][:, 2] > plan["patch_box"][:, 0]).nonzero()[:, 0].tolist()
    assert len(used) > 2
    touched, white = torch.zeros_like(shown, dtype=torch.bool), 0
    for number in used:
        x1, y1, x2, y2 = plan["patch_box"][number].tolist()
        touched[plan["patch_canvas"][number], :, max(0, int(y1) - 16):int(y2) + 16, max(0, int(x1) - 16):int(x2) + 16] = True
        same = (plan["boxes"][plan["patch_canvas"][number], :, :4] - plan["patch_box"][number]).abs().max(1)[0] < 0.5
        inside = shown[plan["patch_canvas"][number], 0, int(y1) + 3:int(y2) - 2, int(x1) + 3:int(x2) - 2]
        if same.any():
            white += 1
            assert inside.mean() > 200
    assert white
    assert torch.equal(shown[~touched], plain[~touched])


def test_filled_boxes_may_come_while_training(stored, tmp_path):
    pictures, pixels = stored
    pictures = [labelled.Picture(p.source, {"file": p.file, "w": 320, "h": 180, "labelled": ["car", "bus", "truck"], "src": "x:a/7.jpg", "boxes": []})
                for p in pictures]
    for picture in pictures:
        picture.part = "train"
    filling = tmp_path / "fill.jsonl"
    plans = iter(canvas.Plans(canvas.Planner(pictures, [0, 1], pixels.table), 1, canvas.Settings(), torch.zeros(1), 0, str(filling)))
    next(plans)
    assert len(pictures[0].boxes) == 0 and pictures[0].background[0] == 0
    filling.write_text(json.dumps({"picture": pictures[0].key, "boxes": [[5, 5, 50, 90, 0, -1, 0]], "background": 0.5}) + "\n")
    next(plans), next(plans)
    assert pictures[0].boxes.tolist() == [[5, 5, 50, 90]] and pictures[0].background[0] == 0.5


@pytest.mark.parametrize("scale, side", [(1.0, 8), (1.25, 6.4), (1.5, 16 / 3.0), (2.0, 4)])
def test_an_enlarged_teachers_answers_lie_where_the_learner_looks(scale, side):
    """One sure cell of its stride 8 tells the learner's cells that it meets, with its own box in the learner's pixels."""
    teacher = pytest.importorskip("teacher")
    rows, columns = -(-int(540 * scale) // 16) * 2, int(120 * scale)
    cov, box = torch.full((1, 3, rows, columns), -9.0), torch.full((1, 12, rows, columns), np.log(2.0))
    cov[0, 1, 31, 40] = 4.0
    sure, corners = teacher.lesson(cov, box, 8, scale)
    assert sure.shape == (1, 3, 68, 120) and corners.shape == (1, 3, 4, 68, 120)
    told = (sure[0, 1] > 0.5).nonzero().tolist()
    assert told and {tuple(cell) for cell in told} == {(y, x) for y in range(68) for x in range(120)
                                                       if max(8 * y, 31 * side) < min(8 * y + 8, 32 * side)
                                                       and max(8 * x, 40 * side) < min(8 * x + 8, 41 * side)}
    centre_x, centre_y = 40.5 * side, 31.5 * side
    for y, x in told:
        assert corners[0, 1, :, y, x].tolist() == pytest.approx([centre_x - 2 * side, centre_y - 2 * side, centre_x + 2 * side, centre_y + 2 * side], abs=1e-3)
    assert (sure[0, 0] > 0.5).sum() == 0


def test_a_scale_without_whole_cells_is_refused():
    teacher = pytest.importorskip("teacher")
    with pytest.raises(ValueError, match="enlarged by 1.3 have no whole number of cells of stride 8 where the learner has 68 x 120"):
        teacher.lesson(torch.zeros(1, 3, 88, 156), torch.zeros(1, 12, 88, 156), 8, 1.3)


@pytest.mark.parametrize("typed", ["1.3", "0.5", "1,nan"])
def test_such_a_scale_is_told_where_it_is_typed(typed, capsys):
    train = pytest.importorskip("train")
    with pytest.raises(SystemExit):
        train.arguments(["--data", "a", "--store", "b", "--out", "c", "--steps", "1", "--teacher-scale", typed])
    assert "--teacher-scale: %s puts no whole number of cells on the learner's grids" % typed.split(",")[-1] in capsys.readouterr().err


def test_the_surest_look_answers():
    teacher = pytest.importorskip("teacher")
    looks = [(torch.tensor([[[[0.2, 0.7, 0.5]]]]), torch.full((1, 1, 4, 1, 3), 1.0)), (torch.tensor([[[[0.9, 0.1, 0.5]]]]), torch.full((1, 1, 4, 1, 3), 2.0)),
             (torch.tensor([[[[0.3, 0.8, 0.4]]]]), torch.full((1, 1, 4, 1, 3), 3.0))]
    cov, corners = teacher.surest(looks)
    assert cov[0, 0, 0].tolist() == pytest.approx([0.9, 0.8, 0.5])
    assert corners[0, 0, :, 0].tolist() == [[2.0, 3.0, 1.0]] * 4
    assert teacher.surest(looks[:1])[0] is looks[0][0]


def test_boxes_on_enlarged_canvases_lie_in_the_picture(stored):
    pictures, pixels = stored

    def bright(canvases):
        """Coverage by brightness on stride 8, boxes of 2 cells around each."""
        cov = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(canvases, (0, -canvases.shape[3] % 16, 0, -canvases.shape[2] % 16)), 8) / 8 - 20
        box = torch.full((len(cov), 12) + cov.shape[2:], np.log(2.0))
        return torch.full_like(cov, -20.0), box, cov, cov, box, cov
    found = {scale: detections.run(bright, canvas.Planner(pictures, [0], pixels.table), [0], pixels, scale=scale)[0] for scale in (1.0, 1.5)}
    for rows in found.values():
        middles = (rows[:, :2] + rows[:, 2:4])[rows[:, 4] > 0.5] / 2
        assert len(middles) and (middles > [92, 52]).all() and (middles < [188, 108]).all()
    sides = {scale: np.median(rows[:, 2] - rows[:, 0]) for scale, rows in found.items()}
    assert sides[1.0] == pytest.approx(1.5 * sides[1.5], rel=0.05)


def test_two_networks_learn_from_one_teacher(data, stored, tmp_path):
    train, checkpoint = pytest.importorskip("train"), pytest.importorskip("checkpoint")
    pictures, _ = stored
    torch.manual_seed(1)
    known = network.build("tiny")
    checkpoint.save(str(tmp_path / "known.pt"), {"variant": "tiny", "step": 0, "progress": 1.0, "weights": checkpoint.light_copy(known.state_dict())})
    store.build(data, pictures, str(tmp_path / "store"), workers=1)
    assert train.main(["--data", data, "--store", str(tmp_path / "store"), "--out", str(tmp_path / "run"), "--variant", "tiny,light", "--rate", "1e-3,2e-3",
                       "--teacher", str(tmp_path / "known.pt"), "--teacher-scale", "1,1.25", "--steps", "10", "--batch", "1", "--workers", "0",
                       "--checks", "", "--device", "cpu"]) == 0
    for variant in ("tiny", "light"):
        made = checkpoint.load(str(tmp_path / "run" / variant / "final.pt"))
        assert (made["variant"], made["step"]) == (variant, 10) and all(torch.isfinite(v).all() for v in made["weights"].values())


@pytest.mark.parametrize("options, words", [(["--variant", "full,light", "--rate", "1e-3"], "--rate: one for each of full, light"),
                                            (["--variant", "full,full"], "each only once"), (["--variant", "fool"], "no variant fool")])
def test_what_several_networks_need(options, words, capsys):
    train = pytest.importorskip("train")
    with pytest.raises(SystemExit):
        train.arguments(["--data", "d", "--store", "s", "--out", "o", "--steps", "1"] + options)
    assert words in capsys.readouterr().err
