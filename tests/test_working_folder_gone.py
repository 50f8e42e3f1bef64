"""The folder that edgecam was started in is deleted: relative names lead nowhere, whole ones work all the same."""
import os
import shutil

import pytest

from clips import count_frames, import_av
from edgecam.cli import main

RUN = ["run", "test://street?size=320x180&frames=5", "--mode", "exact", "--web", "off", "--detector", "none"]


@pytest.fixture
def gone(tmp_path):
    import_av()
    before = os.getcwd()
    (tmp_path / "gone").mkdir()
    os.chdir(str(tmp_path / "gone"))
    shutil.rmtree(str(tmp_path / "gone"))
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize("words, code, start", [
    (RUN + ["x.mp4"], 2, "edgecam: run: OUTPUT: x.mp4: "), (RUN + ["x.h264"], 2, "edgecam: run: OUTPUT: x.h264: "),
    (RUN + ["null:", "--events", "e.jsonl"], 1, "edgecam: e.jsonl: "), (["run", "x.mp4", "null:", "--web", "off"], 1, "edgecam: x.mp4: "),
    (["bench", "roi", "x.mp4"], 1, "edgecam: x.mp4: ")])
def test_a_relative_name_is_refused_in_one_line(words, code, start, gone, capsys):
    assert main(words) == code
    err = capsys.readouterr().err
    assert err.startswith(start) and err.count("\n") == 1 and "the working folder was deleted" in err


def test_a_picture_too_is_refused(gone, capsys):
    assert main(["detect", "x.png", "--draw", str(gone / "out")]) == 1
    assert "x.png: the working folder was deleted" in capsys.readouterr().err


def test_whole_names_work(gone):
    assert main(RUN + [str(gone / "x.mp4")]) == 0
    assert count_frames(str(gone / "x.mp4"))[0] == 5
