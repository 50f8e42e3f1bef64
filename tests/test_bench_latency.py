"""`edgecam bench latency`: a short run of the real thing, and how it counts."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from edgecam.bench import latency, latency_browser
from edgecam.bench.latency_browser import family
from edgecam.bench.latency_ways import WAYS, Marked
from edgecam.cli import main
from program import edgecam, start
from web_browser import chromium                                # noqa: F401 (a fixture)


@pytest.fixture
def scratch():
    """A folder with a short name: Chromium's socket lies below it."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield folder


def test_quantiles_and_gaps():
    assert latency.quantiles(range(1, 101)) == {"p50": 50, "p95": 95, "p99": 99}
    assert latency.quantiles([1, 2]) == {"p50": 1, "p95": 2, "p99": 2}
    assert latency.quantiles([7]) == {"p50": 7, "p95": 7, "p99": 7}
    assert latency.quantiles([]) == {"p50": None, "p95": None, "p99": None}
    assert latency.longest_gap([["a", 1.0], ["b", 1.1], ["c", 1.35]]) == 250
    assert latency.longest_gap([]) == 0


@pytest.mark.parametrize("seconds, said", [("0", "expected 1 to 3600"), ("-1", "expected 1 to 3600"), ("nan", "expected a number"), ("1e9", "expected 1 to 3600")])
def test_no_time_is_wrong_usage(monkeypatch, capsys, seconds, said):
    monkeypatch.setattr(latency, "measure", lambda args, ways: pytest.fail("it was measured"))
    assert main(["bench", "latency", "--seconds", seconds]) == 2
    assert said in capsys.readouterr().err


def test_what_was_lost_is_told_apart():
    before = {"waits": 1, "player": 2, "timed": 10, "number": 95, "presented": 50, "encoded": 100, "capture": 7}
    after = {"waits": 3, "player": 5, "timed": 100, "number": 194, "presented": 145, "encoded": 200, "capture": 8}
    lost = {"sent": 98, "shown": 95, "timed": 90, "dropped_at_capture": 1, "dropped_by_player": 3}
    assert latency.losses(before, after) == lost
    unnumbered = dict(number=None, presented=None)      # a way that tells neither: what was encoded, and what was seen of it
    assert latency.losses(dict(before, **unnumbered), dict(after, **unnumbered)) == dict(lost, sent=100, shown=90)


def test_the_marker_tells_when_its_frame_was_captured():
    from edgecam.capture.street import Street

    class Running:
        class stats:
            frames = 200

        class pipeline:
            class camera:
                scene, drops, _started = Street(960, 540, marker=True), 10, 5.0

    class Words:
        width = 960
    place = [int(v) for v in Running.pipeline.camera.scene.marker_box(150)[:2]]
    assert Marked("img", Running, Words).latencies([[place, 5.0 + 150 / 30. + 0.04], [[1, 1], 9]]) == pytest.approx([0.04])


def test_a_way_that_there_is_not_is_refused(capsys):
    assert main(["bench", "latency", "--ways", "mse,pigeon"]) == 2
    assert "--ways pigeon: there are codecs, mse" in capsys.readouterr().err


def test_the_family_of_a_process_has_its_children():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in family(os.getpid())
        child.communicate(b"\n")


def test_a_short_run_has_every_figure(chromium, capsys, monkeypatch):
    monkeypatch.setattr(latency, "SETTLE", 1.0)
    words = ["bench", "latency", "--seconds", "2", "--size", "640x360", "--detector", "scene", "--json"]
    ways = [name for name in ("codecs", "webrtc") if latency.capable(name)]
    assert main(words + ["--ways", ",".join(ways)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["ways"]) == ways
    for figures in found["ways"].values():
        assert figures["shown"] >= figures["timed"] > 10 and figures["sent"] > 10 and 0 < figures["p50"] <= figures["p99"] and figures["first"] > 0
    assert set(found["costs"]["viewers"]["MJPEG"]) == {"1", "10"}
    shown = latency.table(found)
    assert all(WAYS[name].titles[name] in shown for name in ways) and "CPU for each viewer" in shown


def test_without_chromium_nothing_is_left(tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("websocket")
    for name in ("none", "scratch"):
        (tmp_path / name).mkdir()
    words = ["bench", "latency", "--ways", "img", "--no-costs", "--seconds", "1", "--size", "320x180", "--detector", "none"]
    code, said, errors = edgecam(*words, env={"PATH": str(tmp_path / "none"), "TMPDIR": str(tmp_path / "scratch")})
    assert (code, said) == (1, "") and errors.endswith("edgecam: no Chromium here: apt-get install chromium\n")
    assert os.listdir(str(tmp_path / "scratch")) == []


def test_a_detector_that_does_not_open_ends_it():
    """The page and the pipeline are open by then."""
    pytest.importorskip("websocket")
    code, said, errors = edgecam("bench", "latency", "--detector", "triton", "--size", "320x180", "--no-costs")
    assert code and said == "" and "Traceback" not in errors


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_chromium_too(chromium, scratch, monkeypatch, number, code):
    """At once, as it starts: nobody has it in hand yet."""
    monkeypatch.setenv("TMPDIR", scratch)
    with start("bench", "latency", "--ways", "mjpeg", "--no-costs", "--size", "320x180", "--detector", "none") as bench:
        members, end = [], time.monotonic() + 60
        while len(members) < 4 and bench.poll() is None and time.monotonic() < end:
            members = family(bench.pid)
            time.sleep(0.01)
        assert len(members) >= 4, bench.communicate(timeout=60)
        bench.send_signal(number)
        errors = bench.communicate(timeout=60)[1]
    assert (bench.returncode, b"Traceback" in errors) == (code, False)
    assert not os.path.exists("/proc/{}".format(members[1])) and os.listdir(scratch) == []


@pytest.mark.parametrize("length, moved", [(30, False), (37, False), (38, True), (80, True)])
def test_chromiums_folder_leaves_room_for_its_socket(scratch, monkeypatch, length, moved):
    long = os.path.join(scratch, "x" * (length - len(scratch) - 1))
    os.mkdir(long)
    monkeypatch.setattr("tempfile.tempdir", long)
    folder = latency_browser.new_folder()
    os.rmdir(folder)
    assert os.path.dirname(folder) == ("/tmp" if moved else long)
    assert len(folder + "/org.chromium.Chromium.XXXXXX/SingletonSocket") <= 107
