"""`edgecam bench live`: what it compares, and a short run of the real thing."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from clips import import_av, make_clip
from edgecam.bench import live
from edgecam.bench.latency_browser import family
from edgecam.cli import main
from edgecam.config import load_config
from edgecam.errors import CaptureError
from edgecam.stats import Stats
from program import edgecam, start
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
    monkeypatch.setattr(live, "usable_cores", lambda: 2)
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


def both_of(path):
    import_av()
    return live.both(load_config(overrides=["capture.input=" + str(path), "detect.backend=none", "pipeline.mode=exact", "web.listen=off",
                                            "outputs.urls=null:"]), 5.0)


def test_frames_a_second_are_those_of_the_video(tmp_path, monkeypatch):
    """Ten frames are nine steps from the first to the last."""
    times = iter(range(100))
    captured = Stats.captured
    monkeypatch.setattr(Stats, "captured", lambda stats, now: captured(stats, 0.1 * next(times)))
    assert both_of(make_clip(tmp_path / "clip.mp4", frames=10))["fps"] == pytest.approx(10.0)


def test_of_one_frame_there_is_no_rate(tmp_path):
    with pytest.raises(CaptureError, match="one.mp4: no rate can be told of 1 frame; take a longer video"):
        both_of(make_clip(tmp_path / "one.mp4", frames=1))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux binds processes to cores")
def test_cores_that_this_process_may_not_use_are_not_left_for_the_detector():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert live.compare(turns(20.0, 0.5, 5.0))["possible_rate"] == pytest.approx(5.0)
    finally:
        os.sched_setaffinity(0, before)


def test_sigterm_ends_the_turn_too(tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("onnxruntime")
    write_bright(tmp_path)
    with start("bench", "live", "--seconds", "600", "--model", tmp_path / "bright.json", "--detector", "onnx") as bench:
        end = time.monotonic() + 60
        while not any(len(os.listdir("/proc/{}/task".format(pid))) > 1 for pid in family(bench.pid)[1:]) and bench.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.02)
        members = family(bench.pid)
        bench.send_signal(signal.SIGTERM)
        errors = bench.communicate(timeout=60)[1]
    assert (bench.returncode, b"Traceback" in errors) == (143, False) and len(members) > 1
    assert not any(os.path.exists("/proc/{}".format(pid)) for pid in members)


@pytest.mark.parametrize("detector", ["none", "scene"])
def test_a_detector_without_an_engine_is_told(detector):
    pytest.importorskip("av")
    code, said, errors = edgecam("bench", "live", "--seconds", "1", "--detector", detector)
    assert (code, said) == (1, "") and "--detector {}: has no engine".format(detector) in errors and len(errors.splitlines()) == 1


def test_figures_on_standard_output_are_json_alone(tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("onnxruntime")
    write_bright(tmp_path)
    code, said, errors = edgecam("bench", "live", "--seconds", "1", "--model", tmp_path / "bright.json", "--detector", "onnx", "--json", "-")
    assert code == 0, errors
    assert set(json.loads(said)["turns"]) == {"detector", "video", "both"}
