"""Runs that end before their time: by a signal, by a kill, by a full disk. What was recorded stays."""
import json
import signal
import socket

import pytest

from clips import StreamServer, count_frames, free_port, import_av, make_clip
from edgecam.cli import main
from program import edgecam, start, wait_for_size
from test_outputs_rtsp import OK, Misbehaving


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_in_order(tmp_path, number):
    out = tmp_path / "o.mp4"
    process = start("run", "test://street?size=480x270", out, "--web", "off", "--detector", "scene")
    wait_for_size(out, 60000, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    encoded = int(stdout.decode().split(" frames in, ")[1].split(" encoded")[0])
    assert count_frames(out)[0] == encoded


def test_what_was_recorded_survives_kill_9(tmp_path):
    out = tmp_path / "o.mp4"
    process = start("run", "test://street?size=480x270", out, "--web", "off", "--detector", "none")
    wait_for_size(out, 150000, process)
    process.kill()
    process.communicate()
    assert count_frames(out)[0] > 20


def test_an_rtp_host_that_refuses_everything_costs_neither_the_recording_nor_the_run(tmp_path, capsys):
    clip, out = make_clip(tmp_path / "walk.mp4", frames=30), tmp_path / "o.mp4"
    url = "rtp://127.0.0.1:{}".format(free_port(socket.SOCK_DGRAM))
    assert main(["run", clip, str(out), url, "--mode", "exact", "--web", "off", "--detector", "none", "--json"]) == 0
    assert count_frames(out)[0] == 30
    sent = json.loads(capsys.readouterr().out)["outputs"][1]
    assert sent["packets"] + sent["drops"] == 30 and sent["drops"] > 20
    assert sent["error"] == url + ": packets are lost: connection refused"


@pytest.fixture
def gap(tmp_path):
    """A video whose times jump by ten minutes after its first half second."""
    return make_clip(tmp_path / "gap.mp4", frames=10, fps=10, times=[n / 10 + 600 * (n >= 5) for n in range(10)])


@pytest.mark.parametrize("mode", [["--mode", "live"], ["--mode", "exact", "--set", "pipeline.realtime=on"]], ids=["live", "exact"])
@pytest.mark.parametrize("ended_by", ["duration", "SIGTERM"])
def test_a_gap_in_a_videos_times_does_not_hold_its_end(gap, tmp_path, mode, ended_by):
    events = tmp_path / "e.jsonl"
    process = start("run", gap, "null:", "--web", "off", "--detector", "none", "--events", events, *mode,
                    "--duration", "2" if ended_by == "duration" else "300")
    if ended_by == "SIGTERM":
        wait_for_size(events, 5 * 200, process)
        process.terminate()
    try:
        told, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert b": 5 frames in, 5 encoded" in told


BEFORE_FRAMES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize("number, code", BEFORE_FRAMES)
def test_a_signal_while_a_camera_says_nothing_is_no_failure_of_the_camera(tmp_path, number, code):
    with socket.socket() as mute:               # accepts, and never answers
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        mute.settimeout(60)
        process = start("run", "rtsp://127.0.0.1:{}/cam".format(mute.getsockname()[1]), tmp_path / "o.mp4", "--web", "off", "--detector", "none")
        try:
            peer, _ = mute.accept()
            assert peer.recv(1)                 # it asked, and waits for the answer
            process.send_signal(number)
            told, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        peer.close()
    assert (process.returncode, told, errors) == (code, b"", b"") and not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize("number, code", BEFORE_FRAMES)
def test_a_signal_while_a_source_is_waited_for_is_no_failure_of_the_source(tmp_path, number, code):
    process = start("run", "rtsp://127.0.0.1:{}/x".format(free_port()), tmp_path / "o.mp4", "--web", "off", "--detector", "none",
                    "--set", "capture.give_up_after=600")
    try:
        assert process.stderr.readline().endswith(b": Connection refused; trying on\n")
        process.send_signal(number)
        told, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, told, errors) == (code, b"", b"") and not (tmp_path / "o.mp4").exists()


def small_disk(size=900000):
    """In a new process: no file grows beyond *size*, which stands for the disk's end; the write fails in mid-fragment."""
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk_ends_with_one_line_and_a_playable_file(tmp_path):
    out = tmp_path / "o.mp4"
    code, told, err = edgecam("run", "test://street?size=480x270&frames=600", out, "--mode", "exact", "--web", "off", "--detector", "none",
                              "--bitrate", "2M", preexec_fn=small_disk)
    assert code == 1 and "o.mp4" in err and "Traceback" not in err
    assert " frames in, " in told and str(out) in told
    assert count_frames(out)[0] > 10


def test_a_full_disk_does_not_end_live_video_but_is_told(tmp_path):
    out = tmp_path / "o.mp4"
    code, told, err = edgecam("run", "test://street?size=480x270&noise=4", out, "null:", "--web", "off", "--detector", "none",
                              "--bitrate", "4M", "--duration", "5", "--json", preexec_fn=small_disk)
    facts = json.loads(told)
    assert code == 1 and "incomplete: " in err and "o.mp4" in err and "Traceback" not in err
    states = {output["url"]: output for output in facts["outputs"]}
    assert states["null:"]["packets"] == facts["frames"]["encoded"]
    kept, recorded = count_frames(out)[0], states[str(out)]
    assert 10 < kept < facts["frames"]["encoded"]
    assert recorded["packets"] == kept and recorded["drops"] == facts["frames"]["encoded"] - kept
    assert recorded["bytes"] <= out.stat().st_size + 100 * kept         # heads of units are a little shorter there


def test_a_disk_with_no_room_at_all_counts_every_frame_as_dropped(tmp_path):
    out = tmp_path / "o.mp4"
    code, told, err = edgecam("run", "test://street?size=480x270&frames=90", out, "--web", "off", "--detector", "none", "--json",
                              preexec_fn=lambda: small_disk(1000))
    recorded = json.loads(told)["outputs"][0]
    assert code == 1 and "o.mp4: File too large before anything was recorded" in err and not out.exists()
    assert (recorded["packets"], recorded["bytes"], recorded["drops"]) == (0, 0, 90)


@pytest.mark.parametrize("words", [["--json"], [], ["--events", "-"]], ids=["json", "text", "events on stdout"])
def test_a_source_that_goes_silent_and_is_given_up_fails_with_a_summary_of_what_was_recorded(tmp_path, words):
    out, live = tmp_path / "o.mp4", make_clip(tmp_path / "a.ts", frames=150, fps=25, options={"g": "10"})
    with StreamServer(live, pace=0.05) as server:
        process = start("run", server.url, out, "--web", "off", "--detector", "none", "--set", "capture.stale_after=0.6",
                        "--set", "capture.retry_max=0.3", "--set", "capture.give_up_after=1", *words)
        try:
            wait_for_size(out, 5000, process)
        except BaseException:
            process.kill()
            raise
    try:
        told, err = [stream.decode() for stream in process.communicate(timeout=30)]
    finally:
        process.kill()
    code, frames = process.returncode, count_frames(out)[0]
    said = err if "--events" in words else told
    assert code == 1 and "given up after" in err.splitlines()[-1] and "Traceback" not in err and frames > 10
    assert (json.loads(said)["frames"]["encoded"] if "--json" in words else int(said.split(" frames in, ")[1].split(" encoded")[0])) == frames


def test_a_server_that_went_and_never_came_back_fails_the_run():
    with Misbehaving([OK, OK, OK] + 40 * [b""], hang_up=True) as server:        # it reads some packets first
        process = start("run", "test://street?size=320x180", server.url, "--web", "off", "--detector", "none", "--json", "--set", "outputs.timeout=0.3")
        said = next(line for line in process.stderr if b"trying on" in line)
        process.send_signal(signal.SIGTERM)
        told, err = process.communicate(timeout=30)
    output = json.loads(told.decode())["outputs"][0]
    assert output["packets"] and output["retries"] and output["state"] == "failed"
    assert process.returncode == 1 and b"incomplete: rtsp://***@127.0.0.1" in err and err.splitlines()[-1].count(b"rtsp://") == 1 and b"s3cret" not in said + err
