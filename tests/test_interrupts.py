"""Ctrl-C in the first seconds of the program, whatever it is doing: one exit code, no traceback, no file."""
import os
import signal
import subprocess
import sys

import pytest

from edgecam.interrupts import at_once, leave, leave_at_once, unwind

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Python runs it before the program: as soon as a certain module is asked for, Ctrl-C is pressed.
SITECUSTOMIZE = """
import os, signal, sys
class Bell:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PRESS_AT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Bell())
"""
STARTS = ["argparse", "edgecam.cli", "edgecam.config", "yaml", "edgecam.commands.run", "edgecam.pipeline", "numpy", "edgecam.track",
          "edgecam.web.server", "edgecam.detect.scripted", "edgecam.capture.scene", "edgecam.encode.x264", "edgecam.outputs.mp4"]


def pressed_at(module, folder, words):
    """Run the program and press Ctrl-C when it imports *module*; return (exit code, stdout, stderr)."""
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    environment = dict(os.environ, PYTHONPATH="{}:{}".format(folder, ROOT), PRESS_AT=module)
    done = subprocess.run([sys.executable, "-m", "edgecam"] + words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=environment, timeout=60, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("mode", ["exact", "live"])
@pytest.mark.parametrize("module", STARTS)
def test_the_start_of_a_run_is_interrupted_quietly(module, mode, tmp_path):
    pytest.importorskip("av")
    out = tmp_path / "o.mp4"
    code, said, err = pressed_at(module, tmp_path, ["run", "test://street?size=320x180&frames=9000", str(out), "--mode", mode, "--detector", "scene",
                                                    "--web", "127.0.0.1:0", "--duration", "20"])
    if (mode, module) == ("live", "edgecam.detect.scripted"):       # the video runs already while the detector starts beside it
        assert code in (0, 130)
    else:
        assert (code, said) == (130, "") and not out.exists()
    assert all(line.startswith("edgecam: ") for line in err.splitlines())


@pytest.mark.parametrize("module", ["onnxruntime", "edgecam.detect.network", "edgecam.detect.decode"])
def test_the_start_of_a_network_is_interrupted_quietly(module, tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("onnxruntime")
    code, said, err = pressed_at(module, tmp_path, ["run", "test://street?size=320x180&frames=900", "null:", "--mode", "exact", "--web", "off",
                                                    "--detector", "onnx", "--model", "edgecam-detectnet-light-960x540"])
    assert (code, said) == (130, "")
    assert all(line.startswith("edgecam: ") for line in err.splitlines())


@pytest.mark.parametrize("words, module", [(["--help"], "edgecam.commands.models"), (["models"], "edgecam.detect.models"), (["check"], "edgecam.config")])
def test_other_commands_too(words, module, tmp_path):
    assert pressed_at(module, tmp_path, words) == (130, "", "")


@pytest.fixture
def sigint():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_who_calls_us_keeps_his_own_handler(sigint):
    with at_once():
        assert sigint() is signal.default_int_handler
    unwind()
    assert sigint() is signal.default_int_handler


def test_the_program_unwinds_where_there_are_things_to_close(sigint, monkeypatch):
    monkeypatch.setattr("edgecam.interrupts.State.program", False)
    leave_at_once()
    assert sigint() is leave
    unwind()
    assert sigint() is signal.default_int_handler
    with at_once():
        assert sigint() is leave
    assert sigint() is signal.default_int_handler


def test_what_is_ignored_stays_ignored(sigint):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_at_once()
    unwind()
    assert sigint() is signal.SIG_IGN
