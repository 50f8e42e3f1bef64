"""Standard streams that are closed, or a disk that is full: what was asked for is done, and whoever can be told is told in one line."""
import json
import os
import subprocess
import sys
import tarfile

import pytest

from clips import count_frames, import_av
from labelled_data import record, write_source
from program import ROOT, edgecam
from tiny_onnx import bright_cells, bright_description

RUN = ["run", "test://street?size=320x180&frames=20", "--mode", "exact", "--web", "off", "--detector", "none"]


def shell(redirections, *words):
    """Run the program with a shell's *redirections*; return (exit code, stdout, stderr)."""
    done = subprocess.run(["sh", "-c", 'exec "$@" ' + redirections, "sh", sys.executable, "-m", "edgecam"] + [str(word) for word in words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=dict(os.environ, PYTHONPATH=ROOT))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("redirections, code", [("2>&-", 0), ("2>/dev/full", 0), (">&- 2>&-", 1), ("<&- >&- 2>&-", 1)])
@pytest.mark.parametrize("mode", ["exact", "live"])
def test_nobody_listens_and_the_video_is_recorded(tmp_path, redirections, code, mode):
    import_av()
    out = tmp_path / "o.mp4"
    found, said, _ = shell(redirections, *(RUN + [out, "--mode", mode]))
    assert (found, "20 encoded" in said) == (code, code == 0)
    assert count_frames(out)[0] == 20


def test_a_wrong_word_has_its_exit_code_though_nobody_can_be_told():
    for redirections in ("2>&-", "2>/dev/full"):
        assert shell(redirections, "run", "pigeon://x") == (2, "", "")


WORDS = [["--help"], ["run", "--help"], ["--version"], ["check"], ["check", "--defaults"], ["check", "--schema"], ["check", "--events-schema"], ["models"],
         ["models", "--json"], ["devices"], ["passwd", "--token", "viewer"], ["bench", "--help"]]


@pytest.mark.parametrize("redirection, why", [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_what_can_not_be_said_is_a_failure_in_one_line(words, redirection, why):
    code, said, err = shell(redirection, *words)
    assert (code, said, err) == (1, "", "edgecam: standard output can't be written: {}; what was to be said there is lost\n".format(why))


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("words", [[], ["--json"], ["--events", "-"]])
def test_a_run_that_can_not_say_its_summary_has_recorded_all_the_same(tmp_path, redirection, words):
    import_av()
    out = tmp_path / "o.mp4"
    code, _, err = shell(redirection, *(RUN[:2] + [out, "--mode", "live", "--duration", "1"] + RUN[4:] + words))
    assert code == 1 and "Traceback" not in err and err.splitlines()[-1].startswith("edgecam: ")
    assert ("events -" if "--events" in words else "standard output can't be written") in err.splitlines()[-1]
    assert count_frames(out)[0] == 20


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_pictures_and_measurements_that_can_not_be_told(tmp_path, monkeypatch, redirection):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / "bright.onnx").write_bytes(bright_cells())
    (tmp_path / "bright.json").write_text(json.dumps(dict(bright_description(), labels=["person"], decoder=dict(
        bright_description()["decoder"], groups=[{"label": "person"}]))))
    write_source(tmp_path / "data", [(record("0.png", [("person", 1, 2, 0)]), [(1, 2)])])
    with tarfile.open(str(tmp_path / "data" / "images.tar")) as tar:
        picture = tar.getnames()[0]
        (tmp_path / "x.png").write_bytes(tar.extractfile(picture).read())
    for words in (["detect", "x.png", "x.png", "--model", "./bright.json"], ["models", "eval", "./bright.json", "data", "--split", "all"]):
        code, _, err = shell(redirection, *(words + ["--detector", "onnx"]))
        assert code == 1 and "Traceback" not in err
        assert [line for line in err.splitlines() if "picture" not in line and "detector" not in line] == err.splitlines()[-1:]
        assert "standard output can't be written" in err


def test_letters_that_stdout_lacks_are_escaped(tmp_path):
    import_av()
    out = str(tmp_path) + "/\u044e.mp4"
    code, said, err = edgecam(*(RUN + [out]), env={"PYTHONIOENCODING": "ascii"})
    assert (code, err.count("Traceback")) == (0, 0) and "20 encoded" in said and "\\u044e.mp4" in said
    assert count_frames(out)[0] == 20


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}      # Python 3.6 needs the first alone


def test_files_of_the_settings_have_letters_that_the_locale_lacks(tmp_path):
    settings = tmp_path / "s.yaml"
    settings.write_bytes("outputs: {{urls: ['{0}/h\u00f6he.mp4']}}\nevents: {{file: '{0}/\u044e-%Y.jsonl'}}\n".format(tmp_path).encode())
    assert edgecam("check", str(settings), env=ASCII) == (0, "{}: fine\n".format(settings), "")
    import_av()
    code, said, err = edgecam("run", "test://street?size=320x180&frames=20", "--config", str(settings), "--web", "off", "--detector", "none", env=ASCII)
    assert (code, err.count("Traceback")) == (0, 0) and "20 encoded" in said
    assert count_frames(str(tmp_path / "h\u00f6he.mp4"))[0] == 20
    assert len([name for name in os.listdir(str(tmp_path)) if name.startswith("\u044e-2") and name.endswith(".jsonl")]) == 1


ODD = "a\nb\x1b[31m\x85\u202ec"
SHOWN = "a\\nb\\x1b[31m\\x85\\u202ec"


@pytest.mark.parametrize("words, code", [
    (["run", "/dev/" + ODD, "null:", "--web", "off"], 1), (["run", "foo://" + ODD], 2), (["run", "test://street", ODD + ".avi"], 2), (["run", "--model", ODD, "test://street"], 2),
    (["run", "--config", ODD], 78), (["check", ODD + ".yaml"], 78), (["check", "--set", ODD], 2), (["check", "--set", ODD + "=1"], 2), (["fly" + ODD], 2),
    (["models", "--folder", ODD], 2), (["devices", ODD], 2)])
def test_a_name_does_not_break_a_line_nor_steer_the_terminal(tmp_path, words, code):
    found, said, err = edgecam(*words, cwd=str(tmp_path), env={"LC_ALL": "C.UTF-8"})
    assert (found, said) == (code, "")
    assert len(err.splitlines()) == 1 and err.endswith("\n") and SHOWN in err


def test_names_stay_in_their_lines_where_all_goes_well(tmp_path):
    import_av()
    (tmp_path / (ODD + ".yaml")).write_text("{}")
    assert edgecam("check", ODD + ".yaml", cwd=str(tmp_path), env={"LC_ALL": "C.UTF-8"}) == (0, SHOWN + ".yaml: fine\n", "")
    (tmp_path / (ODD + ".mp4")).write_bytes(b"of an earlier run")
    code, said, err = edgecam(*(RUN[:2] + [ODD + ".mp4"] + RUN[4:]), cwd=str(tmp_path), env={"LC_ALL": "C.UTF-8"})
    assert code == 0 and all(line.startswith("edgecam: ") for line in err.splitlines()) and SHOWN + ".mp4: is there from an earlier run" in err
    assert [line for line in said.splitlines() if SHOWN + "-2.mp4  20 packets" in line] and ODD not in said


def test_the_journal_has_one_line_for_each_message_and_a_traceback_keeps_its_own(tmp_path):
    _, _, err = edgecam("detect", ODD + ".png", "--detector", "onnx", cwd=str(tmp_path), env={"LC_ALL": "C.UTF-8", "JOURNAL_STREAM": "1:1"})
    assert all(line.startswith(("<", "edgecam: ")) for line in err.splitlines())
    _, _, err = edgecam("run", "foo://" + ODD, cwd=str(tmp_path), env={"LC_ALL": "C.UTF-8", "EDGECAM_DEBUG": "1"})
    assert "\n  File " in err and err.splitlines()[-1].startswith("edgecam: run: INPUT: ")


LOUD = """
import logging
logging.warning("x")
logging.basicConfig(level=logging.DEBUG)
logging.getLogger().addHandler(logging.StreamHandler())
raise ImportError("no libopenvino.so")
"""


@pytest.mark.parametrize("environment, prefix", [({}, "edgecam: "), ({"JOURNAL_STREAM": "1:1"}, "<6>")])
def test_a_library_that_sets_up_the_root_logger_does_not_double_our_lines(tmp_path, environment, prefix):
    """It stands before the engine that is there, and is passed over like one whose parts are missing."""
    pytest.importorskip("onnxruntime")
    (tmp_path / "openvino.py").write_text(LOUD)
    (tmp_path / "one.png").write_bytes(b"none")
    (tmp_path / "bright.onnx").write_bytes(bright_cells())
    (tmp_path / "bright.json").write_text(json.dumps(bright_description()))
    done = subprocess.run([sys.executable, "-m", "edgecam", "detect", "one.png", "--model", "./bright.json"], cwd=str(tmp_path), timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH="{}:{}".format(tmp_path, ROOT), **environment))
    err = done.stderr.decode()
    assert done.returncode == 1 and "WARNING:root:x" in err
    for words in ("detector engine openvino passed over", "detector: <bright", "one.png: not a picture", "1 of 1 pictures failed"):
        shown = [line for line in err.splitlines() if words in line]
        assert len(shown) == 1 and shown[0].startswith(prefix if "picture" not in words else prefix.replace("6", "3"))
