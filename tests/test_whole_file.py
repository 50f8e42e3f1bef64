"""Files that are written at once, on a disk that is full: the old one stays, or none, and one line says so."""
import contextlib
import errno
import os
import resource
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest

from clips import import_av
from edgecam.detect.plans import PlanCache
from edgecam.detect.stills import write_still
from edgecam.errors import OutputError
from edgecam.plotting import import_pyplot, save_figure
from edgecam.whole_file import write_whole
from labelled_data import record, write_source
from program import edgecam
from tiny_onnx import of_persons, write_bright


def full_after(size):
    """Return what lets a new process write files of *size* bytes at most."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@contextlib.contextmanager
def full():
    """Inside, files of this process, too, end after 100 bytes: what the tests' own output goes to among them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def model(tmp_path):
    """The environment in which `bright` is a model."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "models"
    folder.mkdir()
    write_bright(folder, **of_persons())
    return {"EDGECAM_MODELS": str(folder)}


@pytest.mark.parametrize("earlier", [None, b"drawn yesterday"])
@pytest.mark.parametrize("name", ["one.png", "one.jpg"])
def test_a_drawing_is_whole_or_not_there(tmp_path, model, name, earlier):
    write_still(str(tmp_path / name), np.random.RandomState(3).randint(0, 255, (64, 96, 3)).astype(np.uint8))
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    if earlier:
        (drawn / name).write_bytes(earlier)
    code, out, err = edgecam("detect", tmp_path / name, "--model", "bright", "--detector", "onnx", "--draw", drawn, env=model, preexec_fn=full_after(1000))
    assert code == 1 and out.startswith(str(tmp_path / name))
    assert "edgecam: {}: can't be written: File too large\n".format(drawn / name) in err and "Traceback" not in err
    assert {path.name: path.read_bytes() for path in drawn.iterdir()} == ({name: earlier} if earlier else {})


def test_a_plot_is_whole_or_not_there(tmp_path, model):
    pytest.importorskip("matplotlib", reason="matplotlib draws the plot")
    import_pyplot()                         # its list of fonts is in the cache
    write_source(tmp_path / "data" / "alpha", [(record("{}.png".format(n), [("person", 1, 2, 0)]), [(1, 2)]) for n in range(2)])
    (tmp_path / "plots").mkdir()
    words = "models", "eval", "bright", tmp_path / "data", "--split", "all", "--detector", "onnx", "--plot", tmp_path / "plots" / "p.png"
    code, out, err = edgecam(*words, env=model, preexec_fn=full_after(5000))
    assert code == 1 and "AP50" in out and err.endswith("edgecam: {}: can't be written: File too large\n".format(words[-1])) and "Traceback" not in err
    assert list((tmp_path / "plots").iterdir()) == []


def test_the_figures_of_a_benchmark_are_whole_or_not_there(tmp_path):
    pytest.importorskip("trackeval")
    (tmp_path / "f.json").write_text("of yesterday")
    code, out, err = edgecam("bench", "track", "test://street?size=320x192&fps=5", "--json", tmp_path / "f.json", preexec_fn=full_after(100))
    assert code == 1 and err.endswith("edgecam: --json {}: can't be written: File too large\n".format(tmp_path / "f.json")) and "Traceback" not in err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f.json", "of yesterday")]


def test_a_description_that_can_not_be_written_is_told_at_once(tmp_path):
    import_av()
    (tmp_path / "x.sdp").write_bytes(b"v=0 of yesterday")
    code, _, err = edgecam("run", "test://street", tmp_path / "x.mp4", "rtp://127.0.0.1:9", "--detector", "none", "--web", "off", "--set",
                           "outputs.sdp={}".format(tmp_path / "x.sdp"), preexec_fn=full_after(2))
    assert code == 1 and "edgecam: {}: can't be written: File too large\n".format(tmp_path / "x.sdp") in err and "Traceback" not in err
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x.sdp", b"v=0 of yesterday")]


def test_a_plan_or_a_calibration_is_whole_or_not_there(tmp_path):
    with full():
        kept = PlanCache(str(tmp_path)).store("x.calibration", b"t" * 101, {})
    assert kept is None
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".json"]


def test_nothing_broken_stays_in_this_process_either(tmp_path):
    with full():
        with pytest.raises(OSError):
            write_whole(str(tmp_path / "x"), b"x" * 101)
        assert list(tmp_path.iterdir()) == []
        write_whole(str(tmp_path / "x"), b"x" * 100)
    assert (tmp_path / "x").read_bytes() == b"x" * 100


def test_a_link_a_mode_and_a_long_name_stay(tmp_path):
    target, link, long = tmp_path / "target", tmp_path / "link", tmp_path / ("n" * 255)
    target.write_bytes(b"before")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(str(link), b"after", sync=True)
    assert link.is_symlink() and target.read_bytes() == b"after" and stat.S_IMODE(target.stat().st_mode) == 0o640
    write_whole(str(long), b"new")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(long.stat().st_mode) == 0o666 & ~mask and len(list(tmp_path.iterdir())) == 3


def test_a_pipe_takes_it_as_it_comes(tmp_path):
    pipe, read = str(tmp_path / "pipe"), []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(open(pipe, "rb").read()))
    reader.start()
    write_whole(pipe, b"figures")
    reader.join(30)
    assert read == [b"figures"] and stat.S_ISFIFO(os.stat(pipe).st_mode)
    with pytest.raises(OSError, match="No space left"):
        write_whole("/dev/full", b"figures")


def test_standard_output_takes_it_where_it_is_a_pipe():
    code = "from edgecam.whole_file import write_whole; write_whole('/dev/stdout', b'figures')"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout == b"figures"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_may_not_be_written_stays(tmp_path):
    (tmp_path / "kept").write_bytes(b"before")
    (tmp_path / "kept").chmod(0o444)
    with pytest.raises(PermissionError):
        write_whole(str(tmp_path / "kept"), b"after")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_the_owner_stays(tmp_path):
    (tmp_path / "his").write_bytes(b"before")
    os.chown(str(tmp_path / "his"), 1234, 1235)
    write_whole(str(tmp_path / "his"), b"after")
    status = (tmp_path / "his").stat()
    assert (status.st_uid, status.st_gid, (tmp_path / "his").read_bytes()) == (1234, 1235, b"after")


@pytest.mark.parametrize("number, written", [(errno.EBUSY, b"after"), (errno.EPERM, b"after"), (errno.EIO, b"before")])
def test_what_can_not_be_replaced_is_written(tmp_path, monkeypatch, number, written):
    """A file that is mounted by itself, as into a container, is busy."""
    def refuse(*_):
        raise OSError(number, os.strerror(number))
    (tmp_path / "mounted").write_bytes(b"before")
    monkeypatch.setattr(os, "replace", refuse)
    if written == b"before":
        with pytest.raises(OSError, match="error"):
            write_whole(str(tmp_path / "mounted"), b"after")
    else:
        write_whole(str(tmp_path / "mounted"), b"after")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [written]


def test_a_plot_without_an_ending_is_called_png(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib draws the plot")
    pyplot = import_pyplot()
    save_figure(pyplot.figure(), str(tmp_path / "p"))
    assert [(path.name, path.read_bytes()[:4]) for path in tmp_path.iterdir()] == [("p.png", b"\x89PNG")]
    with pytest.raises(OutputError, match="no/p.png: can't be written: No such file"):
        save_figure(pyplot.figure(), str(tmp_path / "no" / "p.png"))
