"""bench track: on sequences small enough to know the answer."""
import json
import os
from argparse import Namespace

import numpy as np
import pytest

from clips import import_av, make_clip
from edgecam.bench import track_data, track_score
from edgecam.bench.track import render
from edgecam.bench.track_rivals import Greedy
from edgecam.cli import main
from edgecam.errors import UsageError

INFO = "[Sequence]\nname={0}\nframeRate=10\nseqLength=40\nimWidth=640\nimHeight=480\n"


@pytest.fixture
def sequences(tmp_path):
    """Two sequences of two walkers each, detected without errors; a third box is a distractor."""
    pytest.importorskip("trackeval")
    for name in ("one", "two"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        (folder / "seqinfo.ini").write_text(INFO.format(name))
        truth, seen = [], []
        for frame in range(1, 41):
            for identity, x, y, kind in ((1, 50 + 6 * frame, 100, 1), (2, 500 - 6 * frame, 260, 1), (3, 20, 20, 8)):
                truth.append("{},{},{},{},40,90,1,{},1".format(frame, identity, x, y, kind))
                seen.append("{},-1,{},{},40,90,0.9,-1,-1,-1".format(frame, x, y))
        (folder / "gt.txt").write_text("\n".join(truth) + "\n")
        (folder / "det.txt").write_text("\n".join(seen) + "\n")
    return str(tmp_path / "data")


def test_no_heading_touches_its_neighbour():
    names = track_score.COLUMNS + ("overlap", "motion ms", "frames/s")
    figures = {"all": dict.fromkeys(names, 123456.0), "sequences": {"a": {}}}
    heading, row = render({"motion luma": figures}, Namespace(data="a", hz=5, every_frame=False)).splitlines()[1:3]
    assert " motion ms " in heading and len(row) == len(heading) and len(row.split()) == 2 + len(names)


@pytest.mark.parametrize("words", [[], ["--hz", "5"], ["--hz", "5", "--every-frame"]])
def test_perfect_detections_make_perfect_tracks(sequences, tmp_path, words, capsys):
    figures, out = str(tmp_path / "figures.json"), str(tmp_path / "out")
    assert main(["bench", "track", sequences, "--json", figures, "--out", out] + words) == 0
    with open(figures) as stream:
        table = json.load(stream)
    ours = table[next(iter(table))]["all"]
    assert ours["MOTA"] > 99 and ours["IDF1"] > 99 and ours["IDSW"] == 0
    assert any(name.startswith("greedy IoU") for name in table)
    if "--every-frame" in words:
        assert ours["HOTA"] > table["edgecam held"]["all"]["HOTA"]
    assert "edgecam" in capsys.readouterr().out
    rows = np.loadtxt(os.path.join(out, "one.txt"), delimiter=",")
    assert rows.shape[1] == 10 and len(set(rows[:, 1])) == 3
    assert rows[:, 0].max() == (20 if words == ["--hz", "5"] else 40 if not words or len(words) == 3 else None)


def test_figures_on_standard_output_are_json_alone(sequences, capsys):
    assert main(["bench", "track", sequences, "--json"]) == 0
    assert "edgecam" in json.loads(capsys.readouterr().out)


def test_no_detections_at_all_is_scored_too(sequences):
    for name in ("one", "two"):
        with open(os.path.join(sequences, name, "det.txt"), "w"):
            pass
    assert main(["bench", "track", sequences]) == 0


@pytest.mark.parametrize("words, code, hint", [
    (["/nowhere"], 2, "no such folder"), (["."], 2, "seqinfo.ini"), ([".", "--hz", "0"], 2, "above zero"), ([".", "--hz", "1e-320"], 2, "0.001 at least"),
    ([".", "--every-frame"], 2, "--hz")])
def test_bad_words_get_one_line(words, code, hint, capsys, tmp_path, monkeypatch):
    pytest.importorskip("trackeval")
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "track"] + words) == code
    assert hint in capsys.readouterr().err


def test_a_broken_sequence_is_named(tmp_path, capsys):
    pytest.importorskip("trackeval")
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nseqLength=many\n")
    assert main(["bench", "track", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("line, why", [("{", "it is no JSON"), ('{"frame": 1}', 'it has no "boxes"'), ('{"boxes": []}', 'it has no "frame"'), ('{"frame": 1, "boxes": [["car"]]}', "a value is of another kind, or one")])
def test_a_broken_line_of_truth_is_named(line, why, tmp_path):
    (tmp_path / "x.mp4").write_text("")
    (tmp_path / "gt.jsonl").write_text('{"frame": 0, "boxes": []}\n' + line + "\n")
    with pytest.raises(UsageError, match="gt.jsonl:2: " + why):
        track_data.load(str(tmp_path))


def with_truth(folder, lines, frames=12):
    """Make a folder of a video of so many *frames*, and the true boxes *lines*, {frame: boxes}."""
    import_av()
    make_clip(folder / "clip.mp4", frames=frames)
    (folder / "gt.jsonl").write_text("".join(json.dumps({"frame": frame, "boxes": boxes}) + "\n" for frame, boxes in lines.items()))
    return str(folder)


def test_true_boxes_belong_to_the_frame_that_their_line_names(tmp_path):
    """Frames without an object need no line, and lines may stand in any order."""
    (sequence,), pictures = track_data.load(with_truth(tmp_path, {9: [["car", 40, 20, 30, 30, 7]], 4: [["car", 10, 20, 30, 30, 7]]}))
    assert pictures and [(frame, rows[0][1]) for frame, rows in enumerate(sequence.truth) if len(rows)] == [(4, 10), (9, 40)]
    assert len(sequence.truth) == len(sequence.detections) == 10


@pytest.mark.parametrize("lines, said", [
    ({}, "there is no true box in it, so nothing can be scored"), ({0: [], 1: []}, "there is no true box in it, so nothing can be scored"),
    ({-1: [["car", 1, 1, 9, 9, 1]]}, "frames are counted from 0"), ({10 ** 9: []}, "frames are counted from 0"),
    ({0: [["car", 1, 1, 9, 9, 1]], 30: []}, "the video ends after 12 frames, but gt.jsonl has lines up to frame 30")])
def test_truth_that_does_not_fit_is_one_line(tmp_path, capsys, lines, said):
    pytest.importorskip("trackeval")
    assert main(["bench", "track", with_truth(tmp_path, lines)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("edgecam: ") and said in error


def test_without_trackeval_it_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "trackeval.metrics", None)
    assert main(["bench", "track", str(tmp_path)]) == 1
    assert "pip install trackeval" in capsys.readouterr().err


def test_greedy_follows_the_best_overlap():
    greedy = Greedy()
    first, _ = greedy.update(np.array([[0, 0, 10, 10, .9], [100, 0, 10, 10, .9]]))
    second, _ = greedy.update(np.array([[101, 0, 10, 10, .9], [2, 0, 10, 10, .9], [50, 50, 9, 9, .9]]))
    assert (first, second) == ([1, 2], [2, 1, 3])


def test_distractors_count_neither_way():
    truth = np.array([[1, 0, 0, 10, 10, 1, 1], [2, 50, 0, 10, 10, 1, 8], [3, 90, 0, 10, 10, 0, 1]], float)
    ids, boxes = [7, 8, 9], [(0, 0, 10, 10), (51, 0, 10, 10), (90, 0, 10, 10)]
    truth_ids, _, left, _ = track_score.clean(truth, ids, boxes)
    assert truth_ids.tolist() == [1] and left.tolist() == [7, 9]


def test_the_scene_knows_its_own_motion():
    sequence = track_data.scene("test://street?pan=60&fps=10")
    assert sequence.motion(5)[:, 2] == pytest.approx([-6, 0])
    assert len(sequence.truth) == 200 and len(sequence.seen(3)) <= len(sequence.truth[3])


def test_the_bars_of_the_public_sequences(data_folder, tmp_path):
    """Twelve sequences, pooled: detections five times a second, scored on their frames."""
    pytest.importorskip("trackeval")
    figures = str(tmp_path / "figures.json")
    assert main(["bench", "track", os.path.join(data_folder, "tracking", "dev"), "--hz", "5", "--json", figures]) == 0
    with open(figures) as stream:
        ours = json.load(stream)["edgecam"]["all"]
    assert (ours["MOTA"], ours["IDF1"], ours["HOTA"]) >= (50, 61.5, 48.5) and ours["IDF1"] > 61.5 and ours["HOTA"] > 48.5
