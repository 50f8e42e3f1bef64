"""The whole program, started as a user starts it, on real video."""
import json
import os
import socket
import time

import pytest

from clips import count_frames, free_port, import_av, make_clip
from edgecam.cli import main
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
    for name in ("a.mp4", "b.mp4"):
        assert main(["run", clip, str(tmp_path / name), "--mode", "exact", "--web", "off"]) == 0
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

BAD = [
    (["run", "none.mp4", "null:"], 1, "none.mp4: there is no such file"),
    (["run", "pigeon://x"], 2, "INPUT: input pigeon://x: unknown scheme pigeon"),
    (["run", "test://avenue"], 2, "INPUT: input test://avenue: the only built-in scene is test://street"),
    (["run", "test://street?fsp=3"], 2, "unknown option fsp"),
    (["run", "null:"], 2, "run: INPUT: input null: is an output; name the input before it"),
    (["run", "--config", "null.yaml"], 78, "input null: is an output; name the input before it"),
    (["run", "csi://0"], 1, "no CSI"),
    (["run", "test://street", "x.avi"], 2, "OUTPUT: output x.avi: is none of"),
    (["run", "test://street", "--web", "8080"], 2, "--web: web.listen = '8080': expected HOST:PORT"),
    (["run", "test://street", "/nowhere/at/all/x.mp4"], 2, "run: OUTPUT: outputs.urls = /nowhere/at/all/x.mp4: there is no folder /nowhere/at/all"),
    (["run", "none.mp4", "--set", "outputs.urls=[/nowhere/x.mp4]"], 2, "run: --set: outputs.urls = /nowhere/x.mp4: there is no folder /nowhere"),
    (["run", "none.mp4", "--config", "nowhere.yaml"], 1, "outputs.urls = /nowhere/%Y/x.mp4: there is no folder /nowhere/2"),
    (["check", "nowhere.yaml"], 1, "outputs.urls = /nowhere/%Y/x.mp4: there is no folder /nowhere/2"),
    (["run", "none.mp4", "null:", "--config", "events.yaml"], 1, "events.file = /nowhere/e.jsonl: there is no folder /nowhere"),
    (["run", "test://street", "shelf.mp4"], 2, "run: OUTPUT: outputs.urls = shelf.mp4: is a folder; name a file in it"),
    (["run", "test://street", "file:shelf.mp4/"], 2, "run: OUTPUT: "),
    (["run", "test://street", "null:", "--events", "shelf.mp4"], 2, "run: --events: events.file = shelf.mp4: is a folder"),
    (["check", "--set", "events.file=/"], 2, "check: --set: events.file = /: is a folder"),
    (["check", "shelf.yaml"], 78, "outputs.urls = shelf.mp4: is a folder"),
    (["run", "test://street", "--bitrate", "lots"], 2, "--bitrate: encode.bitrate = 'lots': expected a number"),
    (["run", "test://street", "--bitrate", "0"], 2, "--bitrate: encode.bitrate = '0': expected a number (k, M and G may follow it) from 20000 to"),
    (["run", "test://street", "--duration", "-1"], 2, "--duration: pipeline.duration = -1.0: expected a number of seconds from 0"),
    (["run", "test://street", "--set", "encode.bitrate=0"], 2, "--set: encode.bitrate = 0: expected a number"),
    (["run", "test://street", "--config", "zero.yaml"], 78, "zero.yaml:2: encode.bitrate = 0: expected a number"),
    (["run", "test://street", "--config", "avi.yaml"], 78, "output x.avi: is none of"),
    (["check", "zero.yaml"], 78, "zero.yaml:2: encode.bitrate = 0: expected a number"),
    (["check", "--set", "encode.bitrate=0"], 2, "--set: encode.bitrate = 0: expected a number"),
    (["run", "test://street", "--set", "encode.bitrat=1"], 2, "did you mean encode.bitrate"),
    (["run", "test://street", "--config", "none.yaml"], 78, "none.yaml: can't be read"),
    (["run", "test://street", "--mode", "quick"], 2, "invalid choice: 'quick'"),
    (["run", "test://street", "--duration", "soon"], 2, "invalid float value"),
    (["run", "test://street", "--events", "/nowhere/e.jsonl"], 2, "run: --events: events.file = /nowhere/e.jsonl: there is no folder /nowhere"),
    (["run", "test://street", "--model", "nobody"], 78, "nobody"),
    (["run", "test://street", "--encoder", "nobody"], 2, "--encoder: encode.backend = 'nobody': expected one of auto"),
    (["run", "test://street", "--detector", "nobody"], 2, "--detector: detect.backend = 'nobody': expected one of auto"),
    (["run", "/dev/video99"], 1, "/dev/video99"),
    (["run", "rtsp://[fe80::1/1"], 2, "INPUT: input rtsp://[fe80::1/1: is no URL"),
    (["check", "--set", "capture.input=rtsp://[fe80::1/1"], 2, "--set: input rtsp://[fe80::1/1: is no URL"),
    (["run", "test://street", "--set", "zones.areas={a: bad}"], 2, "run: --set: zones.areas.a = 'bad': expected at least 3 corners"),
    (["run", "test://street", "--set", "outputs.urls=foo.xyz"], 2, "run: --set: output foo.xyz: is none of"),
    (["run", "--set", "capture.input=foo://bar"], 2, "run: --set: input foo://bar: unknown scheme foo"),
    (["run", "test://street", "--set", "outputs.sdp=/nowhere/x.sdp"], 2, "run: --set: outputs.sdp = /nowhere/x.sdp: there is no such folder"),
    (["check", "foo.yaml"], 78, "input foo://bar: unknown scheme foo"),
    (["check", "--set", "zones.areas={a: bad}"], 2, "check: --set: zones.areas.a"),
    (["models", "build", "nosuch", "--batch", "0"], 2, "models build: --batch: detect.batch = 0: expected an integer"),
    (["models", "build", "nosuch", "--batch", "1"], 78, "nosuch"),
    (["detect", "x.jpg", "--model", "triton://host"], 2, "detect: --model: detect.model = triton://host: expected triton://host:8001/MODEL"),
    (["detect", "x.jpg", "--set", "detect.model=triton://host"], 2, "detect: --set: detect.model = triton://host: expected"),
    (["detect", "x.jpg", "--config", "triton.yaml"], 78, "detect.model = triton://host: expected triton://host:8001/MODEL"),
    (["check", "bracket.yaml"], 78, "input rtsp://[fe80::1/1: is no URL"),
    (["run", "test://street", "--web", "a..b:8080"], 2, "--web: web.listen = 'a..b:8080': expected HOST:PORT"),
    (["check", "dots.yaml"], 78, "web.listen = 'a..b:8080': expected HOST:PORT"),
    (["fly"], 2, "invalid choice: 'fly'"),
    (["run", "test://street", "null:", "--mode", "exact", "--set", "detect.classes=[dog]"], 2, "run: --set: detect.classes: "),
    (["run", "test://street", "null:", "--mode", "live", "--set", "detect.classes=[dog]"], 2, "run: --set: detect.classes: "),
    (["run", "test://street", "null:", "--mode", "exact", "--config", "dog.yaml"], 78, "edgecam: detect.classes: "),
    (["detect", "x.jpg", "--set", "detect.classes=[persn]"], 2, "detect: --set: detect.classes: "),
    (["detect", "x.jpg", "--config", "dog.yaml"], 78, "edgecam: detect.classes: "),
    (["run", "test://street", "null:", "--encoder", "x264", "--set", "encode.options=foo=1:bar"], 2,
     "run: --set: encode.options = foo=1:bar: x264 refuses it; expected its parameters as key=value:key=value, such as subme=2:ref=2"),
    (["run", "test://street", "null:", "--encoder", "x264", "--config", "foobar.yaml"], 78, "edgecam: encode.options = foo=1:bar: x264 refuses it; "),
    (["run", "walk.mp4", "null:", "--detector", "scene"], 2, "run: --detector: detect.backend = scene: knows test://street alone, and the input is walk.mp4"),
    (["run", "walk.mp4", "null:", "--config", "scene.yaml"], 2, "run: INPUT: detect.backend = scene: knows test://street alone, and the input is walk.mp4"),
    (["check", "scene.yaml", "--set", "capture.input=rtsp://cam/1"], 2, "check: --set: detect.backend = scene: knows test://street alone"),
    (["check", "qp.yaml"], 78, "edgecam: encode.min_qp = 40: is above encode.max_qp = 10; expected the lower one first"),
    (["check", "--set", "encode.min_qp=40", "--set", "encode.max_qp=10"], 2, "check: --set: encode.min_qp = 40: is above encode.max_qp = 10"),
    (["run", "test://street", "null:", "--config", "qp.yaml", "--set", "encode.max_qp=39"], 2, "run: --set: encode.min_qp = 40: is above encode.max_qp = 39"),
    (["run", "test://street", "null:", "--set", "roi.weights={persn: 2}"], 2, "run: --set: roi.weights: model: auto knows no persn; did you mean person? its labels"),
    (["run", "test://street", "null:", "--set", "roi.weights={persn: 2}", "--detector", "scene"], 2,
     "run: --set: roi.weights: scene knows no persn; did you mean person? its labels are person, car, bus, marker"),
    (["check", "persn.yaml"], 78, "edgecam: roi.weights: edgecam-detectnet-960x540 knows no persn; did you mean person? its labels are person, car"),
    (["run", "test://street", "null:", "--set", "detect.models=/nope"], 2, "run: --set: detect.models = /nope: there is no such folder"),
    (["detect", "x.jpg", "--set", "detect.models=/nope"], 2, "detect: --set: detect.models = /nope: there is no such folder"),
    (["check", "nope.yaml"], 78, "edgecam: detect.models = /nope: there is no such folder"),
    (["check", "--set", "detect.models=/nope"], 2, "check: --set: detect.models = /nope: there is no such folder"),
    (["check", "walking.yaml"], 78, "edgecam: detect.backend = scene: knows test://street alone, and the input is walk.mp4"),
]


@pytest.mark.parametrize("words, code, text", BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_bad_input_is_one_clear_line(words, code, text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / "zero.yaml").write_text("encode:\n  bitrate: 0\n")
    (tmp_path / "avi.yaml").write_text("outputs:\n  urls: [x.avi]\n")
    (tmp_path / "bracket.yaml").write_text("capture: {input: 'rtsp://[fe80::1/1'}\n")
    (tmp_path / "dots.yaml").write_text("web: {listen: 'a..b:8080'}\n")
    (tmp_path / "null.yaml").write_text("capture: {input: 'null:'}\n")
    (tmp_path / "nowhere.yaml").write_text("outputs:\n  urls: [/nowhere/%Y/x.mp4]\n")
    (tmp_path / "events.yaml").write_text("events:\n  file: /nowhere/e.jsonl\n")
    (tmp_path / "qp.yaml").write_text("encode: {min_qp: 40, max_qp: 10}\n")
    (tmp_path / "persn.yaml").write_text("roi: {weights: {persn: 2}}\ndetect: {model: edgecam-detectnet-960x540}\n")
    (tmp_path / "nope.yaml").write_text("detect: {models: /nope}\n")
    (tmp_path / "dog.yaml").write_text("detect: {classes: [dog]}\n")
    (tmp_path / "foobar.yaml").write_text("encode: {options: 'foo=1:bar'}\n")
    (tmp_path / "scene.yaml").write_text("detect: {backend: scene}\n")
    (tmp_path / "walking.yaml").write_text("detect: {backend: scene}\ncapture: {input: walk.mp4}\n")
    (tmp_path / "shelf.mp4").mkdir()
    (tmp_path / "shelf.yaml").write_text("outputs:\n  urls: [shelf.mp4]\n")
    (tmp_path / "foo.yaml").write_text("capture: {input: 'foo://bar'}\n")
    (tmp_path / "triton.yaml").write_text("detect: {model: 'triton://host'}\n")
    extra = ["run", "--web", "off", "--duration", "5"] if words[0] == "run" else words[:1]
    assert main(extra + words[1:]) == code
    complaint = capsys.readouterr().err.strip()
    assert text in complaint
    assert "Traceback" not in complaint and complaint.splitlines()[-1].startswith("edgecam: ")


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
    assert "incomplete: " + server in capsys.readouterr().err


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
