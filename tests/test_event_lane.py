"""Who reads the events may stall or leave, the disk may be full: live video goes on, and its user is told."""
import json
import os
import subprocess
import sys
import threading

import pytest

from clips import count_frames, import_av, make_clip
from edgecam.errors import OutputError
from edgecam.event_lane import WAITING, EventLane, open_events
from edgecam.events import EventFile
from program import ROOT, edgecam, start, wait_for_size

LONG = "x" * 2000
LIVE = ["test://street?fps=60&objects=20&size=320x240", "--web", "off", "--detector", "scene", "--mode", "live"]


@pytest.fixture
def pipe(tmp_path):
    """A pipe with a reader who does not read; yields (its path, the reader's end)."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def lines_of(reader):
    """Return what the lines of a pipe say, up to its end; in a list that grows in a thread of its own."""
    os.set_blocking(reader, True)
    with open(os.dup(reader)) as stream:
        return [json.loads(line) for line in stream]


def test_every_event_is_written_in_order(tmp_path):
    with EventLane(EventFile(str(tmp_path / "e.jsonl"))) as lane:
        for number in range(WAITING):
            lane.write({"frame": number})
    assert [json.loads(line)["frame"] for line in (tmp_path / "e.jsonl").read_text().splitlines()] == list(range(WAITING))
    assert (lane.drops, lane.error) == (0, None)


def test_a_stalled_reader_costs_drops_and_is_given_up(pipe, caplog):
    path, reader = pipe
    count = 3 * WAITING
    with EventLane(EventFile(path)) as lane:
        for number in range(count):
            lane.write({"frame": number, "text": LONG})
        during = lane.drops
    assert 0 < during < lane.drops < count
    assert "given up" in lane.error and caplog.text.count("the video goes on without") == 1
    taken = [event["frame"] for event in lines_of(reader)]      # the write that was stuck ends too, and is the last
    assert taken == list(range(len(taken))) and count - lane.drops <= len(taken) <= count - lane.drops + 1


def test_a_slow_reader_gets_whole_lines_with_gaps(pipe):
    path, reader = pipe
    with EventLane(EventFile(path)) as lane:
        for number in range(2 * WAITING):
            lane.write({"frame": number, "text": LONG})
        found = []
        thread = threading.Thread(target=lambda: found.extend(lines_of(reader)))
        thread.start()
    thread.join(20)
    assert lane.error is None and lane.drops > 0 and len(found) == 2 * WAITING - lane.drops


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="takes Linux's /dev/full")
def test_a_failure_is_logged_once_live_and_raised_in_exact_mode(caplog):
    with open_events("/dev/full", False, "live") as lane:
        for number in range(3):
            lane.write({"frame": number})
    assert lane.drops == 3 and lane.error == "events /dev/full: No space left on device"
    assert caplog.text.count(lane.error) == 1
    with pytest.raises(OutputError, match="/dev/full: No space left"):
        with open_events("/dev/full", False, "exact") as events:
            events.write({"frame": 0})


def test_an_event_that_is_no_json_is_a_fault_of_ours_and_said(tmp_path, caplog):
    with EventLane(EventFile(str(tmp_path / "e.jsonl"))) as lane:
        lane.write({"frame": object()})
    assert lane.drops == 1 and "a fault of edgecam itself" in caplog.text and "TypeError" in caplog.text


def test_a_pipe_that_does_not_block_gets_whole_lines_too(pipe):
    path, reader = pipe
    script = ("import os, sys; os.set_blocking(1, False); from edgecam.events import EventFile\n"
              "with EventFile('-') as events:\n    for number in range(100): events.write({'frame': number, 'text': 'x' * 3000})\n")
    with open(path, "wb") as writer:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=writer, env=dict(os.environ, PYTHONPATH=ROOT))
    assert [event["frame"] for event in lines_of(reader)] == list(range(100)) and process.wait(20) == 0


# -- the program ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("ended_by", ["duration", "SIGTERM"])
def test_a_reader_that_stalls_does_not_stop_the_recording(tmp_path, ended_by):
    import_av()
    out = tmp_path / "o.mp4"
    process = start("run", LIVE[0], out, *LIVE[1:], "--events", "-", "--duration", "6" if ended_by == "duration" else "60")
    if ended_by == "SIGTERM":
        wait_for_size(out, 400000, process)         # longer than the pipe lasts
        process.terminate()
    errors = process.stderr.read().decode()         # and nobody reads its standard output; ends with the program
    process.stdout.close()
    assert process.wait(30) == 1 and "incomplete: events -: not all were taken" in errors and "Traceback" not in errors
    frames, times = count_frames(out)
    assert times[-1] > 2
    assert "{} encoded".format(frames) in errors and " events; not looked at" in errors


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="takes Linux's /dev/full")
def test_a_full_disk_for_events_does_not_stop_the_recording(tmp_path):
    import_av()
    out = tmp_path / "o.mp4"
    code, told, errors = edgecam("run", LIVE[0], out, *LIVE[1:], "--events", "/dev/full", "--duration", "3", "--json")
    facts = json.loads(told)
    assert code == 1 and "incomplete: events /dev/full: No space left on device" in errors
    assert facts["dropped"]["events"] == facts["frames"]["encoded"] == count_frames(out)[0] > 60


def test_a_reader_that_leaves_does_not_stop_the_recording_and_had_his_lines_at_once(tmp_path):
    import_av()
    out = tmp_path / "o.mp4"
    process = start("run", LIVE[0], out, *LIVE[1:], "--events", "-", "--duration", "4")
    assert [json.loads(process.stdout.readline())["frame"] for _ in range(2)][0] == 0
    assert process.poll() is None                   # the run goes on: nothing waited for its end, or for a full buffer
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait(30) == 1 and "incomplete: events -: Broken pipe" in errors and "Exception ignored" not in errors
    assert count_frames(out)[1][-1] > 3


def test_in_exact_mode_a_reader_that_leaves_ends_the_run(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=30) if import_av() else None
    process = start("run", clip, "null:", "--mode", "exact", "--web", "off", "--detector", "none", "--events", "-")
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait(30) == 1 and errors.strip().splitlines()[-1] == "edgecam: events -: Broken pipe"
