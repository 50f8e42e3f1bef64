"""`edgecam bench pipeline`: every contestant gets the same video, whatever it is called and however it lies."""
import json
import os
import shutil
import signal
import time

import pytest

from clips import import_av, make_clip
from edgecam.bench import pipeline
from edgecam.bench.latency_browser import family
from edgecam.cli import main
from program import edgecam, start
from test_capture_turning import ask
from tiny_onnx import write_bright
from test_redaction import web_server     # noqa: F401


def expect_everybody():
    import_av()
    for name in ("onnxruntime", "cv2"):
        pytest.importorskip(name)
    if shutil.which("ffmpeg") is None:
        pytest.skip("takes the program ffmpeg")


@pytest.mark.parametrize("typed", ["12:30:00.mp4", "file:12:30:00.mp4", "file://{folder}/12%3A30:00.mp4",
                                   "http://{server}/12:30:00.mp4?token=s3cret"])
def test_a_short_run_has_every_figure(tmp_path, web_server, typed):
    expect_everybody()
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


def test_figures_on_standard_output_are_json_alone(tmp_path):
    expect_everybody()
    write_bright(tmp_path)
    code, told, errors = edgecam("bench", "pipeline", make_clip(tmp_path / "clip.mp4", frames=8), "--rounds", "1", "--model", tmp_path / "bright.json",
                                 "--json", "-")
    assert code == 0, errors
    assert json.loads(told)["task"]["frames"] == 8


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


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_turn_too(tmp_path, monkeypatch, number, code):
    """The bench alone gets it, as from a service manager or a script: the contestant goes, and so does its folder."""
    expect_everybody()
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    write_bright(tmp_path)
    with start("bench", "pipeline", make_clip(tmp_path / "clip.mp4", frames=300), "--rounds", "1000", "--model", tmp_path / "bright.json") as bench:
        waited_for(lambda: bench.poll() is not None or any(busy(pid) for pid in family(bench.pid)[1:]))
        members = family(bench.pid)
        assert bench.poll() is None
        bench.send_signal(number)
        errors = bench.communicate(timeout=60)[1]
    assert (bench.returncode, b"Traceback" in errors) == (code, False)
    assert not any(os.path.exists("/proc/{}".format(pid)) for pid in members) and os.listdir(str(tmp_path / "scratch")) == []


def busy(pid):
    """Tell whether a contestant has come as far as the engine's threads."""
    return os.path.exists("/proc/{}/task".format(pid)) and len(os.listdir("/proc/{}/task".format(pid))) > 1


def waited_for(read):
    """Return the first value of ``read()`` that is true."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        value = read()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come")


def test_a_contestant_that_fails_without_a_word_is_told(monkeypatch):
    monkeypatch.setattr(pipeline.sys, "executable", shutil.which("false"))
    with pytest.raises(pipeline.BenchFailed, match="^opencv failed: exit code 1$"):
        pipeline.take_turn("opencv", {})


@pytest.mark.parametrize("words, message", [(["--seconds", "0.001"], "--seconds 0.001: is less than one frame of this video"),
                                            (["--bitrate", "fast"], "--bitrate fast: 'fast' is not a number; expected bits a second, such as 800k")])
def test_figures_that_can_not_be_are_told_before_anybody_has_a_turn(tmp_path, capsys, words, message):
    expect_everybody()
    write_bright(tmp_path)
    assert main(["bench", "pipeline", str(make_clip(tmp_path / "clip.mp4", frames=8)), "--model", str(tmp_path / "bright.json")] + words) == 2
    assert capsys.readouterr().err == "edgecam: " + message + "\n"


def test_without_ffmpeg_nobody_has_a_turn(monkeypatch, capsys):
    pytest.importorskip("cv2")
    monkeypatch.setenv("PATH", os.path.dirname(__file__))
    assert main(["bench", "pipeline", "clip.mp4"]) == 1
    assert capsys.readouterr().err == "edgecam: bench pipeline compares with the program ffmpeg, which is not here: apt-get install ffmpeg\n"
