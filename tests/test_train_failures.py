"""The contact sheet of a model's failures: shows false boxes and misses, and only of sources that were named."""
import json

import numpy as np
import pytest

from edgecam.detect.evaluation.split import split_of
from labelled_data import record, write_source
from tiny_onnx import bright_cells, bright_description
from train_scripts import importable

cv2 = pytest.importorskip("cv2")
pytest.importorskip("onnxruntime")


@pytest.fixture
def failures(monkeypatch):
    """The script, importable."""
    with importable(monkeypatch):
        import failures as script
        yield script


@pytest.fixture
def model(tmp_path):
    description = dict(bright_description(), labels=["person"])
    description["decoder"]["groups"] = [{"label": "person"}]
    (tmp_path / "bright.onnx").write_bytes(bright_cells())
    (tmp_path / "bright.json").write_text(json.dumps(description))
    return str(tmp_path / "bright.json")


def write(folder, source, true, shown):
    """One measured picture with a person at the cell ``true`` and a bright cell at ``shown``."""
    name = next(n for n in ("%d.png" % i for i in range(1000)) if split_of(source, {"src": "made:" + n}) == "val")
    write_source(folder / "train" / source, [(record(name, [("person",) + true + (0,)]), [shown])])


def lit(image, colour):
    return int((np.abs(image.astype(int) - colour).max(axis=2) < 70).sum())


def test_a_false_box_and_a_miss_are_shown(failures, model, tmp_path):
    write(tmp_path / "data", "wrong", true=(2, 2), shown=(8, 5))
    write(tmp_path / "data", "right", true=(4, 4), shown=(4, 4))
    sheet = str(tmp_path / "sheet.png")
    assert failures.main([model, "--data", str(tmp_path / "data"), "--sources", "wrong", "-o", sheet]) == 0
    image = cv2.imread(sheet)
    width, height = failures.TILE
    assert image.shape == (2 * (height + 18), 5 * width, 3)             # a row of false persons, a row of missed ones
    assert lit(image[:height], failures.FALSE) > 50 > lit(image[:height], failures.MISSED)
    assert lit(image[height + 18:][:height], failures.MISSED) > 50 > lit(image[height + 18:][:height], failures.FALSE)


def test_without_failures_it_says_so(failures, model, tmp_path, capsys):
    write(tmp_path / "data", "wrong", true=(2, 2), shown=(8, 5))
    write(tmp_path / "data", "right", true=(4, 4), shown=(4, 4))
    with pytest.raises(SystemExit):
        failures.main([model, "--data", str(tmp_path / "data"), "--sources", "right"])
    assert "nothing went wrong" in capsys.readouterr().err
