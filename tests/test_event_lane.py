"""Who reads the events may stall or leave, the disk may be full: live video goes on, and its user is told."""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from clips import count_frames, import_av, make_clip
from edgecam.errors import OutputError
from edgecam.event_lane import WAITING, EventLane, open_events
from edgecam.events import EventFile
from program import ROOT, edgecam, start, wait_for_size
from test_whole_file import full

LONG = "x" * 2000
LIVE = ["test://street?fps=60&objects=20&size=320x240", "--web", "off", "--detector", "scene", "--mode", "live"]


@pytest.fixture
def unread(tmp_path):
    """The path of a pipe that nobody has opened."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    return path


@pytest.fixture
def pipe(unread):
    """A pipe with a reader who does not read; yields (its path, the reader's end)."""
    reader = os.open(unread, os.O_RDONLY | os.O_NONBLOCK)
    yield unread, reader
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


def test_a_pipe_costs_drops_until_somebody_reads_it(unread):
    with EventLane(EventFile(unread)) as lane:
        for number in range(3):
            lane.write({"frame": number})
        while lane.drops < 3:
            time.sleep(0.01)
        reader = os.open(unread, os.O_RDONLY | os.O_NONBLOCK)
        lane.write({"frame": 3})
    assert [event["frame"] for event in lines_of(reader)] == [3] and (lane.drops, lane.error) == (3, None)
    os.close(reader)


def test_a_pipe_that_nobody_ever_read_is_told_at_the_end(unread):
    with open_events(unread, False, "live") as lane:
        lane.write({"frame": 0})
    assert lane.drops == 1 and lane.error == "events {}: nobody opened this pipe for reading; all of them were dropped".format(unread)


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


@pytest.mark.parametrize("mode", ["live", "exact"])
def test_a_disk_that_fills_leaves_whole_lines(tmp_path, mode):
    path = str(tmp_path / "e.jsonl")
    with full(), suppress(OutputError), open_events(path, False, mode) as events:      # 100 bytes
        for number in range(10):
            events.write({"frame": number, "text": 20 * "x"})
    with open(path) as lines:
        assert [json.loads(line)["frame"] for line in lines] == [0, 1]


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


def test_live_video_does_not_wait_for_the_reader_of_a_pipe(unread, tmp_path):
    import_av()
    out = tmp_path / "o.mp4"
    process = start("run", LIVE[0], out, *LIVE[1:], "--events", unread, "--json")
    wait_for_size(out, 60000, process)
    with open(unread) as reader:
        first = json.loads(reader.readline())["frame"]
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line)["frame"] for line in reader]
    told, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    facts = json.loads(told.decode())
    assert facts["dropped"]["events"] == first > 0 and rest == list(range(first + 1, facts["frames"]["encoded"]))
    assert b"nobody reads this pipe yet" in errors


def test_an_interrupt_ends_live_video_whose_events_nobody_reads(unread, tmp_path):
    import_av()
    out = tmp_path / "o.mp4"
    process = start("run", LIVE[0], out, *LIVE[1:], "--events", unread)
    wait_for_size(out, 60000, process)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and b"incomplete: events " in errors and b"nobody opened this pipe" in errors and b"Traceback" not in errors
    assert count_frames(out)[0] > 10


def exact_run(tmp_path, events):
    """Start a run in exact mode and wait until it says that it waits; return (process, its recording)."""
    clip = make_clip(tmp_path / "a.mp4", frames=30) if import_av() else None
    process = start("run", clip, tmp_path / "o.mp4", "--mode", "exact", "--web", "off", "--detector", "none", "--events", events)
    assert any(b"waiting for somebody who reads this pipe" in line for line in process.stderr)
    return process, tmp_path / "o.mp4"


def test_in_exact_mode_the_reader_of_a_pipe_gets_every_event(unread, tmp_path):
    process, _ = exact_run(tmp_path, unread)
    with open(unread) as reader:
        assert [json.loads(line)["frame"] for line in reader] == list(range(30))
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_an_interrupt_ends_exact_mode_while_it_waits_for_a_reader(unread, tmp_path):
    process, out = exact_run(tmp_path, unread)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"") and process.returncode == 130 and not out.exists()
