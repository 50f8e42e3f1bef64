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
