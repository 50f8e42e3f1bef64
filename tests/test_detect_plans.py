"""The plan cache: what a plan is named by, and that no bad file is ever believed. No GPU is needed."""
import json
import os
import subprocess
import sys
from collections import namedtuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.claiming import locked
from edgecam.detect import plans
from edgecam.detect.description import read_description
from tiny_onnx import write_bright

Gpu = namedtuple("Gpu", "name capability")
NANO, ORIN = Gpu("NVIDIA Tegra X1", (5, 3)), Gpu("Orin", (8, 7))
KEY = {"a": 1, "b": ["x", None], "c": {"d": "e"}}


@pytest.fixture
def model(tmp_path):
    return read_description(write_bright(tmp_path))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "edgecam" / "plans"


@pytest.fixture
def cache(tmp_path):
    return plans.PlanCache(str(tmp_path / "plans"))


def name(model, gpu=NANO, version="8.2.1.8", precision="fp16", batch=1, flags=None, calibration=None):
    return plans.plan_name(model, plans.plan_key(model, version, gpu, precision, batch, flags or {"workspace": 1024}, calibration))


def test_the_name_is_readable_and_steady(model):
    first = name(model)
    assert first == name(model) and first.startswith("bright-fp16-b1-") and first.endswith(".plan")


@pytest.mark.parametrize("change", [dict(gpu=ORIN), dict(gpu=Gpu(NANO.name, (6, 2))), dict(version="8.5.2.2"), dict(precision="fp32"),
                                    dict(batch=2), dict(flags={"workspace": 512}), dict(calibration="0123")])
def test_whatever_matters_changes_the_name(model, change):
    assert name(model, **change) != name(model)


@pytest.mark.parametrize("part", ["file", "path"])
def test_network_and_description_change_the_name(model, part):
    before = name(model)
    with open(getattr(model, part), "ab") as stream:
        stream.write(b"\n")
    assert name(model) != before


@settings(deadline=None)
@given(st.binary(max_size=300), st.dictionaries(st.text(max_size=5), st.integers() | st.none() | st.text(max_size=5), max_size=4))
def test_what_was_stored_is_loaded(tmp_path_factory, content, key):
    cache = plans.PlanCache(str(tmp_path_factory.mktemp("any")))
    cache.store("a.plan", content, key)
    assert cache.load("a.plan", key) == content


def test_nothing_else_is_left_in_the_folder(cache):
    path = cache.store("a.plan", b"engine", KEY)
    assert path == cache.path("a.plan") and sorted(os.listdir(cache.folder)) == ["a.plan", "a.plan.json"]
    said = json.load(open(path + ".json"))
    assert said["key"] == KEY and said["bytes"] == 6 and len(said["sha256"]) == 64


def test_a_missing_plan_is_none_without_a_word(cache, caplog):
    assert cache.load("a.plan", KEY) is None and not caplog.records


def test_a_plan_of_another_key_is_built_again(cache, caplog):
    cache.store("a.plan", b"engine", dict(KEY, a=2))
    assert cache.load("a.plan", KEY) is None
    assert "built for something else" in caplog.text


@settings(deadline=None)
@given(st.integers(0, 99), st.booleans())
def test_truncated_or_flipped_is_never_believed(tmp_path_factory, place, cut):
    cache, content = plans.PlanCache(str(tmp_path_factory.mktemp("bad"))), bytes(range(100))
    path = cache.store("a.plan", content, KEY)
    with open(path, "wb") as stream:
        stream.write(content[:place] if cut else content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])
    assert cache.load("a.plan", KEY) is None
    cache.store("a.plan", content, KEY)
    assert cache.load("a.plan", KEY) == content


@pytest.mark.parametrize("sidecar", [None, b"", b"{", b"[]", b"null", b'{"sha256": 3}', b'{"key": {"a": 1}}', b"\xff\xfe", b"7"])
def test_a_plan_with_a_broken_sidecar_is_built_again(cache, caplog, sidecar):
    path = cache.store("a.plan", b"engine", KEY)
    if sidecar is None:
        os.unlink(path + ".json")
    else:
        open(path + ".json", "wb").write(sidecar)
    assert cache.load("a.plan", KEY) is None and "built again" in caplog.text


def test_a_write_that_breaks_off_leaves_the_old_plan(cache, monkeypatch, caplog):
    cache.store("a.plan", b"old", KEY)

    def full(descriptor):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(plans.os, "fsync", full)
    assert cache.store("a.plan", b"new", KEY) is None and "No space left on device" in caplog.text
    assert sorted(os.listdir(cache.folder)) == ["a.plan", "a.plan.json"]
    assert cache.load("a.plan", KEY) == b"old"


def test_a_folder_that_cannot_be_written_falls_back_to_the_users(tmp_path, home, caplog):
    blocked = tmp_path / "bright"
    blocked.write_text("a file: no folder can be made here, not even by root")
    cache = plans.PlanCache(str(blocked))
    assert cache.folder == str(home) and "can't be written: plans are kept in " + str(home) in caplog.text
    assert os.path.dirname(cache.store("a.plan", b"engine", KEY)) == str(home)
    assert plans.PlanCache().load("a.plan", KEY) == b"engine"


def test_plans_in_a_read_only_folder_are_used(tmp_path, home, monkeypatch):
    shipped = plans.PlanCache(str(tmp_path / "image"))
    shipped.store("a.plan", b"engine", KEY)
    monkeypatch.setattr(plans, "writable", lambda folder: folder == str(home))      # root writes everywhere: no mode bit stops it
    cache = plans.PlanCache(str(tmp_path / "image"))
    assert cache.folder == str(home) and cache.load("a.plan", KEY) == b"engine"


def test_no_folder_at_all_is_said_and_lived_with(tmp_path, monkeypatch, caplog):
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    cache = plans.PlanCache()
    assert cache.store("a.plan", b"engine", KEY) is None and "built again next time" in caplog.text
    assert cache.load("a.plan", KEY) is None


HOLD = """
import sys, time
from edgecam.claiming import locked
with locked(sys.argv[1]):
    with open(sys.argv[2], "a") as stream:
        stream.write("in\\n"); stream.flush(); time.sleep(0.05); stream.write("out\\n")
"""


def test_one_process_at_a_time_holds_the_lock(tmp_path):
    lock, diary = tmp_path / "folder" / "a.lock", tmp_path / "diary"
    children = [subprocess.Popen([sys.executable, "-c", HOLD, str(lock), str(diary)]) for _ in range(2)]
    assert [child.wait(240) for child in children] == [0] * 2
    assert diary.read_text().split() == ["in", "out"] * 2
    assert os.listdir(str(tmp_path / "folder")) == []


def test_a_lock_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    with locked(str(tmp_path / "file" / "a.lock")):
        pass
