"""What is wrong in words and in settings files: one clear line, and the exit code of what is wrong."""
import pytest

from clips import import_av
from edgecam.cli import main


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


BAD = [
    (["run", "none.mp4", "null:"], 1, "none.mp4: there is no such file"),
    (["run", "pigeon://x"], 2, "INPUT: input pigeon://x: unknown scheme pigeon"),
    (["run", "test://avenue"], 2, "INPUT: input test://avenue: the only built-in scene is test://street"),
    (["run", "test://street?fsp=3"], 2, "unknown option fsp"),
    (["run", "null:"], 2, "run: INPUT: input null: is an output; name the input before it"),
    (["run", "--config", "null.yaml"], 78, "edgecam: null.yaml:1: input null: is an output; name the input before it"),
    (["run", "-"], 2, "edgecam: run: INPUT: input -: expected a camera, a file or a URL; what a pipe brings is /dev/stdin, as in: cat walk.ts | edgecam run "),
    (["check", "--set", "capture.input=-"], 2, "edgecam: check: --set: input -: expected a camera, a file or a URL; "),
    (["run", "file:/dev/null"], 1, "edgecam: input /dev/null: this is a terminal or another device, no video; expected a camera, a file or a URL; what a pipe "),
    (["run", "", "null:"], 2, "edgecam: run: INPUT: input '': is empty; expected a camera, a file or a URL; auto is the first camera found"),
    (["check", "noinput.yaml"], 78, "edgecam: noinput.yaml:1: input '': is empty; expected a camera, "),
    (["run", "rtp://127.0.0.1", "null:"], 2, "edgecam: run: INPUT: input rtp://127.0.0.1: no port; expected rtp://host:port, the port from 1"),
    (["check", "noport.yaml"], 78, "edgecam: noport.yaml:2: input udp://127.0.0.1: no port; expected udp://host:port, "),
    (["run", "http://", "null:"], 2, "edgecam: run: INPUT: input http://: no host; expected http://host/path"),
    (["run", "rtsp://", "null:"], 2, "edgecam: run: INPUT: input rtsp://: no host; expected rtsp://host/path"),
    (["run", "csi://0"], 1, "no CSI"),
    (["run", "test://street", "x.avi"], 2, "OUTPUT: output x.avi: is none of"),
    (["run", "test://street", "--web", "8080"], 2, "--web: web.listen = '8080': expected HOST:PORT"),
    (["run", "test://street", "/nowhere/at/all/x.mp4"], 2, "run: OUTPUT: outputs.urls = /nowhere/at/all/x.mp4: there is no folder /nowhere/at/all"),
    (["run", "none.mp4", "--set", "outputs.urls=[/nowhere/x.mp4]"], 2, "run: --set: outputs.urls = /nowhere/x.mp4: there is no folder /nowhere"),
    (["run", "none.mp4", "--config", "nowhere.yaml"], 1, "edgecam: nowhere.yaml:2: outputs.urls = /nowhere/%Y/x.mp4: there is no folder /nowhere/2"),
    (["check", "nowhere.yaml"], 1, "edgecam: nowhere.yaml:2: outputs.urls = /nowhere/%Y/x.mp4: there is no folder /nowhere/2"),
    (["run", "none.mp4", "null:", "--config", "events.yaml"], 1, "edgecam: events.yaml:2: events.file = /nowhere/e.jsonl: there is no folder /nowhere"),
    (["run", "test://street", "shelf.mp4"], 2, "run: OUTPUT: outputs.urls = shelf.mp4: is a folder; name a file in it"),
    (["run", "test://street", "file:shelf.mp4/"], 2, "run: OUTPUT: "),
    (["run", "test://street", "null:", "--events", "shelf.mp4"], 2, "run: --events: events.file = shelf.mp4: is a folder"),
    (["check", "--set", "events.file=/"], 2, "check: --set: events.file = /: is a folder"),
    (["check", "shelf.yaml"], 78, "edgecam: shelf.yaml:2: outputs.urls = shelf.mp4: is a folder"),
    (["run", "test://street", "rtp://10.0.0.1:5600", "rtp://10.0.0.1:5600"], 2, "run: OUTPUT: output rtp://10.0.0.1:5600: is named twice; leave one of them"),
    (["run", "test://street", "rtp://10.0.0.1:5600", "rtp://10.0.0.1:5600/"], 2, "run: OUTPUT: output rtp://10.0.0.1:5600/: rtp://10.0.0.1:5600 sends to the same place"),
    (["check", "--set", "outputs.urls=[rtp://10.0.0.1:5600, rtp://10.0.0.1:5600]"], 2, "check: --set: output rtp://10.0.0.1:5600: "),
    (["check", "garbled.yaml"], 78, "edgecam: garbled.yaml:1: output rtp://10.0.0.1:5600: is named twice; leave one of them"),
    (["run", "test://street", "x.mp4", "file:x.mp4"], 2, "run: OUTPUT: output x.mp4: is named twice; leave one of them"),
    (["run", "test://street", "--bitrate", "lots"], 2, "--bitrate: encode.bitrate = 'lots': expected a number"),
    (["run", "test://street", "--bitrate", "0"], 2, "--bitrate: encode.bitrate = '0': expected a number (k, M and G may follow it) from 20000 to"),
    (["run", "test://street", "--duration", "-1"], 2, "--duration: pipeline.duration = -1.0: expected a number of seconds from 0"),
    (["run", "test://street", "--set", "encode.bitrate=0"], 2, "--set: encode.bitrate = 0: expected a number"),
    (["run", "test://street", "--config", "zero.yaml"], 78, "zero.yaml:2: encode.bitrate = 0: expected a number"),
    (["run", "test://street", "--config", "avi.yaml"], 78, "edgecam: avi.yaml:2: output x.avi: is none of"),
    (["check", "zero.yaml"], 78, "zero.yaml:2: encode.bitrate = 0: expected a number"),
    (["check", "--set", "encode.bitrate=0"], 2, "--set: encode.bitrate = 0: expected a number"),
    (["run", "test://street", "--set", "encode.bitrat=1"], 2, "did you mean encode.bitrate"),
    (["run", "test://street", "--set", "a.b=c"], 2, "edgecam: --set: unknown setting a.b: `edgecam check --defaults` lists all"),
    (["run", "test://street", "--config", "none.yaml"], 78, "edgecam: none.yaml: can't be read: No such file or directory"),
    (["check", "--config", "zero.yaml"], 78, "edgecam: zero.yaml:2: encode.bitrate = 0: expected a number"),
    (["check", "shelf.mp4"], 78, "edgecam: shelf.mp4: can't be read: Is a directory"),
    (["check", "bell.yaml"], 78, "edgecam: bell.yaml: not YAML: special characters are not allowed"),
    (["run", "test://street", "--mode", "quick"], 2, "invalid choice: 'quick'"),
    (["run", "test://street", "--duration", "soon"], 2, "edgecam: run: argument --duration: 'soon': expected a number, such as 2.5 (try: edgecam run --help)"),
    (["run", "test://street", "--events", "/nowhere/e.jsonl"], 2, "run: --events: events.file = /nowhere/e.jsonl: there is no folder /nowhere"),
    (["run", "test://street", "--model", "nobody"], 2, "run: --model: no model nobody: "),
    (["run", "test://street", "--model", "nobody.onnx"], 2, "run: --model: no model file nobody.onnx"),
    (["run", "test://street", "--model", "nobody.json"], 2, "run: --model: no model file nobody.json"),
    (["run", "test://street", "--model", "triton://host/nobody"], 2, "run: --model: no model nobody: "),
    (["run", "test://street", "--set", "detect.model=nobody"], 2, "run: --set: no model nobody: "),
    (["run", "test://street", "--config", "nobody.yaml"], 78, "edgecam: nobody.yaml:1: no model nobody: "),
    (["run", "test://street", "--config", "nobody.yaml", "--detector", "onnx"], 78, "edgecam: nobody.yaml:1: no model nobody: "),
    (["run", "test://street", "--model", "broken.json"], 78, "broken.json: not a JSON model description"),
    (["check", "nobody.yaml"], 78, "edgecam: nobody.yaml:1: no model nobody: "),
    (["detect", "x.jpg", "--model", "nobody"], 2, "detect: --model: no model nobody: "),
    (["detect", "x.jpg", "--set", "detect.model=nobody"], 2, "detect: --set: no model nobody: "),
    (["detect", "x.jpg", "--config", "nobody.yaml"], 78, "edgecam: nobody.yaml:1: no model nobody: "),
    (["run", "test://street", "--encoder", "nobody"], 2, "--encoder: encode.backend = 'nobody': expected one of auto"),
    (["run", "test://street", "--detector", "nobody"], 2, "--detector: detect.backend = 'nobody': expected one of auto"),
    (["run", "/dev/video99"], 1, "edgecam: input /dev/video99: there is no such device; "),
    (["run", "/dev/video99", "--set", "capture.give_up_after=0.2"], 1, "; given up after 0.2 s"),
    (["run", "rtsp://[fe80::1/1"], 2, "INPUT: input rtsp://[fe80::1/1: is no URL"),
    (["run", "rtsp://host:99999/x"], 2, "edgecam: run: INPUT: input rtsp://host:99999/x: expected host:port, the port from 1 to 65535"),
    (["run", "srt://[fe80::1]:abc"], 2, "edgecam: run: INPUT: input srt://[fe80::1]:abc: expected host:port, the port from 1 to 65535"),
    (["run", "--config", "port.yaml"], 78, "edgecam: port.yaml:2: input rtsp://host:abc/x: expected host:port, the port from 1 to 65535"),
    (["check", "port.yaml"], 78, "edgecam: port.yaml:2: input rtsp://host:abc/x: expected host:port, the port from 1 to 65535"),
    (["check", "--set", "capture.input=http://host:0/x"], 2, "edgecam: check: --set: input http://host:0/x: expected host:port, the port from 1"),
    (["check", "--set", "capture.input=rtsp://[fe80::1/1"], 2, "--set: input rtsp://[fe80::1/1: is no URL"),
    (["run", "test://street", "--set", "zones.areas={a: bad}"], 2, "run: --set: zones.areas.a = 'bad': expected at least 3 corners"),
    (["run", "test://street", "--set", "outputs.urls=foo.xyz"], 2, "run: --set: output foo.xyz: is none of"),
    (["run", "--set", "capture.input=foo://bar"], 2, "run: --set: input foo://bar: unknown scheme foo"),
    (["run", "test://street", "--set", "outputs.sdp=/nowhere/x.sdp"], 2, "run: --set: outputs.sdp = /nowhere/x.sdp: there is no such folder"),
    (["run", "test://street", "rtp://127.0.0.1:9", "--set", "outputs.sdp=zero.yaml"], 2, "run: --set: outputs.sdp = zero.yaml: holds something else"),
    (["run", "test://street", "rtp://127.0.0.1:9", "--detector", "none", "--set", "outputs.sdp=/proc/x.sdp"], 1, "edgecam: /proc/x.sdp: can't be written: "),
    (["check", "foo.yaml"], 78, "edgecam: foo.yaml:1: input foo://bar: unknown scheme foo"),
    (["check", "--set", "zones.areas={a: bad}"], 2, "check: --set: zones.areas.a"),
    (["models", "build", "nosuch", "--batch", "0"], 2, "models build: --batch: detect.batch = 0: expected an integer"),
    (["models", "build", "nosuch", "--batch", "1"], 2, "models build: MODEL: no model nosuch: "),
    (["detect", "x.jpg", "--model", "triton://host"], 2, "detect: --model: detect.model = triton://host: expected triton://host:8001/MODEL"),
    (["detect", "x.jpg", "--set", "detect.model=triton://host"], 2, "detect: --set: detect.model = triton://host: expected"),
    (["detect", "x.jpg", "--config", "triton.yaml"], 78, "edgecam: triton.yaml:1: detect.model = triton://host: expected triton://host:8001/MODEL"),
    (["check", "bracket.yaml"], 78, "edgecam: bracket.yaml:1: input rtsp://[fe80::1/1: is no URL"),
    (["run", "test://street", "--web", "a..b:8080"], 2, "--web: web.listen = 'a..b:8080': expected HOST:PORT"),
    (["check", "--set", "web.hosts=[cam.example.org, 'http://cam.example.org']"], 2, "check: --set: web.hosts = http://cam.example.org: expected a "),
    (["check", "dots.yaml"], 78, "edgecam: dots.yaml:1: web.listen = 'a..b:8080': expected HOST:PORT"),
    (["check", "corners.yaml"], 78, "edgecam: corners.yaml:5: zones.areas.yard = 'bad': expected at least 3 corners"),
    (["check", "corners.yaml", "more.yaml"], 78, "edgecam: more.yaml:1: zones.areas.gate = 'bad': expected at least 3 corners"),
    (["check", "bow.yaml"], 78, "edgecam: bow.yaml:4: zones.areas.bow = '0,0 1,1 1,0 0,1': its edges 0,0-1,1 and 1,0-0,1 cross or touch; name"),
    (["run", "test://street", "null:", "--config", "bow.yaml"], 78, "edgecam: bow.yaml:4: zones.areas.bow = '0,0 1,1 1,0 0,1': its edges 0,0-1,1"),
    (["run", "test://street", "--model", "twice.json"], 78, 'twice.json: "width" stands twice; leave one of them'),
    (["check", "--set", "zones.areas={a: '0,0 1,1 0,0'}"], 2, "check: --set: zones.areas.a = '0,0 1,1 0,0': has 2 different corners; expected at least 3"),
    (["check", "persn2.yaml"], 78, "edgecam: persn2.yaml:5: roi.weights: model: auto knows no persn; did you mean person?"),
    (["run", "test://street", "--set", "roi.weights={person: 1, car: 11}"], 2, "edgecam: --set: roi.weights.car = 11: expected a number from 0 to 10"),
    (["fly"], 2, "invalid choice: 'fly'"),
    (["run", "test://street", "null:", "--mode", "exact", "--set", "detect.classes=[dog]"], 2, "run: --set: detect.classes: "),
    (["run", "test://street", "null:", "--mode", "live", "--set", "detect.classes=[dog]"], 2, "run: --set: detect.classes: "),
    (["run", "test://street", "null:", "--mode", "exact", "--config", "dog.yaml"], 78, "edgecam: dog.yaml:1: detect.classes: "),
    (["detect", "x.jpg", "--set", "detect.classes=[persn]"], 2, "detect: --set: detect.classes: "),
    (["detect", "x.jpg", "--config", "dog.yaml"], 78, "edgecam: dog.yaml:1: detect.classes: "),
    (["run", "test://street", "null:", "--encoder", "x264", "--set", "encode.options=level=99"], 2,
     "run: --set: encode.options = level=99: x264 refuses it; expected its parameters as key=value:key=value, such as subme=2:ref=2"),
    (["run", "test://street", "null:", "--encoder", "x264", "--config", "foobar.yaml"], 78, "edgecam: foobar.yaml:1: encode.options = foo=1:bar: bar has no value; "),
    (["check", "foobar.yaml"], 78, "edgecam: foobar.yaml:1: encode.options = foo=1:bar: bar has no value; expected its parameters as"),
    (["check", "--set", "encode.options=level=99"], 2, "check: --set: encode.options = level=99: x264 refuses it; expected its parameters as"),
    (["check", "--set", "encode.options=subme=2:bframes=3"], 2,
     "check: --set: encode.options = subme=2:bframes=3: bframes=3 is not for edgecam's stream: B-frames leave later"),
    (["run", "none.mp4", "null:", "--set", "encode.options=level=99"], 2, "run: --set: encode.options = level=99: x264 refuses it; "),
    (["check", "strange.yaml"], 78, "edgecam: strange.yaml:2: encode.options = subme=2:foo=bar: x264 has no parameter foo, or it can't be bar; leave foo=bar out"),
    (["check", "--set", "encode.options=foo=bar"], 2, "check: --set: encode.options = foo=bar: x264 has no parameter foo, "),
    (["check", "--set", "encode.options=foo=bar"], 2, "check: --set: encode.options = foo=bar: x264 has no parameter foo, "),      # FFmpeg tells it once
    (["check", "--set", "encode.options=no_foo=1"], 2, "encode.options = no_foo=1: x264 has no parameter no_foo, or it can't be 1; leave no_foo=1 out"),
    (["run", "test://street", "null:", "--set", "encode.options=ref=2:me=hax"], 2, "run: --set: encode.options = ref=2:me=hax: x264 has no parameter me, or it "),
    (["run", "test://street", "null:", "--config", "strange.yaml"], 78, "edgecam: strange.yaml:2: encode.options = subme=2:foo=bar: x264 has no parameter foo"),
    (["run", "walk.mp4", "null:", "--detector", "scene"], 2, "run: --detector: detect.backend = scene: knows test://street alone, and the input is walk.mp4"),
    (["run", "walk.mp4", "null:", "--config", "scene.yaml"], 2, "run: INPUT: detect.backend = scene: knows test://street alone, and the input is walk.mp4"),
    (["check", "scene.yaml", "--set", "capture.input=rtsp://cam/1"], 2, "check: --set: detect.backend = scene: knows test://street alone"),
    (["check", "qp.yaml"], 78, "edgecam: qp.yaml:1: encode.min_qp = 40: is above encode.max_qp = 10; expected the lower one first"),
    (["check", "--set", "encode.min_qp=40", "--set", "encode.max_qp=10"], 2, "check: --set: encode.min_qp = 40: is above encode.max_qp = 10"),
    (["run", "test://street", "null:", "--config", "qp.yaml", "--set", "encode.max_qp=39"], 2, "run: --set: encode.min_qp = 40: is above encode.max_qp = 39"),
    (["run", "test://street", "null:", "--set", "roi.weights={persn: 2}"], 2, "run: --set: roi.weights: model: auto knows no persn; did you mean person? its labels"),
    (["run", "test://street", "null:", "--set", "roi.weights={persn: 2}", "--detector", "scene"], 2,
     "run: --set: roi.weights: scene knows no persn; did you mean person? its labels are person, car, bus, marker"),
    (["check", "persn.yaml"], 78, "edgecam: persn.yaml:1: roi.weights: edgecam-detectnet-960x540 knows no persn; did you mean person? its labels are person, car"),
    (["run", "test://street", "null:", "--set", "detect.models=/nope"], 2, "run: --set: detect.models = /nope: there is no such folder"),
    (["detect", "x.jpg", "--set", "detect.models=/nope"], 2, "detect: --set: detect.models = /nope: there is no such folder"),
    (["check", "nope.yaml"], 78, "edgecam: nope.yaml:1: detect.models = /nope: there is no such folder"),
    (["check", "--set", "detect.models=/nope"], 2, "check: --set: detect.models = /nope: there is no such folder"),
    (["check", "walking.yaml"], 78, "edgecam: walking.yaml:1: detect.backend = scene: knows test://street alone, and the input is walk.mp4"),
]


@pytest.mark.parametrize("words, code, text", BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_bad_input_is_one_clear_line(words, code, text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / "twice.json").write_text('{"format": 1, "input": {"width": 64, "height": 64, "width": 96}}')
    (tmp_path / "zero.yaml").write_text("encode:\n  bitrate: 0\n")
    (tmp_path / "avi.yaml").write_text("outputs:\n  urls: [x.avi]\n")
    (tmp_path / "bracket.yaml").write_text("capture: {input: 'rtsp://[fe80::1/1'}\n")
    (tmp_path / "port.yaml").write_text("capture:\n  input: rtsp://host:abc/x\n")
    (tmp_path / "noinput.yaml").write_text("capture: {input: ''}\n")
    (tmp_path / "noport.yaml").write_text("capture:\n  input: udp://127.0.0.1\n")
    (tmp_path / "dots.yaml").write_text("web: {listen: 'a..b:8080'}\n")
    (tmp_path / "null.yaml").write_text("capture: {input: 'null:'}\n")
    (tmp_path / "nowhere.yaml").write_text("outputs:\n  urls: [/nowhere/%Y/x.mp4]\n")
    (tmp_path / "events.yaml").write_text("events:\n  file: /nowhere/e.jsonl\n")
    (tmp_path / "qp.yaml").write_text("encode: {min_qp: 40, max_qp: 10}\n")
    (tmp_path / "persn.yaml").write_text("roi: {weights: {persn: 2}}\ndetect: {model: edgecam-detectnet-960x540}\n")
    (tmp_path / "persn2.yaml").write_text("roi:\n  max_regions: 4\n  weights:\n    person: 1\n    persn: 2\n")
    (tmp_path / "corners.yaml").write_text("zones:\n  areas:\n\n    gate: 0,0 1,0 1,1\n    yard: bad\n")
    (tmp_path / "more.yaml").write_text("zones: {areas: {gate: bad}}\n")
    (tmp_path / "bow.yaml").write_text("zones:\n  areas:\n    gate: 0,0 1,0 1,1\n    bow: 0,0 1,1 1,0 0,1\n")
    (tmp_path / "nope.yaml").write_text("detect: {models: /nope}\n")
    (tmp_path / "dog.yaml").write_text("detect: {classes: [dog]}\n")
    (tmp_path / "foobar.yaml").write_text("encode: {options: 'foo=1:bar'}\n")
    (tmp_path / "strange.yaml").write_text("encode:\n  options: subme=2:foo=bar\n")
    (tmp_path / "scene.yaml").write_text("detect: {backend: scene}\n")
    (tmp_path / "walking.yaml").write_text("detect: {backend: scene}\ncapture: {input: walk.mp4}\n")
    (tmp_path / "bell.yaml").write_text("capture: \x07")
    (tmp_path / "shelf.mp4").mkdir()
    (tmp_path / "shelf.yaml").write_text("outputs:\n  urls: [shelf.mp4]\n")
    (tmp_path / "foo.yaml").write_text("capture: {input: 'foo://bar'}\n")
    (tmp_path / "garbled.yaml").write_text("outputs: {urls: ['rtp://10.0.0.1:5600', 'rtp://10.0.0.1:5600']}\n")
    (tmp_path / "nobody.yaml").write_text("detect: {model: nobody}\n")
    (tmp_path / "broken.json").write_text("no JSON")
    (tmp_path / "triton.yaml").write_text("detect: {model: 'triton://host'}\n")
    extra = ["run", "--web", "off", "--duration", "5"] if words[0] == "run" else words[:1]
    assert main(extra + words[1:]) == code
    complaint = capsys.readouterr().err.strip()
    assert text in complaint
    parts = complaint.splitlines()[-1].split(": ")
    assert len(parts) == len(set(parts)) and "[Errno" not in complaint, "a part of it stands twice"
    assert "Traceback" not in complaint and complaint.splitlines()[-1].startswith("edgecam: ")
