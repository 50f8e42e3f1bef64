"""Who reads a recording's named pipe comes late, is slow, leaves or never comes: live video goes on, exact mode waits."""
import json
import logging
import os
import signal
import threading
import time

import pytest

import streams
from clips import count_frames, import_av, make_clip
from edgecam import h264
from edgecam.cli import main
from edgecam.errors import ConfigError, OutputError
from edgecam.outputs import make_output, open_outputs
from edgecam.outputs.recording import RecordingFile
from program import start, wait_for_size
from streams import STREAM, make_packets, read, settings_with
from test_outputs_fanout import wait_until

pytestmark = pytest.mark.timeout(90)            # a pipe that is opened the wrong way waits for ever
PACKETS = make_packets()
WHOLE = [packet.payload for packet in PACKETS]


@pytest.fixture
def pipe(tmp_path):
    """The path of a named pipe that nobody has opened."""
    path = str(tmp_path / "p.h264")
    os.mkfifo(path)
    return path


class Reader:
    """Reads *path* to its end in a thread, or leaves after *limit* bytes."""

    def __init__(self, path, limit=-1):
        self._number, self._limit, self.got = os.open(path, os.O_RDONLY | os.O_NONBLOCK), limit, b""
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        while not self.got:                     # no writer has come so far
            self.got = self._try()
            time.sleep(0.005)
        os.set_blocking(self._number, True)
        piece = self.got
        while piece and (self._limit < 0 or len(self.got) < self._limit):
            piece = os.read(self._number, 65536)
            self.got += piece
        os.close(self._number)

    def _try(self):
        try:
            return os.read(self._number, 65536)
        except BlockingIOError:
            return b""

    def end(self):
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.got


def fan(*urls, **options):
    return open_outputs(settings_with(urls=list(urls), close_timeout=options.pop("close_timeout", 20), queue=10), STREAM, **options)


def begins_at_a_keyframe(stream):
    types = [unit[0] & 31 for unit in h264.nal_units(stream)]
    return types[:2] == [h264.SPS, h264.PPS] and h264.IDR in types[2:4]


# -- live -----------------------------------------------------------------------------------------------

def test_it_costs_drops_until_somebody_reads_who_begins_at_a_keyframe(pipe, caplog):
    asked = []
    with fan(pipe, request_keyframe=lambda: asked.append(1)) as outputs:
        wait_until(lambda: outputs.stats()[0]["state"] == "retrying")
        for packet in PACKETS[:20]:
            outputs.write(packet)
        assert outputs.stats()[0]["drops"] == 20
        reader = Reader(pipe)
        wait_until(lambda: asked)
        for packet in PACKETS[20:]:
            outputs.write(packet)
        wait_until(lambda: outputs.stats()[0]["packets"] == 30)
    assert reader.end() == b"".join(WHOLE[30:]) and begins_at_a_keyframe(reader.got)
    assert (outputs.stats()[0]["packets"], outputs.stats()[0]["drops"], outputs.stats()[0]["state"]) == (30, 30, "closed")
    assert caplog.text.count("nobody reads this pipe; trying on") == 1


def test_a_pipe_that_nobody_ever_read_has_failed(pipe):
    with fan(pipe) as outputs:
        wait_until(lambda: outputs.stats()[0]["state"] == "retrying")
        outputs.write(PACKETS[0])
    entry = outputs.stats()[0]
    assert (entry["state"], entry["drops"], entry["error"]) == ("failed", 1, pipe + ": nobody reads this pipe")


def test_a_reader_that_leaves_is_told_once_and_costs_no_other_output(pipe, tmp_path, caplog):
    first = Reader(pipe, limit=1)
    with fan(pipe, str(tmp_path / "o.h264")) as outputs:
        for packet in PACKETS:
            outputs.write(packet)
            wait_until(lambda: outputs.stats()[1]["packets"] == packet.number + 1)
            if packet.number == 5:
                first.end()
        wait_until(lambda: outputs.stats()[0]["state"] == "retrying")
        assert outputs.stats()[0]["error"] == pipe + ": whoever read this pipe has left"
    assert read(str(tmp_path / "o.h264")) == b"".join(WHOLE) and outputs.stats()[0]["state"] == "failed"
    assert caplog.text.count("has left; trying on") == 1 and caplog.text.count("output failed") == 1


def test_who_comes_after_a_reader_that_left_begins_at_a_keyframe(pipe):
    asked = []
    with fan(pipe, request_keyframe=lambda: asked.append(1)) as outputs:
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        wait_until(lambda: outputs.stats()[0]["state"] == "retrying")
        reader = Reader(pipe)
        wait_until(lambda: asked)
        for packet in PACKETS[7:]:
            outputs.write(packet)
        wait_until(lambda: outputs.stats()[0]["packets"] == 45)
    assert reader.end() == b"".join(WHOLE[15:]) and begins_at_a_keyframe(reader.got)


def test_a_full_pipe_holds_up_neither_the_writer_nor_the_end(pipe, tmp_path):
    stuck = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)          # reads nothing
    packets = make_packets(rounds=12)
    with fan(pipe, str(tmp_path / "o.h264"), close_timeout=0.2) as outputs:
        for packet in packets:
            outputs.write(packet)
            wait_until(lambda: outputs.stats()[1]["packets"] == packet.number + 1)
    entry = outputs.stats()[0]
    assert (entry["state"], entry["error"]) == ("failed", pipe + ": did not finish in time; given up") and entry["drops"] > 100
    assert entry["packets"] + entry["drops"] == len(packets)    # what waits, and what is half written, is lost too
    os.close(stuck)                                             # which ends the thread that writes


def test_what_is_no_pipe_any_more_is_left_alone(pipe):
    output = make_output(pipe, settings_with())
    os.unlink(pipe)
    with pytest.raises(OutputError, match="p.h264: can't be written: No such file"):
        output.open(STREAM)
    with open(pipe, "wb") as recording:
        recording.write(b"of yesterday")
    with pytest.raises(OutputError, match="p.h264: was a pipe and is none any more"):
        output.open(STREAM)
    assert read(pipe) == b"of yesterday"


# -- exact ----------------------------------------------------------------------------------------------

def test_lossless_waits_for_the_reader_and_gives_him_everything(pipe, caplog):
    caplog.set_level(logging.INFO)
    found = []
    late = threading.Thread(target=lambda: (wait_until(lambda: "waiting for somebody" in caplog.text), found.append(Reader(pipe))), daemon=True)
    late.start()
    with fan(pipe, lossless=True) as outputs:
        for packet in PACKETS:
            outputs.write(packet)
    late.join(20)
    assert found[0].end() == b"".join(WHOLE) and outputs.stats()[0]["drops"] == 0
    assert caplog.text.count("waiting for somebody who reads this pipe") == 1


def test_lossless_is_told_that_the_reader_left(pipe):
    reader = Reader(pipe, limit=1)
    with pytest.raises(OutputError, match="p.h264: whoever read this pipe has left"):
        with fan(pipe, lossless=True) as outputs:
            for packet in make_packets(rounds=20):
                outputs.write(packet)
    reader.end()


def test_the_wait_can_be_broken_off_and_leaves_nothing(pipe, tmp_path):
    with fan(str(tmp_path / "o.mp4"), pipe, lossless=True, stopping=lambda: True) as outputs:
        assert len(outputs) == 2
    assert os.listdir(str(tmp_path)) == ["p.h264"]


# -- names ----------------------------------------------------------------------------------------------

def test_an_mp4_goes_into_no_pipe(pipe, tmp_path, capsys):
    os.symlink(pipe, str(tmp_path / "o.mp4"))
    settings = tmp_path / "mine.yaml"
    settings.write_text("outputs: {urls: [%s]}\n" % (tmp_path / "o.mp4"))
    for words, code in (([str(tmp_path / "o.mp4")], 2), (["--config", str(settings)], 78)):
        assert main(["run", "test://street"] + words + ["--web", "off"]) == code
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1 and "o.mp4: is a pipe, and no MP4 goes into one" in said[0]


def test_one_pipe_takes_one_output(pipe):
    with pytest.raises(ConfigError, match="p.h264: is named twice"):
        fan(pipe, "file://" + pipe)
    with fan(pipe) as outputs, fan(pipe) as others:
        reader = Reader(pipe)
        wait_until(lambda: "another program is recording into it" in str(outputs.stats() + others.stats()))
        for packet in PACKETS:
            outputs.write(packet)
            others.write(packet)
        wait_until(lambda: 60 in (outputs.stats()[0]["packets"], others.stats()[0]["packets"]))
    assert reader.end()== b"".join(WHOLE)


def test_a_recording_never_waits_for_a_reader(pipe, tmp_path):
    """Where a pipe came to be after the names were looked at."""
    with pytest.raises(OutputError, match="p.h264: can't be written: No such device"):
        RecordingFile(pipe)
    os.mkfifo(str(tmp_path / "x-2.h264"))
    (tmp_path / "x.h264").write_bytes(b"of yesterday")
    urls = [str(tmp_path / "x.h264"), str(tmp_path / "x-2.h264")]
    with fan(*urls, lossless=True, stopping=lambda: True) as outputs:
        assert outputs.stats()[0]["files"] == [str(tmp_path / "x-3.h264")]


# -- the program ----------------------------------------------------------------------------------------

@pytest.fixture
def begin():
    """Start the program; what still runs at the end of the test is killed."""
    import_av()
    begun = []

    def begin(*words):
        begun.append(start("run", *(words + ("--web", "off", "--detector", "none"))))
        return begun[-1]

    yield begin
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_live_video_does_not_wait_for_its_reader(begin, pipe, tmp_path):
    process = begin("test://street?size=320x240", tmp_path / "o.mp4", pipe, "--json")
    wait_for_size(tmp_path / "o.mp4", 20000, process)
    reader = Reader(pipe)
    wait_until(lambda: len(reader.got) > 20000, 30)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    (tmp_path / "got.h264").write_bytes(reader.end())
    facts = json.loads(told.decode())
    whole, part = facts["outputs"]
    assert whole["packets"] == facts["frames"]["encoded"] == part["packets"] + part["drops"] and part["drops"] > 0
    assert begins_at_a_keyframe(reader.got) and streams.count_frames(tmp_path / "got.h264") == part["packets"]


def test_an_interrupt_ends_live_video_that_nobody_reads(begin, pipe, tmp_path):
    process = begin("test://street?size=320x240", tmp_path / "o.mp4", pipe)
    wait_for_size(tmp_path / "o.mp4", 20000, process)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and b"p.h264: nobody reads this pipe" in errors.splitlines()[-1] and b"Traceback" not in errors
    assert count_frames(tmp_path / "o.mp4")[0] > 10


def exact_run(begin, tmp_path, pipe):
    """Start a run of 30 frames in exact mode; return it when it says that it waits."""
    process = begin(make_clip(tmp_path / "a.mp4", frames=30), tmp_path / "o.h264", pipe, "--mode", "exact")
    assert any(b"waiting for somebody who reads this pipe" in line for line in process.stderr)
    return process


def test_exact_mode_gives_its_reader_everything(begin, pipe, tmp_path):
    process = exact_run(begin, tmp_path, pipe)
    reader = Reader(pipe)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert reader.end() == read(str(tmp_path / "o.h264")) and streams.count_frames(tmp_path / "o.h264") == 30


def test_an_interrupt_ends_exact_mode_while_it_waits(begin, pipe, tmp_path):
    process = exact_run(begin, tmp_path, pipe)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"") and process.returncode == 130
    assert sorted(os.listdir(str(tmp_path))) == ["a.mp4", "p.h264"]
