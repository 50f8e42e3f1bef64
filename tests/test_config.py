"""Settings: every default passes its own schema, and what is wrong is refused with its place."""
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgecam.config import DEFAULT_FILE, SCHEMA, find, json_schema, load_config, number
from edgecam.errors import ConfigError, WordError


def write(tmp_path, text):
    path = tmp_path / "edgecam.yaml"
    path.write_text(text)
    return str(path)


def test_the_default_file_is_a_settings_file_itself():
    assert load_config(DEFAULT_FILE).as_dict() == load_config().as_dict()


def test_every_line_of_the_default_file_is_in_the_schema_and_explained():
    with open(DEFAULT_FILE, encoding="utf-8") as stream:
        keys = {"{}.{}".format(section, key) for section, values in yaml.safe_load(stream).items() for key in values}
    assert keys == set(SCHEMA)
    assert [s.key for s in SCHEMA.values() if not s.text] == []


def test_settings_that_name_files_say_so_where_they_are():
    assert {key for key, setting in SCHEMA.items() if setting.kind in ("path", "paths")} == {
        "capture.input", "detect.model", "detect.models", "detect.plans", "detect.calibration", "encode.device", "web.certificate",
        "web.certificate_key", "events.file", "outputs.urls", "outputs.sdp"}


def test_the_published_schema_accepts_the_defaults_and_refuses_others():
    jsonschema = pytest.importorskip("jsonschema")
    with open(DEFAULT_FILE, encoding="utf-8") as stream:
        defaults = yaml.safe_load(stream)
    jsonschema.validate(defaults, json_schema())
    for wrong in ({"capture": {"inptu": "x"}}, {"nonsense": {}}, {"capture": {"rtsp_transport": "pigeon"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, json_schema())
    json.dumps(json_schema())


def test_later_layers_win(tmp_path):
    path = write(tmp_path, "encode:\n  bitrate: 2M\n  keyframe_interval: 1\n")
    conf = load_config(path, overrides=["encode.bitrate=300k"])
    assert conf.encode.bitrate == 300000 and conf.encode.keyframe_interval == 1


@pytest.mark.parametrize("text, words", [
    ("encode:\n  bitrat: 2M\n", ["edgecam.yaml:2", "encode.bitrat", "did you mean", "encode.bitrate"]),
    ("\n\nencode:\n  bitrate: much\n", ["edgecam.yaml:4", "encode.bitrate", "'much'", "20000 to 200000000"]),
    ("capture:\n  rtsp_transport: pigeon\n", ["edgecam.yaml:2", "one of tcp, udp"]),
    ("caption: {}\n", ["edgecam.yaml:1", "unknown section caption: expected one of capture, "]),
    ("encode: {}\nencoder:\n  bitrate: 2M\n", ["edgecam.yaml:2: unknown section encoder: did you mean encode?"]),
    ("encode.bitrate: 2M\n", ["edgecam.yaml:1: unknown section encode.bitrate: in a file bitrate stands in a line of its own below encode:"]),
    ("mqtt: {}\n", ["edgecam.yaml:1: unknown section mqtt: expected one of capture, pipeline, roi, detect, "]),
    ("capture: [1]\n", ["edgecam.yaml:1", "name: value"]),
    ("capture:\n  width: true\n", ["capture.width", "an integer from 16 to 8192"]),
    ("a: [", ["edgecam.yaml", "not YAML"]),
    ("events:\n  file: 2024-13-45\n", ["edgecam.yaml:2", "events.file: the value can't be read", "month"]),
    ("encode:\n  bitrate: !foo 3\n", ["edgecam.yaml:2", "encode.bitrate: the value can't be read", "!foo"]),
    ("? [a, b]\n: 1\n", ["edgecam.yaml:1", "a name should be one word"]),
    ("encode:\n  ? {a: b}\n  : 1\n", ["edgecam.yaml:2", "a name should be one word"]),
    ("zones:\n  areas: {[a]: b}\n", ["edgecam.yaml:2", "zones.areas: the value can't be read"]),
    ("outputs:\n  urls: [\"x\\0.mp4\"]\n", ["edgecam.yaml:2", "outputs.urls", "NUL byte"]),
    ("detect:\n  threads: " + "1" * 400, ["edgecam.yaml:2", "detect.threads", "expected an integer"]),
    ("encode:\n  bitrate: 1M\n  preset: fast\n  bitrate: 2M\n", ["edgecam.yaml:4: encode.bitrate stands twice, first in line 2; leave one"]),
    ("encode: {bitrate: 1M}\nroi: {}\nencode: {preset: fast}\n", ["edgecam.yaml:3: encode stands twice, first in line 1"]),
    ("zones:\n  areas:\n    a: 0,0 1,0 1,1\n    a: 0,0 1,0 1,1\n", ["edgecam.yaml:4: zones.areas.a stands twice"]),
    ("web:\n  tokens: [{a: 1, a: 1}]\n", ["edgecam.yaml:2: web.tokens.a stands twice"]),
    ("roi:\n  weights:\n    person: 1\n    car: 11\n", ["edgecam.yaml:4: roi.weights.car = 11: expected a number from 0 to 10"]),
    ("roi:\n  weights: &w {person: 1,\n    car: [1]}\n", ["edgecam.yaml:3: roi.weights.car = [1]: expected a number from 0 to 10"]),
    ("roi:\n  weights: [1]\n", ["edgecam.yaml:2: roi.weights = [1]: expected names with numbers"]),
    ("zones:\n  areas:\n    a: 0,0 1,0 1,1\n    b: [0, 1]\n", ["edgecam.yaml:4: zones.areas.b = [0, 1]: expected text"]),
    ("roi: &r\n  again: *r\n", ["edgecam.yaml:2", "roi.again"]),
    ("a: " + "[" * 5000, ["edgecam.yaml", "not YAML"]),
])
def test_a_wrong_file_is_refused_with_its_place(tmp_path, text, words):
    with pytest.raises(ConfigError) as failure:
        load_config(write(tmp_path, text))
    assert failure.value.exit_code == 78
    for word in words:
        assert word in str(failure.value)


@pytest.mark.parametrize("key, near", [("encode.bitrat", "encode.bitrate?"), ("encode.min_pq", "encode.min_qp?"), ("roi.weight", "roi.weights?"),
                                       ("encoder.bitrate", "encode.bitrate or "), ("zones.gate", "zones.areas?")])
def test_only_what_may_have_been_meant_is_named(key, near):
    with pytest.raises(ConfigError) as failure:
        find(key)
    assert str(failure.value).partition("did you mean ")[2].startswith(near)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("word", ["encode.bitrate", "encode.bitrat=1", "=3", "encode=3", "roi.weights=3", "detect.threads=" + 400 * "1",
                                  "detect.threads=2024-13-45", "detect.threads=!foo 3", "outputs.urls=x\0.mp4"])
def test_wrong_words_are_refused(word):
    with pytest.raises(ConfigError, match="^--set: ") as failure:
        load_config(overrides=[word])
    assert failure.value.exit_code == 2


def test_a_name_that_stands_twice_in_a_word_is_told():
    with pytest.raises(WordError, match="^--set: zones.areas.a stands twice; leave one of them$"):
        load_config(overrides=["zones.areas={a: '0,0 1,1 0,1', b: '0,0 1,0 1,1', a: '0,0 1,0 0,1'}"])


def test_what_is_named_is_known_even_where_it_equals_the_default(tmp_path):
    path = write(tmp_path, "web:\n  listen: 127.0.0.1:8080\n")
    untouched, word, file = load_config().web, load_config(overrides=["web.listen=127.0.0.1:8080"]).web, load_config(path).web
    assert untouched == word == file
    assert [section.named("listen") for section in (untouched, word, file, untouched.replace(listen="127.0.0.1:8080"))] == [False, True, True, True]
    assert not word.named("viewers") and word.replace(viewers=3).named("listen")


def test_off_is_a_word_where_a_text_is_meant(tmp_path):
    conf = load_config(write(tmp_path, "web:\n  listen: off\npipeline:\n  realtime: on\n"))
    assert conf.web.listen == "off" and conf.pipeline.realtime == "on"


def test_words_are_taken_as_they_are_typed():
    conf = load_config(overrides=["outputs.urls=null:", "events.file=-"])
    assert conf.outputs.urls == ("null:",) and conf.events.file == "-"
    assert load_config(overrides=["outputs.urls=[a.mp4, b.h264]"]).outputs.urls == ("a.mp4", "b.h264")
    assert load_config(overrides=["events.file=null"]).events.file is None
    assert load_config(overrides=["events.file=2024-13-45"]).events.file == "2024-13-45"        # no date, but a name


@pytest.mark.parametrize("text", ["${HOME", "${}", "rtsp://me:${PASS WORD}@cam/1", "${HOME}/${"])
def test_braces_without_the_name_of_a_variable_are_told(text):
    with pytest.raises(ConfigError, match=r"'\$\{.*expected a variable of the environment in braces"):
        load_config(overrides=["capture.input=" + text])


def test_secrets_come_from_the_environment_and_stay_hidden(monkeypatch):
    monkeypatch.setenv("CAM_PASSWORD", "hush")
    conf = load_config(overrides=["capture.input=rtsp://me:${CAM_PASSWORD}@cam/1"])
    assert conf.capture.input == "rtsp://me:hush@cam/1"
    assert conf.redacted()["capture"]["input"] == "rtsp://***@cam/1"
    with pytest.raises(ConfigError, match="NOT_THERE"):
        load_config(overrides=["capture.input=${NOT_THERE}"])


def test_sections_are_immutable():
    section = load_config().encode
    with pytest.raises(AttributeError):
        section.bitrate = 3
    assert section.replace(bitrate="3M").bitrate == 3000000 and section.bitrate == 1000000


@given(st.integers(1, 999), st.sampled_from(["", "k", "M"]))
def test_numbers_with_units(value, unit):
    assert number("{}{}".format(value, unit)) == value * {"": 1, "k": 1000, "M": 1000000}[unit]


@given(st.text(max_size=12))
def test_any_text_is_a_value_or_a_config_error(text):
    for key in ("encode.bitrate", "capture.width", "pipeline.mode"):
        try:
            load_config(overrides=["{}={}".format(key, text)])
        except ConfigError:
            pass


@pytest.mark.parametrize("text, said", [
    ("outputs: {urls: [x.avi]}", "output x.avi: is none of"),
    ("web: {listen: '8080'}", "web.listen"),
    ("web: {password: abc}", "should be a hash"),
    ("web: {tokens: [x]}", "web.tokens"),
    ("web: {certificate: a.pem}", "belong together"),
    ("detect: {model: nope}", "nope"),
    ("detect: {model: edgecam-detectnet-960x540, classes: [perzon]}", "knows no perzon"),
    ("capture: {input: 'test://street?fps=x'}", "fps=x: expected a number"),
    ("capture: {input: 'test://street?fsp=3'}", "unknown option fsp"),
    ("detect: {model: 'triton://bad'}", "detect.model = triton://bad: expected triton://host:8001/MODEL"),
    ("detect: {model: 'triton://host/nope'}", "nope"),
    ("detect: {model: 'triton://host/nope', backend: onnx}", "is not for detect.backend = onnx"),
    ("detect: {model: 'triton://host/edgecam-detectnet-960x540', classes: [perzon]}", "knows no perzon"),
    ("web: {certificate: /nonexist.pem, certificate_key: /nonexist.pem}", "web.certificate /nonexist.pem with key /nonexist.pem: No such file"),
    ("web: {password: 'pbkdf2:sha256:abc$salt$hex'}", "should be a hash"),
    ("web: {viewer_password: 'pbkdf2:sha256:0$salt$ab'}", "web.viewer_password should be a hash"),
    ("zones: {areas: {gate: '0.1,0.1 0.2,0.2'}}", "zones.areas.gate"),
    ("capture: {input: walk.mp4}\noutputs: {urls: [./walk.mp4]}", "same file as capture.input"),
])
def test_check_refuses_what_a_run_would(tmp_path, capsys, text, said):
    from edgecam.cli import main
    pytest.importorskip("flask")
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["check", str(tmp_path / "mine.yaml")]) == 78
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words, bitrate", [(["a"], 1), (["a", "b"], 2), (["--config", "a"], 1), (["--config", "b", "--config", "a"], 1), (["--config", "a", "b"], 2),
                                            (["b", "--config", "a"], 1), (["--config", "a", "b", "c"], 3), (["b", "c", "--config", "a"], 1),
                                            (["--config", "a", "--set", "encode.bitrate=4M", "b"], 4), (["a", "--config", "b", "c"], 3),
                                            (["a", "--config", "b", "c", "--config", "a", "b"], 2), (["c", "--config", "b", "c", "--config=a"], 1),
                                            (["a", "--set", "pipeline.duration=1", "a", "-v", "b"], 2), (["a", "a", "--config", "a", "a"], 1),
                                            (["a", "-v", "--", "b", "-c"], 3), (["a", "--config", "b", "--", "-c", "a"], 1), (["a", "-v", "--"], 1)])
def test_check_takes_files_with_and_without_config_and_the_last_one_wins(tmp_path, capsys, monkeypatch, words, bitrate):
    from edgecam.cli import main
    monkeypatch.chdir(str(tmp_path))
    for number, name in [(1, "a"), (2, "b"), (3, "c"), (3, "-c")]:
        (tmp_path / name).write_text("encode: {{bitrate: {}M}}\n".format(number))
    assert main(["check", "--json"] + words) == 0
    assert json.loads(capsys.readouterr().out)["encode"]["bitrate"] == bitrate * 1000000
    assert main(["check"] + words) == 0
    assert capsys.readouterr().out == ", ".join(word[word.find("=") + 1:] for word in words if word[-1] in "abc") + ": fine\n"


@pytest.mark.parametrize("words, said", [
    (["a", "--config", "b", "--nope", "c"], "check: unknown: --nope (try: edgecam check --help)"),
    (["a", "--json", "b", "--schema"], "check: argument --schema: not allowed with argument --json"),
    (["a", "--json", "b", "--config"], "check: argument --config: expected one argument"),
    (["a", "b", "--defaults"], "check: --defaults prints what comes with edgecam and reads no settings; without it, check judges a and b"),
    (["--events-schema", "--set", "web.listen=off"], "check: --events-schema prints what comes with edgecam and reads no settings; without it, "
                                                     "check judges --set web.listen=off")])
def test_wrong_options_among_files_are_told_in_one_line(tmp_path, capsys, monkeypatch, words, said):
    from edgecam.cli import main
    monkeypatch.chdir(str(tmp_path))
    for name in "abc":
        (tmp_path / name).write_text("{}")
    assert main(["check"] + words) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("edgecam: " + said) and complaint.count("\n") == 1


@pytest.mark.parametrize("text", ["detect: {model: 'triton://bad', backend: none}", "web: {listen: off, certificate: a.pem}", "detect: {backend: jetson-inference}",
                                  "detect: {model: 'triton://host/edgecam-detectnet-960x540', classes: [person]}", "capture: {input: 'test://street?fps=5'}",
                                  "encode: {min_qp: 10, max_qp: 10}", "encode: {min_qp: 40}", "roi: {weights: {person: 2, car: 0}}",
                                  "roi: {weights: {pigeon: 2}}\ndetect: {backend: none}", "detect: {backend: scene, classes: [truck]}"])
def test_check_lets_pass_what_a_run_does_not_look_at(tmp_path, text):
    from edgecam.cli import main
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["check", str(tmp_path / "mine.yaml")]) == 0


@pytest.mark.parametrize("text, line, said", [
    ("capture:\n  rate: 25\n  input: foo://bar\n", 3, "input foo://bar: unknown scheme"),
    ("outputs:\n  urls:\n  - 'null:'\n  sdp: /nowhere/x.sdp\n", 4, "outputs.sdp = /nowhere/x.sdp: there is no such folder"),
    ("outputs:\n  urls:\n  - x.mp4\n  - x.avi\n", 2, "output x.avi: is none of"),
    ("web:\n  password: null\n  listen: 127.0.0.1:8080\n  tokens: [x]\n", 4, "web.tokens: expected"),
    ("detect:\n  threads: 1\n  model: nope\n", 3, "no model nope: "),
    ("zones:\n\n  areas: {gate: '0.1,0.1'}\n", 3, "zones.areas.gate"),
    ("encode: {min_qp: 1}\nevents:\n  file: .\n", 3, "events.file = .: is a folder"),
])
def test_what_only_the_rooms_can_judge_is_told_with_its_place(tmp_path, capsys, text, line, said):
    from edgecam.cli import main
    pytest.importorskip("flask")
    first = tmp_path / "first.yaml"
    first.write_text("".join("{}: {{}}\n".format(name) for name in ("capture", "outputs")))
    path = write(tmp_path, text)
    assert main(["check", str(first), path]) == 78
    assert capsys.readouterr().err.startswith("edgecam: {}:{}: {}".format(path, line, said))


def test_a_place_is_that_of_the_value_in_force(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("detect:\n  threads: 1\n  nice: 3\n")
    second.write_text("detect: {threads: 2}\n")
    conf = load_config(str(first), str(second), overrides=["detect.gpu=1"])
    assert conf.place("detect.threads") == "{}:1".format(second) and conf.place("detect.nice") == "{}:3".format(first)
    assert [conf.place(key) for key in ("detect.gpu", "detect.model", "EDGECAM_MODELS")] == ["", "", ""]
    assert conf.detect.replace(nice=4).place("nice") == "" and conf.detect.replace(gpu=2).place("nice") == "{}:3".format(first)
