"""AP50 over milliseconds: what was both timed and measured becomes a point."""
import json

import pytest

from train_scripts import importable

cv2 = pytest.importorskip("cv2")
pytest.importorskip("matplotlib")


@pytest.fixture
def tradeoff(monkeypatch):
    """The script, importable."""
    with importable(monkeypatch):
        import tradeoff as script
        yield script


@pytest.fixture
def files(tmp_path):
    """A bench of three models and what two of them reach; the second was never timed on its own."""
    def row(model, engine, spent, batch=1):
        return {"model": model, "engine": engine, "batch": batch, "latency ms": spent}
    paths = [tmp_path / name for name in ("bench.json", "small.json", "large.json")]
    paths[0].write_text(json.dumps({"rows": [row("small", "onnx", 4.0), row("small", "tensorrt", 8.0, 8), row("other", "onnx", 1.0)]}))
    for path, name in zip(paths[1:], ("small", "large")):
        path.write_text(json.dumps({"model": name, "mean": {"person": {"ap50": 0.4}, "vehicle": {"ap50": 0.7}}}))
    return [str(path) for path in paths]


def test_points(tradeoff, files):
    found = tradeoff.points(tradeoff.read(files[0]), [tradeoff.read(path) for path in files[1:]])
    scores = {"person": 0.4, "vehicle": 0.7}
    assert found == [("small", "onnx", 4.0, scores), ("small", "tensorrt", 1.0, scores)]       # of one picture of the batch


@pytest.mark.parametrize("name, parts", [
    ("edgecam-detectnet-960x540", ("full", "")), ("edgecam-detectnet-light-1200x675-int8", ("light INT8", "1200x675")), ("mine", ("full", ""))])
def test_what_a_name_says(tradeoff, name, parts):
    assert tradeoff.parts_of(name) == parts


def test_a_picture_is_drawn(tradeoff, files, tmp_path):
    output = str(tmp_path / "plot.png")
    assert tradeoff.main(files + ["-o", output]) == 0
    picture = cv2.imread(output)
    assert picture.shape[1] > 2 * picture.shape[0] and (picture != 255).any()


def test_nothing_in_common_is_said(tradeoff, files, capsys):
    with pytest.raises(SystemExit) as ended:
        tradeoff.main([files[0], files[2]])
    assert ended.value.code == 2 and "both timed and measured" in capsys.readouterr().err
