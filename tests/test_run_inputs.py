"""The whole program on inputs that are odd, broken, or of the wrong kind: a recording that plays, or one clear line."""
import json
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest

from clips import count_frames, damage, import_av, join, make_clip
from edgecam.cli import main
from program import ROOT, start
from test_capture_file import headless, odd_clip, picture, write
from tiny_onnx import bright_cells, bright_description

QUIET = ["--mode", "exact", "--web", "off", "--detector", "none"]


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


def recorded(path, tmp_path):
    """Run *path* into an MP4; return (frames in it, their first picture's size)."""
    out = tmp_path / "out.mp4"
    assert main(["run", str(path), str(out)] + QUIET) == 0
    with import_av().open(str(out)) as container:
        first = next(container.decode(video=0))
    return count_frames(out)[0], (first.width, first.height)


def test_an_odd_size_grows_by_a_column_and_a_row(tmp_path):
    assert recorded(odd_clip(tmp_path), tmp_path) == (3, (642, 360))


def test_4k(tmp_path):
    assert recorded(make_clip(tmp_path / "uhd.mp4", frames=2, size=(3840, 2160)), tmp_path) == (2, (3840, 2160))


@pytest.mark.parametrize("feed", ["cat clip.ts | {} run /dev/stdin", "{} run /dev/stdin < clip.ts", "{} run <(cat clip.ts)", "cat clip.ts | {} run file:/dev/fd/0"])
def test_what_a_pipe_brings(tmp_path, feed):
    make_clip(tmp_path / "clip.ts", frames=12)
    done = subprocess.run(["bash", "-c", feed.format(shlex.quote(sys.executable) + " -m edgecam") + " out.mp4 " + " ".join(QUIET)], cwd=str(tmp_path),
                          env=dict(os.environ, PYTHONPATH=ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stderr
    assert count_frames(tmp_path / "out.mp4")[0] == 12


def piped(folder, name):
    """Run `cat NAME | edgecam run /dev/stdin` in *folder*; return (exit code, the lines of stderr)."""
    command = "cat {} | {} -m edgecam run /dev/stdin out.mp4 {}".format(name, shlex.quote(sys.executable), " ".join(QUIET))
    done = subprocess.run(["bash", "-c", command], cwd=str(folder), env=dict(os.environ, PYTHONPATH=ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60)
    return done.returncode, done.stderr.decode().splitlines()


@pytest.mark.parametrize("length", [300000, 5000000])
def test_a_pipe_that_brings_the_index_last_is_told_what_to_do(tmp_path, length):
    if not hasattr(import_av().stream.Stream, "index_entries"):
        pytest.skip("this PyAV does not tell where pictures are")
    make_clip(tmp_path / "late.mp4", frames=12)
    lengthen(tmp_path / "late.mp4", length)
    code, lines = piped(tmp_path, "late.mp4")
    assert code == 1 and len(lines) == 1 and lines[0].startswith("edgecam: input /dev/stdin: the index of this MP4 stands at its end, and a pipe can't go back"), lines
    assert not (tmp_path / "out.mp4").exists()
    assert main(["run", str(tmp_path / "late.mp4"), str(tmp_path / "named.mp4")] + QUIET) == 0 and count_frames(tmp_path / "named.mp4")[0] == 12


def lengthen(path, length):
    """Add *length* bytes of nothing behind the pictures of an MP4, more than FFmpeg keeps of a pipe."""
    content = path.read_bytes()
    index = content.rindex(b"moov") - 4
    path.write_bytes(content[:index] + struct.pack(">I4s", length + 8, b"free") + bytes(length) + content[index:])


@pytest.mark.parametrize("flags", ["+faststart", "+frag_keyframe+empty_moov"])
def test_a_pipe_that_brings_the_index_first(tmp_path, flags):
    make_clip(tmp_path / "first.mp4", frames=12, container_options={"movflags": flags})
    assert piped(tmp_path, "first.mp4")[0] == 0
    assert count_frames(tmp_path / "out.mp4")[0] == 12


def test_a_pipe_that_breaks_off_behind_its_index_has_another_reason(tmp_path):
    make_clip(tmp_path / "first.mp4", frames=12, container_options={"movflags": "+faststart"})
    content = (tmp_path / "first.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[:content.index(b"mdat") + 4])
    code, lines = piped(tmp_path, "cut.mp4")
    assert code == 1 and "not one frame" in lines[-1] and "index" not in "".join(lines)


def test_a_terminal_is_not_waited_for():
    ours, terminal = pty.openpty()
    try:
        done = subprocess.run([sys.executable, "-m", "edgecam", "run", "/dev/stdin", "null:"] + QUIET, stdin=terminal, env=dict(os.environ, PYTHONPATH=ROOT),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(terminal)
        os.close(ours)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert b"input /dev/stdin: this is a terminal or another device, no video; expected a camera, a file or a URL; what a pipe brings is" in done.stderr


def test_a_file_that_breaks_off_is_recorded_as_far_as_it_goes(tmp_path):
    whole = make_clip(tmp_path / "whole.ts", frames=60)
    with open(whole, "rb") as stream:
        content = stream.read()
    frames, _ = recorded(write(tmp_path / "half.ts", content[:len(content) // 2]), tmp_path)
    assert 15 < frames < 60


def transport_stream(folder, size=(320, 180), start=0, b_frames="0"):
    """A second of MPEG-TS, whose timestamps begin at *start* seconds."""
    return make_clip(folder / "{}-{}-{}.ts".format(size[0], start, b_frames), frames=25, size=size, fps=25,
                     times=[start + n / 25 for n in range(25)], options={"bf": b_frames})


SEAMS = [({}, {}, "0.960 s to 0.000 s"), ({}, {"size": (640, 360)}, "0.960 s to 0.000 s"), ({}, {"start": 80000}, "0.960 s to 80000.000 s"),
         ({}, {"b_frames": "3"}, "to 0."), ({"b_frames": "3"}, {}, "to 0.000 s"), ({"start": 5}, {"start": 5.7}, "5.960 s to 5.700 s")]


@pytest.mark.parametrize("mode", ["exact", "live"])
@pytest.mark.parametrize("first, second, words", SEAMS)
@pytest.mark.timeout(60)            # a live run would wait 80,000 s for its next frame
def test_a_jump_in_the_timestamps_is_bridged_and_said(tmp_path, caplog, first, second, words, mode):
    path = join(tmp_path / "cc.ts", transport_stream(tmp_path, **first), transport_stream(tmp_path, **second))
    assert main(["run", path, str(tmp_path / "out.mp4"), "--web", "off", "--detector", "none", "--mode", mode]) == 0
    frames, times = count_frames(tmp_path / "out.mp4")
    assert frames == 50 and times == pytest.approx([n / 25 for n in range(50)], abs=1e-3)
    said = [record.getMessage() for record in caplog.records if "its timestamps" in record.getMessage()]
    assert len(said) == 1 and words in said[0] and "at frame 25:" in said[0]


@pytest.mark.parametrize("mode", ["exact", "live"])
def test_damaged_video_is_recorded_and_said(tmp_path, capsys, mode):
    whole = make_clip(tmp_path / "whole.mp4", frames=38, fps=25, size=(640, 360))
    run = ["run", damage(whole, tmp_path / "hurt.mp4"), str(tmp_path / "out.mp4"), "--web", "off", "--detector", "none", "--mode", mode, "--overwrite"]
    assert main(run) == 0
    said = capsys.readouterr()
    assert "came damaged: " in said.out and said.err.count("what else is damaged is counted") == 1
    assert main(run + ["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["broken"] >= 1
    assert main(["run", whole] + run[2:]) == 0
    assert "came damaged" not in "".join(capsys.readouterr())


@pytest.fixture
def waiting(tmp_path):
    """A run whose input is the pipe p.ts, which nobody has opened; killed at the end of the test."""
    os.mkfifo(str(tmp_path / "p.ts"))
    process = start("run", tmp_path / "p.ts", tmp_path / "o.mp4", *QUIET)
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


@pytest.mark.timeout(90)            # a pipe that nobody writes into waits for ever
def test_a_pipe_without_a_writer_is_said_and_waited_for(waiting, tmp_path):
    said = next(iter(waiting.stderr))
    assert said.decode() == "edgecam: input {}: waiting for somebody who writes into this pipe\n".format(tmp_path / "p.ts")
    with open(make_clip(tmp_path / "whole.ts", frames=20), "rb") as clip, open(str(tmp_path / "p.ts"), "wb") as writer:
        writer.write(clip.read())
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 0 and b"waiting" not in errors, errors
    assert count_frames(tmp_path / "o.mp4")[0] == 20


@pytest.mark.timeout(90)
def test_an_interrupt_ends_the_wait_for_a_writer(waiting, tmp_path):
    assert b"waiting" in next(iter(waiting.stderr))
    waiting.send_signal(signal.SIGINT)
    assert waiting.communicate(timeout=30) == (b"", b"") and waiting.returncode == 130
    assert os.listdir(str(tmp_path)) == ["p.ts"]


@pytest.mark.parametrize("make, words", [
    (lambda folder: write(folder / "empty.mp4", b""), "the file is empty"),
    (lambda folder: picture(folder / "photo.png"), "try: edgecam detect"),
    (lambda folder: headless(folder), "head.mp4: "),
    (lambda folder: write(folder / "text.mp4", b"no video " * 400), "text.mp4: "),
    (lambda folder: folder, "is a folder"),
])
@pytest.mark.parametrize("mode", ["exact", "live"])
def test_what_is_no_video_ends_with_one_line_and_no_recording(tmp_path, capsys, make, words, mode):
    source, out = make(tmp_path), tmp_path / "out" / "o.mp4"
    out.parent.mkdir()
    assert main(["run", str(source), str(out), "--mode", mode, "--web", "off", "--detector", "none"]) == 1
    said = capsys.readouterr().err.strip()
    assert words in said.splitlines()[-1] and "Traceback" not in said
    assert not os.listdir(str(out.parent))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path, capsys):
    path = write(tmp_path / "mine.mp4", b"x")
    path.chmod(0)
    assert main(["run", str(path), "null:"] + QUIET) == 1
    assert "mine.mp4" in capsys.readouterr().err


MODELS = [({"network": b"\x89PNG not a network"}, "can't load it"), ({"input": {"name": "data", "width": 96, "height": 64}}, "its inputs are image")]


@pytest.mark.parametrize("change, words", MODELS, ids=["not ONNX", "another input"])
@pytest.mark.parametrize("mode", ["exact", "live"])
def test_a_model_that_is_none_ends_the_run_with_one_line_and_a_file_that_plays(tmp_path, capsys, change, words, mode):
    change = dict(change)
    (tmp_path / "bright.onnx").write_bytes(change.pop("network", bright_cells()))
    (tmp_path / "bright.json").write_text(json.dumps(dict(bright_description(), **change)))
    out = tmp_path / "o.mp4"
    code = main(["run", "test://street?size=320x180", str(out), "--mode", mode, "--web", "off", "--duration", "20",
                 "--model", str(tmp_path / "bright.json"), "--detector", "onnx"])
    said = capsys.readouterr().err
    assert code == 78 and words in said.strip().splitlines()[-1] and "Traceback" not in said
    assert not out.exists() or count_frames(out)[0] > 0


def test_a_model_that_fits_is_used(tmp_path):
    (tmp_path / "bright.onnx").write_bytes(bright_cells())
    (tmp_path / "bright.json").write_text(json.dumps(bright_description()))
    events = tmp_path / "e.jsonl"
    assert main(["run", make_white_square(tmp_path / "w.mp4"), "null:", "--mode", "exact", "--web", "off", "--events", str(events),
                 "--model", str(tmp_path / "bright.json"), "--detector", "onnx"]) == 0
    with open(str(events)) as lines:
        assert all(json.loads(line)["detections"] for line in lines)


def make_white_square(path):
    av = import_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        luma = np.full((96, 96), 128, np.uint8)
        luma[:64] = 16
        luma[16:24, 8:16] = 235
        for number in range(3):
            shot = av.VideoFrame.from_ndarray(luma, "yuv420p")
            shot.pts = number
            container.mux(stream.encode(shot))
        container.mux(stream.encode(None))
    return str(path)
