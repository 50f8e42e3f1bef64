"""Standard streams that are closed, or a disk that is full: what was asked for is done, and whoever can be told is told in one line."""
import os
import subprocess
import sys

import pytest

from clips import count_frames, import_av
from program import ROOT

RUN = ["run", "test://street?size=320x180&frames=20", "--mode", "exact", "--web", "off", "--detector", "none"]


def shell(redirections, *words):
    """Run the program with a shell's *redirections*; return (exit code, stdout, stderr)."""
    done = subprocess.run(["sh", "-c", 'exec "$@" ' + redirections, "sh", sys.executable, "-m", "edgecam"] + [str(word) for word in words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=dict(os.environ, PYTHONPATH=ROOT))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("redirections, code", [("2>&-", 0), ("2>/dev/full", 0)])
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
