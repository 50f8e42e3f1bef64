"""`edgecam bench pipeline`: every contestant gets the same video, whatever it is called and however it lies."""
import json
import os
import shutil

import pytest

from clips import import_av, make_clip
from edgecam.cli import main
from program import edgecam
from test_capture_turning import ask
from tiny_onnx import write_bright
from test_redaction import web_server     # noqa: F401


@pytest.mark.parametrize("typed", ["12:30:00.mp4", "file:12:30:00.mp4", "file://{folder}/12%3A30:00.mp4",
                                   "http://{server}/12:30:00.mp4?token=s3cret"])
def test_a_short_run_has_every_figure(tmp_path, web_server, typed):
    import_av()
    for name in ("onnxruntime", "cv2"):
        pytest.importorskip(name)
    if shutil.which("ffmpeg") is None:
        pytest.skip("takes the program ffmpeg")
    write_bright(tmp_path)
    ask(make_clip(tmp_path / "lying.mp4", frames=8), (0, 1, -1, 0), tmp_path / "12:30:00.mp4")
    typed = typed.format(folder=tmp_path, server=web_server)
    code, told, errors = edgecam("bench", "pipeline", typed, "--seconds", "0.5", "--rounds", "1", "--model", tmp_path / "bright.json",
                                 "--json", "out.json", cwd=str(tmp_path))
    assert code == 0, errors
    assert "s3cret" not in told + errors + (tmp_path / "out.json").read_text()
    assert "overhead against pipes" in told and "(180x320)" in told
    found = json.loads((tmp_path / "out.json").read_text())
    assert {name: turn["frames"] for name, turn in found["rounds"][0].items()} == dict.fromkeys(("edgecam", "opencv", "pipes", "floor"), 5)


@pytest.mark.parametrize("word, message", [("test://street", "bench pipeline: VIDEO: test://street is no video file"),
                                           ("gopher://x", "bench pipeline: VIDEO: input gopher://x: unknown scheme gopher")])
def test_what_is_no_file_is_told(word, message, capsys):
    assert main(["bench", "pipeline", word]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_pipe_is_refused_at_once(tmp_path, capsys):
    """Each contestant plays the video anew; this reads nothing, or it would wait for a writer."""
    os.mkfifo(str(tmp_path / "pipe"))
    assert main(["bench", "pipeline", str(tmp_path / "pipe")]) == 2
    error = capsys.readouterr().err
    assert "is a pipe, which can't be played again" in error and error.count("\n") == 1
