"""`edgecam models` and `edgecam models eval`, from words to exit code."""
import json

import pytest

from edgecam.cli import main
from labelled_data import record, write_source
from tiny_onnx import bright_cells, of_persons, write_bright


@pytest.fixture
def folder(tmp_path, monkeypatch):
    models = tmp_path / "models"
    models.mkdir()
    write_bright(models, **of_persons())
    monkeypatch.setenv("EDGECAM_MODELS", str(models))
    return tmp_path


def listed(capsys):
    return {item["name"]: item for item in map(json.loads, capsys.readouterr().out.splitlines())}


def test_lists_what_can_be_named(folder, capsys):
    assert main(["models"]) == 0
    assert "bright" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    item = listed(capsys)["bright"]
    assert item["state"] == "ok" and item["gflops"] == 0.01 and item["licence"] == "Apache-2.0" and item["bytes"] == len(bright_cells())


def test_a_licence_does_not_break_a_line_nor_steer_the_terminal(folder, capsys):
    path = folder / "models" / "bright.json"
    path.write_text(json.dumps(dict(json.loads(path.read_text()), licence="free\n\x1b[31mfor all")))
    assert main(["models", "--folder", str(path.parent)]) == 0
    assert [row for row in capsys.readouterr().out.splitlines() if row.startswith("bright ") and row.endswith("free\\n\\x1b[31mfor all")]


def test_a_damaged_file_shows(folder, capsys):
    path = folder / "models" / "bright.json"
    path.write_text(json.dumps(dict(json.loads(path.read_text()), sha256="ab")))
    assert main(["models", "--json"]) == 1
    assert listed(capsys)["bright"]["state"] == "SHA-256 differs"
    (folder / "models" / "bright.onnx").unlink()
    assert main(["models", "--json"]) == 1
    assert listed(capsys)["bright"]["state"] == "missing"


@pytest.mark.parametrize("name", ["nowhere", "models/bright.json"])
def test_a_folder_that_is_not_there_is_told(folder, capsys, name):
    there, other = folder / "models", folder / name
    assert main(["models", "--folder", str(there)]) == 0 and "bright" in capsys.readouterr().out
    assert main(["models", "--folder", str(other)]) == 2
    said = capsys.readouterr()
    assert said.err == "edgecam: models: --folder {}: there is no such folder\n".format(other) and not said.out


def test_an_environment_that_names_a_folder_that_is_not_there_is_told(folder, capsys, monkeypatch):
    there = str(folder / "models")
    for value, words in (("/nope", ["models"]), (there + ":/nope", ["check"]), ("/nope", ["run", "test://street", "null:", "--web", "off"])):
        monkeypatch.setenv("EDGECAM_MODELS", value)
        assert main(words) == 78
        said = capsys.readouterr()
        assert said.err == "edgecam: EDGECAM_MODELS = /nope: there is no such folder; name one that holds models, or none\n" and not said.out
    monkeypatch.setenv("EDGECAM_MODELS", ":" + there + ":")
    assert main(["models"]) == 0


def data(folder):
    """Two sources: one with a miss and a false one, one that labels no persons."""
    entries = [(record("{}.png".format(n), [("person", 1, 2, 0), ("person", 6, 6, 0)]), [(1, 2), (6, 6)]) for n in range(4)]
    entries += [(record("miss.png", [("person", 1, 2, 0), ("person", 3, 3, 0)]), [(1, 2)]),
                (record("false.png", [("person", 1, 2, 0)]), [(1, 2), (9, 5)]),
                (record("ignored.png", [("person", 1, 2, 1)]), [(1, 2)])]
    write_source(folder / "data" / "alpha", entries)
    write_source(folder / "data" / "beta", [(record("b.png", [("car", 1, 1, 0)], labelled=["car"]), [(1, 1)])])
    return str(folder / "data")


@pytest.mark.parametrize("before, behind", [([], ["--json"]), (["--json"], [])])
def test_measures_a_model(folder, capsys, before, behind):
    pytest.importorskip("onnxruntime")
    assert main(["models"] + before + ["eval", "bright", data(folder), "--split", "all", "--detector", "onnx"] + behind) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model"] == "bright" and result["pictures"] == {"alpha": 7, "beta": 1} and result["engine"] == "onnx"
    alpha = result["groups"]["person"]["alpha"]
    assert alpha["objects"] == 11 and 0.85 < alpha["ap50"] < 0.95 and alpha["ar"] == pytest.approx(10 / 11.0, abs=1e-3)
    assert list(result["groups"]["person"]) == ["alpha"] and not result["groups"]["vehicle"]


def test_table_and_plot(folder, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("matplotlib")
    plot = folder / "pr.png"
    assert main(["models", "eval", "bright", data(folder), "--split", "all", "--detector", "onnx", "--plot", str(plot)]) == 0
    out = capsys.readouterr().out
    assert "AP50:95" in out and "alpha" in out and plot.read_bytes()[:4] == b"\x89PNG"


def eval_both(folder, source, capsys, *words):
    """Return (the table, the JSON) of one measurement."""
    pytest.importorskip("onnxruntime")
    line = ["models", "eval", "bright", str(folder / source), "--split", "all", "--detector", "onnx"] + list(words)
    assert main(line) == 0
    table = capsys.readouterr().out
    assert main(line + ["--json"]) == 0
    return table, json.loads(capsys.readouterr().out)


def test_notes_say_what_the_mean_is_over_and_what_is_not_in_it(folder, capsys):
    for source in ("bdd100k", "visdrone", "coco_train", "alpha"):
        write_source(folder / "four" / source, [(record("a.png", [("person", 1, 2, 0)]), [(1, 2)])])
    table, figures = eval_both(folder, "four", capsys)
    lines = table.splitlines()
    assert lines[-3] == ("person: the domain mean is over bdd100k, visdrone and coco, each counted alike, without alpha; "
                         "in nine of ten sets of scenes like these its AP50 is {0:.1f} to {0:.1f}.".format(100 * figures["mean"]["person"]["ap50"]))
    assert figures["mean"]["person"]["ap50_range"] == [figures["mean"]["person"]["ap50"]] * 2       # one scene in each
    assert lines[-2] == "vehicle: not measured: no picture has a labelled one." and "domain mean" in lines[5]
    assert figures["notes"] == lines[-len(figures["notes"]):] and list(figures["mean"]) == ["person"]
    assert "in a region marked to be ignored" in figures["notes"][0] and "960x540" in figures["notes"][1]


def test_notes_say_why_there_is_no_mean(folder, capsys):
    """One domain, and a sample that leaves one out, whose picture there holds no object."""
    data(folder)
    table, figures = eval_both(folder, "data/alpha", capsys)
    assert "person: no domain mean: it is over bdd100k, visdrone and coco, and there is no object of bdd100k, visdrone and coco." in table.splitlines()
    assert "domain mean " not in table.split("\n\n")[0] and figures["mean"] == {} and figures["notes"] == table.splitlines()[-len(figures["notes"]):]
    for source, boxes in (("bdd100k", 1), ("visdrone", 1), ("coco_train", 0)):
        write_source(folder / "some" / source, [(record("a.png", [("person", 1, 2, 0)] * boxes), [(1, 2)])])
    assert "person: no domain mean: it is over bdd100k, visdrone and coco, and there is no object of coco." in eval_both(folder, "some", capsys)[0]


@pytest.mark.parametrize("words, code, text", [
    (["nothing-here"], 2, "models eval: DATA: "), (["nothing-here"], 2, "/nothing-here: there is no such folder"),
    (["models"], 2, "/models: holds no labelled pictures"), (["data", "--limit", "0"], 2, "expected at least 1"),
    (["data", "--split", "half"], 2, "--split")])
def test_wrong_words(folder, capsys, words, code, text):
    data(folder)
    assert main(["models", "eval", "bright", str(folder / words[0])] + words[1:] + ["--detector", "onnx"]) == code
    assert text in capsys.readouterr().err


def test_the_model_is_judged_before_the_data(folder, capsys):
    assert main(["models", "eval", "nobody", "nothing-here", "--detector", "onnx"]) == 2
    assert capsys.readouterr().err.startswith("edgecam: models eval: MODEL: no model nobody: ")


def test_a_damaged_tar_is_one_line(folder, capsys):
    pytest.importorskip("onnxruntime")
    path = data(folder)
    tar = folder / "data" / "alpha" / "images.tar"
    tar.write_bytes(tar.read_bytes()[:700])
    assert main(["models", "eval", "bright", path, "--split", "all", "--detector", "onnx"]) == 78
    err = capsys.readouterr().err
    assert "images.tar" in err and "Traceback" not in err
