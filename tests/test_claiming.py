"""Runs that begin at the same moment with the same name: each has files of its own, and nothing is mixed, replaced or lost."""
import errno
import json
import os
import subprocess
import sys

import pytest

from clips import count_frames, import_av
from edgecam.claiming import NameTaken, open_own
from edgecam.errors import OutputError
from edgecam.events import EventFile
from edgecam.naming import NewName
from edgecam.outputs.recording import RecordingFile, begin_recording
from program import ROOT, start

ROUNDS = 150
RACER = """
import sys, time
from edgecam.events import EventFile
from edgecam.naming import NewName
from edgecam.outputs.recording import begin_recording
folder, mark = sys.argv[1:]
print("ready", flush=True)
start = float(sys.stdin.readline())
for number in range({rounds}):
    while time.time() < start + 0.01 * number:      # both at once, with their eyes on the clock
        pass
    file = begin_recording(NewName("{{}}/{{}}.mp4".format(folder, number)))
    file.append(mark.encode() * 4)
    file.append(mark.encode() * 4)
    with EventFile("{{}}/{{}}.jsonl".format(folder, number)) as events:
        for frame in range(3):
            events.write(mark)
    if number % 3:
        file.close()                                # at times before the other one has come, at times never
    if not number % 5:
        begin_recording(NewName("{{}}/{{}}-empty.mp4".format(folder, number))).close()
""".format(rounds=ROUNDS)


def test_two_processes_take_two_names_each_time(tmp_path):
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path), mark], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=dict(os.environ, PYTHONPATH=ROOT)) for mark in "ab"]
    for racer in racers:
        assert racer.stdout.readline() == b"ready\n"
    moment = subprocess.check_output([sys.executable, "-c", "import time; print(time.time() + 0.3)"])
    for racer in racers:
        racer.stdin.write(moment)
        racer.stdin.flush()
    for racer in racers:
        assert racer.communicate(timeout=100)[1] is not None and racer.returncode == 0
    for number in range(ROUNDS):
        both = {(tmp_path / "{}{}.mp4".format(number, more)).read_bytes() for more in ("", "-2")}
        assert both == {b"a" * 8, b"b" * 8}
        both = {(tmp_path / "{}{}.jsonl".format(number, more)).read_text() for more in ("", "-2")}
        assert both == {'"a"\n' * 3, '"b"\n' * 3}
    assert len(os.listdir(str(tmp_path))) == 4 * ROUNDS


def test_two_live_runs_record_beside_each_other(tmp_path):
    import_av()
    words = ["run", "test://street?size=320x240&frames=12", tmp_path / "o.mp4", "--events", tmp_path / "e.jsonl", "--web", "off", "--detector", "none"]
    runs = [start(*words) for _ in range(2)]
    said = [run.communicate(timeout=100)[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted(os.listdir(str(tmp_path))) == ["e-2.jsonl", "e.jsonl", "o-2.mp4", "o.mp4"]
    assert [count_frames(tmp_path / name)[0] for name in ("o.mp4", "o-2.mp4")] == [12, 12]
    for name in ("e.jsonl", "e-2.jsonl"):
        assert [json.loads(line)["frame"] for line in (tmp_path / name).read_text().splitlines()] == list(range(12))


def test_the_name_that_another_run_holds_is_passed_over_and_said(tmp_path, caplog):
    name = str(tmp_path / "x.mp4")
    first, second = begin_recording(NewName(name)), begin_recording(NewName(name))
    assert (first.path, second.path) == (name, str(tmp_path / "x-2.mp4")) and "x.mp4: another run has it; this one goes into " in caplog.text
    with pytest.raises(OutputError, match="x.mp4: another program is recording into it"):
        begin_recording(NewName(name, overwrite=True))
    for file in (first, second):
        file.close()
    assert os.listdir(str(tmp_path)) == []


def test_events_that_may_be_replaced_are_not_those_that_another_run_writes(tmp_path):
    with EventFile(str(tmp_path / "e.jsonl")) as events:
        events.write(1)
        with pytest.raises(OutputError, match="e.jsonl: another program is recording into it"):
            EventFile(str(tmp_path / "e.jsonl"), overwrite=True)
    assert (tmp_path / "e.jsonl").read_text() == "1\n"


def test_what_was_written_between_the_look_and_the_opening_stays(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"a whole recording")
    with pytest.raises(NameTaken, match="x.mp4: another run took this name at the same moment"):
        open_own(str(path), replace=False)
    assert path.read_bytes() == b"a whole recording"


def test_a_recording_without_a_frame_takes_its_own_file_away_alone(tmp_path):
    path = tmp_path / "x.mp4"
    file = RecordingFile(str(path))
    path.unlink()
    path.write_bytes(b"of somebody else")
    file.close()
    assert path.read_bytes() == b"of somebody else"


def test_a_link_that_leads_nowhere_yet_is_followed(tmp_path):
    (tmp_path / "x.mp4").symlink_to(tmp_path / "disk.mp4")
    file = begin_recording(NewName(str(tmp_path / "x.mp4")))
    file.append(b"video")
    file.close()
    assert (tmp_path / "disk.mp4").read_bytes() == b"video"


def test_runs_may_share_a_device(tmp_path):
    with EventFile("/dev/null") as one, EventFile("/dev/null") as other:
        one.write(1)
        other.write(2)


def test_a_disk_without_links_makes_files_all_the_same(tmp_path, monkeypatch):
    """As FAT, on most cards, answers."""
    def refuse(source, target):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    monkeypatch.setattr(os, "link", refuse)
    name = str(tmp_path / "x.mp4")
    first, second = begin_recording(NewName(name)), begin_recording(NewName(name))
    first.append(b"first")
    second.append(b"second")
    first.close()
    second.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.mp4": b"first", "x-2.mp4": b"second"}
    begin_recording(NewName(str(tmp_path / "empty.mp4"))).close()
    assert len(os.listdir(str(tmp_path))) == 2
