"""scripts/run and scripts/test, however they are called: in a small clone that is set up already, so that nothing is installed."""
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from program import ROOT

TOOLS = ("bash", "sh", "readlink", "dirname", "cat", "cksum", "id", "rm", "mv")         # no dpkg-query among them: nothing is asked of apt
STAMP = '. scripts/setup.sh; python=$(a_python); echo "$("$python" -V 2>&1) {} $(cat setup.py | cksum) $root" > {}/edgecam.stamp'
WAYS = [["{clone}/scripts/{script}"], ["sh", "{clone}/scripts/{script}"], ["bash", "--posix", "{clone}/scripts/{script}"], ["{folder}/link"],
        ["sh", "{folder}/link"], ["{folder}/link to a link"]]


@pytest.fixture
def clone(tmp_path):
    """A clone with the scripts, and environments whose programs are this Python's."""
    if sys.version_info < (3, 8):
        pytest.skip("the scripts take Python 3.8 or newer for their environment")
    clone = tmp_path / "a clone"
    (clone / "scripts").mkdir(parents=True)
    for name in ("setup.py", "scripts/run", "scripts/test", "scripts/setup.sh"):
        shutil.copy(os.path.join(ROOT, name), str(clone / name))
    (tmp_path / "tools").mkdir()
    for name in TOOLS:
        (tmp_path / "tools" / name).symlink_to(shutil.which(name))
    for folder, extras in ((".venv", "pc"), (".venv-test", "pc,openvino,bench,test")):
        (clone / folder / "bin").mkdir(parents=True)
        for program, words in (("edgecam", " -m edgecam"), ("python", "")):
            path = clone / folder / "bin" / program
            path.write_text('#!/bin/sh\nexec {}{} "$@"\n'.format(shlex.quote(sys.executable), words))
            path.chmod(0o755)
        subprocess.check_call(["bash", "-c", STAMP.format(extras, folder)], cwd=str(clone), env=environment(tmp_path))
    return clone


def environment(folder):
    return dict(os.environ, PATH=str(folder / "tools"), PYTHON=sys.executable, PYENV_ROOT=str(folder), PYTHONPATH=ROOT)


def call(way, script, clone, *words):
    """Call *script* in the *way*, from another folder; return (exit code, stdout, stderr)."""
    folder = clone.parent
    (folder / "link").symlink_to(os.path.join("a clone", "scripts", script))
    (folder / "link to a link").symlink_to("link")
    command = [word.format(clone=clone, folder=folder, script=script) for word in way]
    done = subprocess.run(command + list(words), cwd=str(folder / "tools"), env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_run_runs_however_it_is_called(clone, way):
    code, said, err = call(way, "run", clone, "-", "--web", "off")
    assert (code, said) == (2, "") and err.startswith("edgecam: run: INPUT: input -: expected a camera") and len(err.splitlines()) == 1


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_test_tests_however_it_is_called(clone, way):
    code, said, err = call(way, "test", clone, "--version")
    assert code == 0 and "pytest {}".format(pytest.__version__) in said + err
    assert [line for line in err.splitlines() if not line.startswith(("scripts: no apt here", "scripts: no Python 3.6 here", "pytest "))] == []


def test_without_bash_it_is_one_line(clone):
    (clone.parent / "tools" / "bash").unlink()
    code, said, err = call(["sh", "{clone}/scripts/run"], "run", clone)
    assert code and said == "" and len(err.splitlines()) == 1 and "bash" in err and "not found" in err


def test_without_a_home_it_runs(clone, monkeypatch):
    """A service may have none."""
    monkeypatch.delenv("HOME", raising=False)
    code, said, err = call(["{clone}/scripts/run"], "run", clone, "-", "--web", "off")
    assert (code, said) == (2, "") and err.startswith("edgecam: run: INPUT: input -: expected a camera")


@pytest.fixture
def offline(monkeypatch):
    """pip finds no package anywhere."""
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", ""), ("PIP_CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("change", ["setup.py", "moved", "python gone"])
def test_what_can_not_be_renewed_stays(clone, offline, change):
    """Each time it has to be renewed, nothing can be had, and what there was is there again; so it is after a set-up that was interrupted."""
    venv = clone / ".venv"
    if change == "setup.py":
        (clone / "setup.py").write_text((clone / "setup.py").read_text() + "# newer\n")
    elif change == "python gone":
        (venv / "bin" / "python").unlink()
    else:
        clone.rename(clone.parent / "elsewhere")
        clone = clone.parent / "elsewhere"
        venv = clone / ".venv"
    before = sorted(os.listdir(str(venv / "bin")))
    for turn in range(2):
        done = subprocess.run([str(clone / "scripts" / "run"), "--help"], env=environment(clone.parent), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=120)
        assert done.returncode == 1 and done.stdout == b""
        assert "scripts: the installation into {} failed".format(venv) in done.stderr.decode().splitlines()[-1]
        assert sorted(os.listdir(str(venv / "bin"))) == before and not (clone / ".venv.before").exists()
        venv.rename(clone / ".venv.before")
        venv.mkdir()


def test_the_rig_runs_in_folders_with_a_space_or_a_comma(tmp_path):
    rig = os.path.join(ROOT, "scripts", "kernel-rig")
    if subprocess.call([sys.executable, rig, "check"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        pytest.skip("no small kernel here; scripts/kernel-rig build makes one")
    folder = tmp_path / "a clone, moved"
    shutil.copytree(os.path.join(ROOT, "scripts"), str(folder / "scripts"))
    (folder / "kept").mkdir()
    words = [sys.executable, str(folder / "scripts" / "kernel-rig"), "run", "--bare", "--timeout", "60", "--out", str(folder / "kept"), "--"]
    done = subprocess.run(words + ["sh", "-c", "pwd; pwd > $RIG_OUT/here; exit 7"], cwd=str(folder), env=dict(os.environ, TMPDIR=str(folder)),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert (done.returncode, done.stdout.decode()) == (7, "{}\n".format(folder)), done.stderr
    assert (folder / "kept" / "here").read_text() == "{}\n".format(folder) and sorted(os.listdir(str(folder))) == ["kept", "scripts"]
