"""`edgecam bench live`: what it compares, and a short run of the real thing."""
import json
import subprocess
import sys

import pytest

from edgecam.bench import live
from edgecam.cli import main
from edgecam.stats import Stats
from tiny_onnx import write_bright


def turns(alone, cpu, together):
    return {"detector": {"rate": alone, "threads": 2}, "video": {"cpu": cpu, "fps": 30.0},
            "both": {"rate": together, "dropped": 0, "latency_ms": {}}}


@pytest.mark.parametrize("alone, cpu, together, possible, share", [
    (20.0, 0.5, 13.5, 15.0, 0.9),           # three quarters of two cores are left
    (80.0, 0.4, 29.1, 30.0, 0.97),          # a fast one sees every frame, and there are no more
    (80.0, 2.0, 0.0, 0.0, 0.0),             # nothing is left
])
def test_what_was_possible(monkeypatch, alone, cpu, together, possible, share):
    monkeypatch.setattr(live.os, "cpu_count", lambda: 2)
    figures = live.compare(turns(alone, cpu, together))
    assert figures["possible_rate"] == pytest.approx(possible) and figures["share"] == pytest.approx(share)


def test_no_time_is_wrong_usage(capsys):
    assert main(["bench", "live", "--seconds", "0"]) == 2
    assert "--seconds 0: expected at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("said, words", [(b"first\nedgecam: input x.mp4: there is no such file\n", "edgecam: input x.mp4: there is no such file"), (b"", "exit code 1")])
def test_a_turn_that_fails_is_told_in_its_own_words(monkeypatch, said, words):
    monkeypatch.setattr(live.subprocess, "run", lambda words, **pipes: subprocess.CompletedProcess(words, 1, b"", said))
    with pytest.raises(live.BenchFailed) as caught:
        live.take_turn("detector")
    assert str(caught.value) == "turn detector failed: " + words


def test_what_the_start_costs_is_no_load(monkeypatch):
    stats, clock = Stats(), iter([7.0, 7.5, 8.25])
    monkeypatch.setattr(live, "cpu", lambda: next(clock))
    spent = live.cpu_while_frames_come(stats)
    for now in (100.0, 101.0, 102.0):
        stats.captured(now)
    assert spent == [7.0, 8.25] and stats.frames == 3 and stats.seconds == 2.0


def test_a_short_run_has_every_figure(tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("onnxruntime")
    write_bright(tmp_path)
    words = [sys.executable, "-m", "edgecam", "bench", "live", "--seconds", "1", "--model", str(tmp_path / "bright.json"), "--detector", "onnx"]
    done = subprocess.run(words + ["--json", str(tmp_path / "out.json")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr
    assert "frames dropped" in done.stdout and "detection rate" in done.stdout
    found = json.loads((tmp_path / "out.json").read_text())
    assert 0 < found["turns"]["both"]["cpu"] and found["possible_rate"] <= found["turns"]["video"]["fps"] and found["turns"]["both"]["encoded"] > 10
