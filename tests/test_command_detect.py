"""`edgecam detect`, from words to exit code."""
import json
import os
import signal
import struct
import sys
import zlib

import numpy as np
import pytest

from edgecam.cli import main
from edgecam.commands.detect import drawing_names
from edgecam.detect.stills import decode_still, draw, read_still, still_frame, write_still
from edgecam.errors import CaptureError
from edgecam.vocabulary import Box, Detection
from labelled_data import picture
from program import start
from tiny_onnx import write_bright

pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_bright(tmp_path)
    write_still(str(tmp_path / "one.png"), picture([(1, 2)]))
    write_still(str(tmp_path / "none.jpg"), picture([]))
    monkeypatch.setenv("EDGECAM_MODELS", str(tmp_path))
    return tmp_path


def run(folder, *words):
    return main(["detect"] + [str(folder / word) if word.endswith((".png", ".jpg")) else word for word in words]
                + ["--model", "bright"] + ([] if "--detector" in words else ["--detector", "onnx"]))


def test_json_per_picture(folder, capsys):
    assert run(folder, "one.png", "none.jpg", "--json") == 0
    one, none = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (one["image"], one["width"], one["height"]) == (str(folder / "one.png"), 96, 64)
    assert one["detections"] == [{"label": "light", "score": pytest.approx(1, abs=0.01), "box": pytest.approx([8, 16, 8, 8], abs=0.1)}]
    assert none["detections"] == []


def test_pictures_may_stand_around_options(folder, capsys):
    assert run(folder, "none.jpg", "--json", "one.png", "--threshold", "0.5", "none.jpg") == 0
    assert [os.path.basename(json.loads(line)["image"]) for line in capsys.readouterr().out.splitlines()] == ["none.jpg", "one.png", "none.jpg"]


@pytest.mark.parametrize("behind, lines", [([], 1), (["-x.png"], 2)])
def test_behind_two_dashes_all_are_pictures(folder, capsys, monkeypatch, behind, lines):
    monkeypatch.chdir(str(folder))
    (folder / "one.png").rename(folder / "-x.png")
    assert main(["detect", "none.jpg", "--model", "bright", "--detector", "onnx", "--json", "--"] + behind) == 0
    assert capsys.readouterr().out.count("\n") == lines


def test_text(folder, capsys):
    assert run(folder, "one.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("one.png: 96x64, 1 object") and lines[1].split() == ["light", "1.00", "at", "8,16", "8x8"]


def test_threshold(folder, capsys):
    run(folder, "one.png", "--json", "--threshold", "0")
    assert len(json.loads(capsys.readouterr().out)["detections"]) == 50


@pytest.mark.parametrize("name, content, words", [
    ("missing.png", None, "can't be read: No such file"), ("zero.png", b"", "empty, zero bytes"), ("text.png", b"hello", "not a picture"),
    ("cut.png", "cut", "not a picture")])
def test_a_bad_picture_is_one_line_and_the_others_are_done(folder, capsys, name, content, words):
    if content == "cut":
        content = (folder / "one.png").read_bytes()[:30]
    if content is not None:
        (folder / name).write_bytes(content)
    assert run(folder, name, "one.png", "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["image"].endswith("one.png")
    complaints = [line for line in err.splitlines() if name in line]
    assert len(complaints) == 1 and words in complaints[0] and "1 of 2 pictures failed" in err and "Traceback" not in err


def png_that_says(width, height):
    """Return a PNG whose header says so, and that holds next to nothing."""
    parts = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content)) for name, content in parts)


@pytest.mark.parametrize("library, words", [
    ("cv2", "too large: OpenCV reads up to 1073741824 pixels; make it smaller, or allow more with the variable OPENCV_IO_MAX_IMAGE_PIXELS"),
    ("PIL", "too large: Pillow reads up to 178956970 pixels; make it smaller, or install OpenCV")])
def test_a_picture_that_is_too_large_says_which_size_is_allowed(folder, capsys, monkeypatch, library, words):
    pytest.importorskip(library)
    if library == "PIL":
        monkeypatch.setitem(sys.modules, "cv2", None)
    (folder / "huge.png").write_bytes(png_that_says(60000, 60000))
    assert run(folder, "huge.png", "one.png") == 1
    out, err = capsys.readouterr()
    assert "huge.png: " + words in err and "one.png: 96x64" in out


def test_a_side_that_is_too_long_is_told_with_its_own_limit():
    pytest.importorskip("cv2")
    wide = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 1500000, 4, 1, 24, 0, 0, 0, 0, 0, 0)
    with pytest.raises(CaptureError, match="^w.bmp: too large: OpenCV reads up to 1048576 pixels across; .* OPENCV_IO_MAX_IMAGE_WIDTH$"):
        decode_still(wide, "w.bmp")


@pytest.mark.parametrize("library", ["OpenCV", "Pillow"])
@pytest.mark.parametrize("ending", ["JPEG", "PNG", "WebP", "BMP", "TIFF"])
def test_each_kind_of_picture_that_the_help_names(folder, capsys, monkeypatch, ending, library):
    pillow = pytest.importorskip("PIL.Image")
    path = folder / ("x." + ending)
    pillow.fromarray(picture([(1, 2)])[:, :, ::-1]).save(str(path), ending, **({"lossless": True} if ending == "WebP" else {}))
    if library == "Pillow":
        monkeypatch.setitem(sys.modules, "cv2", None)
    else:
        pytest.importorskip("cv2")
        monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SystemExit):
        main(["detect", "--help"])
    assert ending in capsys.readouterr().out
    assert main(["detect", str(path), "--model", "bright", "--detector", "onnx", "--json"]) == 0
    found, = json.loads(capsys.readouterr().out)["detections"]
    assert found["box"] == pytest.approx([8, 16, 8, 8], abs=0.1)


def test_draws_into_a_new_folder(folder):
    (folder / "other").mkdir()
    write_still(str(folder / "other" / "one.png"), picture([(5, 5)]))
    assert run(folder, "one.png", "other/one.png", "none.jpg", "--draw", str(folder / "new" / "drawn")) == 0
    drawn = folder / "new" / "drawn"
    assert sorted(path.name for path in drawn.iterdir()) == ["none.jpg", "one-2.png", "one.png"]
    changed = read_still(str(drawn / "one.png")).planes[0] != picture([(1, 2)])
    assert changed.any()


def test_a_picture_that_is_named_twice_is_drawn_into_one_file(folder):
    (folder / "other").mkdir()
    write_still(str(folder / "other" / "one.png"), picture([(5, 5)]))
    drawn = folder / "drawn"
    assert run(folder, "one.png", "one.png", "other/one.png", "one.png", "--draw", str(drawn)) == 0
    assert sorted(path.name for path in drawn.iterdir()) == ["one-2.png", "one.png"]
    assert read_still(str(drawn / "one.png")).planes[0][16, 8].any() and not read_still(str(drawn / "one-2.png")).planes[0][16, 8].any()


def test_naming_many_drawings_looks_at_each_picture_a_few_times(tmp_path, monkeypatch):
    looked, realpath = [], os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: looked.append(path) or realpath(path))
    images = [str(tmp_path / "{}.jpg".format(number)) for number in range(200)]
    assert len(set(drawing_names(images, str(tmp_path / "drawn")).values())) == 200
    assert len(looked) <= 3 * len(images)


@pytest.fixture
def waiting(folder):
    """`edgecam detect` with a pipe that nobody has opened among its pictures; killed at the end of the test."""
    os.mkfifo(str(folder / "p.jpg"))
    process = start("detect", folder / "p.jpg", folder / "one.png", "--model", folder / "bright.json", "--detector", "onnx", "--json")
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def said_while(process, folder):
    """Return whether *process* says that it waits for a writer, before it ends."""
    return any(line.decode() == "edgecam: {}: waiting for somebody who writes into this pipe\n".format(folder / "p.jpg") for line in process.stderr)


@pytest.mark.timeout(90)            # a pipe that nobody writes into waits for ever
def test_a_pipe_without_a_writer_is_said_and_waited_for(waiting, folder):
    assert said_while(waiting, folder)
    with open(str(folder / "p.jpg"), "wb") as writer:
        writer.write((folder / "one.png").read_bytes())
    out, err = waiting.communicate(timeout=30)
    found = [json.loads(line) for line in out.decode().splitlines()]
    assert waiting.returncode == 0 and b"waiting" not in err, err
    assert [len(picture["detections"]) for picture in found] == [1, 1]


@pytest.mark.timeout(90)
def test_an_interrupt_ends_the_wait_for_a_writer(waiting, folder):
    assert said_while(waiting, folder)
    waiting.send_signal(signal.SIGINT)
    assert waiting.communicate(timeout=30) == (b"", b"") and waiting.returncode == 130


def test_never_draws_over_its_input(folder, capsys):
    before = (folder / "one.png").read_bytes()
    assert run(folder, "one.png", "--draw", str(folder)) == 2
    assert "would overwrite" in capsys.readouterr().err and (folder / "one.png").read_bytes() == before


@pytest.mark.parametrize("words, code, text", [
    (["one.png", "--threshold", "2"], 2, "expected a score from 0 to 1"),
    (["one.png", "--set", "detect.threshold=high"], 2, "a number from 0 to 1"), (["one.png", "--detector", "abacus"], 2, "invalid choice"), ([], 2, "IMAGE"), (["one.png", "--draw", "/dev/null/x"], 1, "can't be made")])
def test_wrong_words(folder, capsys, words, code, text):
    assert run(folder, *words) == code
    assert text in capsys.readouterr().err


def test_settings_that_see_nothing_are_refused(folder, capsys):
    assert main(["detect", str(folder / "one.png"), "--set", "detect.backend=none"]) == 2
    assert "detect.backend is none: choose an engine" in capsys.readouterr().err


def test_unknown_model(folder, capsys):
    assert main(["detect", str(folder / "one.png"), "--model", "brigth"]) == 2
    assert "did you mean bright?" in capsys.readouterr().err


def test_boxes_are_drawn_where_they_are():
    image = np.zeros((120, 160, 3), np.uint8)
    drawn = draw(image, [Detection("person", 0.9, Box(40, 50, 60, 40))])
    assert not image.any() and drawn[50, 60:90].any() and drawn[90, 60:90].any() and drawn[70, 40].any() and not drawn[110].any()


@pytest.mark.parametrize("others", [[], ["one.png"]])
def test_a_folder_is_refused_before_anything_is_loaded(folder, capsys, others):
    (folder / "day").mkdir()
    assert run(folder, *(others + [str(folder / "day"), "--draw", str(folder / "drawn")])) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "edgecam: {0}: a folder; name the pictures in it (try: {0}/*.jpg)\n".format(folder / "day"))
    assert not (folder / "drawn").exists()


def test_folder_instead_of_a_picture(tmp_path):
    with pytest.raises(CaptureError, match="a folder; name the pictures in it"):
        read_still(str(tmp_path))


def test_still_frame_is_the_picture(tmp_path):
    frame = still_frame(picture([(0, 0)]))
    assert (frame.width, frame.height, frame.format.fourcc) == (96, 64, "BGR3")


@pytest.fixture
def without_opencv(monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setitem(sys.modules, "cv2", None)


def test_pillow_reads_and_draws_as_well(folder, capsys, without_opencv):
    (folder / "cut.png").write_bytes((folder / "one.png").read_bytes()[:40])
    assert run(folder, "one.png", "cut.png", "--json", "--draw", str(folder / "drawn")) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["detections"][0]["box"] == pytest.approx([8, 16, 8, 8], abs=0.1)
    assert "cut.png: not a picture" in err
    assert (read_still(str(folder / "drawn" / "one.png")).planes[0] != picture([(1, 2)])).any()


def test_without_either_it_says_what_to_install(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert run(folder, "one.png") == 1
    assert "takes OpenCV or Pillow: pip install" in capsys.readouterr().err
