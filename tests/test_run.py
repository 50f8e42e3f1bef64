"""The whole program, started as a user starts it, on real video."""
import json
import os
import socket
import time

import pytest

from clips import count_frames, free_port, import_av, make_clip
from edgecam.cli import main
from edgecam.detect.models import list_models
from program import ROOT, edgecam


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    import_av()
    return make_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", frames=30, size=(480, 270), fps=10)


def read_events(path):
    with open(str(path), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def schema():
    with open(os.path.join(ROOT, "edgecam", "events.schema.json"), encoding="utf-8") as stream:
        return json.load(stream)


# -- exact mode -------------------------------------------------------------------------------------

def test_a_file_becomes_an_mp4_with_exactly_its_frames(clip, tmp_path, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    out, events_file = tmp_path / "out.mp4", tmp_path / "e.jsonl"
    assert main(["run", clip, str(out), "--mode", "exact", "--web", "off", "--events", str(events_file)]) == 0
    frames, times = count_frames(out)
    assert frames == 30 and times == pytest.approx([n / 10 for n in range(30)], abs=2e-3)
    events = read_events(events_file)
    assert [event["frame"] for event in events] == list(range(30))
    for event in events:
        jsonschema.validate(event, schema())
        assert event["mode"] == "exact" and event["detected_at"] == pytest.approx(event["time"])
    assert "30 frames in, 30 encoded, 30 detected" in capsys.readouterr().out


def test_the_same_input_gives_the_same_bytes(clip, tmp_path):
    """By one model: where the machine is so busy that none can be measured well, auto may take another one for the second run."""
    model = next(model.name for model in list_models() if model.variant == "light" and model.precision == "int8")
    for name in ("a.mp4", "b.mp4"):
        assert main(["run", clip, str(tmp_path / name), "--mode", "exact", "--web", "off", "--model", model]) == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_regions_follow_the_objects_of_the_scene(tmp_path):
    events_file = tmp_path / "e.jsonl"
    assert main(["run", "test://street?frames=40&size=480x270", str(tmp_path / "o.mp4"), "--mode", "exact", "--web", "off",
                 "--detector", "scene", "--events", str(events_file)]) == 0
    last = read_events(events_file)[-1]
    assert last["tracks"] and last["plan"]["regions"]
    regions = [region["box"] for region in last["plan"]["regions"]]
    for track in last["tracks"]:
        cx, cy = track["box"][0] + track["box"][2] / 2, track["box"][1] + track["box"][3] / 2
        assert any(x <= cx <= x + w and y <= cy <= y + h for x, y, w, h in regions)
    assert all(region["qp"] < 0 for region in last["plan"]["regions"])


def test_no_roi_means_no_regions(tmp_path):
    events_file = tmp_path / "e.jsonl"
    assert main(["run", "test://street?frames=20&size=480x270", "null:", "--mode", "exact", "--web", "off", "--no-roi",
                 "--detector", "scene", "--events", str(events_file)]) == 0
    assert all(event["plan"]["regions"] == [] for event in read_events(events_file))


def test_duration_counts_the_videos_own_time_in_exact_mode(clip, tmp_path):
    assert main(["run", clip, str(tmp_path / "o.mp4"), "--mode", "exact", "--web", "off", "--detector", "none", "--duration", "1.45"]) == 0
    assert count_frames(tmp_path / "o.mp4")[0] == 15


@pytest.mark.parametrize("size", [(642, 358), (180, 320), (1920, 1080)])
def test_sizes(size, tmp_path):
    path = make_clip(tmp_path / "s.mp4", frames=3, size=size)
    assert main(["run", path, str(tmp_path / "o.mp4"), "--mode", "exact", "--web", "off", "--detector", "none"]) == 0
    assert count_frames(tmp_path / "o.mp4")[0] == 3


def test_one_frame_and_variable_rate(tmp_path):
    times = [0, .1, .15, .9, 1.0]
    for name, count, when in (("one.mp4", 1, None), ("vfr.mp4", 5, times)):
        path = make_clip(tmp_path / name, frames=count, times=when)
        out = tmp_path / ("out-" + name)
        assert main(["run", path, str(out), "--mode", "exact", "--web", "off", "--detector", "none"]) == 0
        assert count_frames(out)[0] == count
    assert count_frames(out)[1] == pytest.approx(times, abs=2e-3)


# -- live mode --------------------------------------------------------------------------------------

def test_live_never_waits_for_the_detector(tmp_path, capsys):
    events_file = tmp_path / "e.jsonl"
    assert main(["run", "test://street?size=480x270", str(tmp_path / "o.mp4"), "--web", "off", "--detector", "scene",
                 "--duration", "3", "--events", str(events_file), "--set", "events.file=" + str(events_file)]) == 0
    events = read_events(events_file)
    assert len(events) == count_frames(tmp_path / "o.mp4")[0] > 45
    assert any(event["detections"] for event in events) and events[-1]["tracks"]
    assert "(live mode)" in capsys.readouterr().out


def test_a_file_in_live_mode_keeps_its_pace(clip):
    started = time.monotonic()
    assert main(["run", clip, "null:", "--mode", "live", "--web", "off", "--detector", "none"]) == 0
    assert time.monotonic() - started >= 2.8


def test_dropped_frames_make_the_video_no_shorter(tmp_path):
    out = tmp_path / "o.mp4"
    code, told, err = edgecam("run", "test://street?size=2560x1440&noise=4&fps=240", out, "--web", "off", "--detector", "none", "--duration", "3", "--json")
    assert code == 0, err
    facts, (frames, times) = json.loads(told), count_frames(out)
    assert facts["dropped"]["capture"] > 0 and facts["frames"]["encoded"] == frames
    assert facts["seconds"]["media"] == pytest.approx(times[-1] - times[0] + 1 / 240, abs=2e-3)
    assert facts["kbit_per_second"] == pytest.approx(8e-3 * facts["bytes"] / facts["seconds"]["media"], rel=1e-2)


def test_summary_as_json_and_events_on_stdout(clip):
    code, out, _ = edgecam("run", clip, "null:", "--mode", "exact", "--web", "off", "--detector", "none", "--json")
    assert code == 0 and json.loads(out)["frames"] == {"in": 30, "encoded": 30, "detected": 0, "keyframes": 2}
    code, out, err = edgecam("run", clip, "null:", "--mode", "exact", "--web", "off", "--detector", "none", "--events", "-")
    assert code == 0 and len([json.loads(line) for line in out.splitlines()]) == 30
    assert "30 frames in" in err


@pytest.mark.parametrize("mode", ["exact", "live"])
def test_without_a_detector_no_frame_counts_as_looked_at(clip, tmp_path, capsys, mode):
    events = tmp_path / "e.jsonl"
    run = ["run", clip, "null:", "--mode", mode, "--web", "off", "--detector", "none", "--events", str(events), "--overwrite"]
    assert main(run) == 0
    said = capsys.readouterr().out
    assert "30 frames in, 30 encoded, no detector ({} mode)".format(mode) in said and "detect" not in said.replace("no detector", "")
    assert [event["detected_at"] for event in read_events(events)] == [None] * 30
    assert main(run + ["--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames"]["detected"] == facts["detections_per_second"] == facts["dropped"]["not_detected"] == 0
    assert not {"detect", "track"} & set(facts["stages_ms"]) and not facts["has_detector"]


# -- bad input --------------------------------------------------------------------------------------

def test_a_listening_address_given_by_set_is_typed_as_well(capsys):
    assert main(["run", "test://street", "--duration", "1", "--set", "web.listen=nonsense"]) == 2
    assert "run: --set: web.listen = 'nonsense': expected HOST:PORT" in capsys.readouterr().err


def test_a_busy_port_that_was_named_is_one_clear_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        assert main(["run", "test://street", "--web", "127.0.0.1:{}".format(port), "--duration", "5"]) == 1
    assert str(port) in capsys.readouterr().err


@pytest.fixture
def busy_8080():
    """Somebody listens on the default port: another program, or we."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8080))
            taken.listen(1)
        except OSError:
            pass
        yield


def test_the_default_port_makes_way_only_where_nobody_named_it(busy_8080, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("web:\n  listen: 127.0.0.1:8080\n")
    run = ["run", "test://street?size=320x180", "--duration", "0.3", "--detector", "none"]
    for words in (["--web", "127.0.0.1:8080"], ["--set", "web.listen=127.0.0.1:8080"], ["--config", str(tmp_path / "mine.yaml")]):
        assert main(run + words) == 1
        said = capsys.readouterr().err
        assert said.splitlines()[-1] == "edgecam: web.listen = 127.0.0.1:8080: the port is in use; choose another HOST:PORT, or off"
    assert main(run) == 0
    assert "port 8080 is taken, the live page uses 808" in capsys.readouterr().err


def test_a_server_that_never_answered_fails_the_run(clip, tmp_path, capsys):
    out, server = tmp_path / "o.mp4", "rtsp://127.0.0.1:{}/x".format(free_port(socket.SOCK_STREAM))
    assert main(["run", clip, str(out), server, "--mode", "exact", "--web", "off", "--detector", "none"]) == 1
    assert count_frames(out)[0] == 30
    said, told = capsys.readouterr()
    assert told.endswith("edgecam: incomplete: {}: Connection refused\n".format(server))
    assert "{}  0 packets, 0 bytes (Connection refused)".format(server) in said


def test_the_summary_names_the_file_that_was_written(clip, tmp_path, capsys):
    assert main(["run", clip, str(tmp_path / "flight-%Y.mp4"), "--mode", "exact", "--web", "off", "--detector", "none"]) == 0
    written = str(tmp_path / time.strftime("flight-%Y.mp4"))
    assert written + "  30 packets" in capsys.readouterr().out and count_frames(written)[0] == 30


def test_outputs_may_stand_behind_options(clip, tmp_path):
    out = tmp_path / "o.mp4"
    assert main(["run", clip, "--mode", "exact", "--web", "off", "--detector", "none", str(out)]) == 0
    assert count_frames(out)[0] == 30
    assert main(["run", clip, "--web", "off", "--nope", str(out)]) == 2


# -- the data folder --------------------------------------------------------------------------------

def test_every_video_of_the_data_folder_passes(data_folder, tmp_path):
    videos = [os.path.join(folder, name) for part in ("videos", "motion") for folder, _, names in os.walk(os.path.join(data_folder, part))
              for name in names if name.endswith(".mp4")]
    assert videos
    for number, video in enumerate(sorted(videos)):
        out, events_file = tmp_path / "{}.mp4".format(number), tmp_path / "{}.jsonl".format(number)
        assert main(["run", video, str(out), "--mode", "exact", "--web", "off", "--detector", "none", "--events", str(events_file)]) == 0
        expected = count_frames(video)
        found = count_frames(out)
        assert found[0] == expected[0] == len(read_events(events_file))
        assert found[1] == pytest.approx([t - expected[1][0] for t in expected[1]], abs=2e-3)
