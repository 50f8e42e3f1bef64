"""The JSON routes and what they say about themselves."""
import json
import re

import pytest

import web_rig as rig
from edgecam.web.metrics import exposition


@pytest.fixture(scope="module")
def running():
    with rig.page() as (server, view):
        yield server, view


def get(server, path):
    status, headers, body = rig.ask(server, path)
    assert status == 200 and headers["content-type"].startswith("application/json"), (path, status)
    return json.loads(body.decode())


def test_a_camera_is_described(running):
    server, _ = running
    camera, = get(server, "/api/cameras")["cameras"]
    assert camera["name"] == "camera" and camera["video"]["width"] == 640 and camera["stream"]["codec"] == "h264"
    for path in camera["urls"].values():
        assert path.startswith("/api/cameras/camera/")


def test_stats_have_every_part(running):
    server, _ = running
    stats = get(server, "/api/stats")
    assert set(stats) == {"clock", "cameras", "board", "web"} and stats["clock"] > 0
    if rig.have_encoder():
        camera = stats["cameras"]["camera"]
        assert camera["frames"]["encoded"] > 0 and camera["stages_ms"]["encode"]["p50"] > 0 and camera["mode"] == "live"


def test_schema_and_version(running):
    server, _ = running
    schema = get(server, "/api/config/schema.json")
    assert "viewers" in schema["properties"]["web"]["properties"]
    assert set(get(server, "/api/version")) == {"edgecam", "python", "machine"}


def test_metrics_are_what_prometheus_reads(running):
    parser = pytest.importorskip("prometheus_client.parser")
    server, _ = running
    status, headers, body = rig.ask(server, "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in parser.text_string_to_metric_families(body.decode())}
    assert all(name.startswith("edgecam_") for name in families) and families["edgecam_viewers"].samples[0].value == 0
    if rig.have_encoder():
        samples = {(s.name, s.labels.get("stage"), s.labels.get("quantile")): s.value for s in families["edgecam_stage_seconds"].samples}
        assert 0 < samples["edgecam_stage_seconds", "encode", "0.5"] < 1 and samples["edgecam_stage_seconds_count", "encode", None] > 0


def test_metrics_of_outputs_with_one_url_are_different_series():
    outputs = [{"url": "null:", "packets": 3}, {"url": "null:", "packets": 4}]
    text = exposition({"web": {"viewers": 0, "refused": 0}, "board": {"temperatures": {}, "power": {}}, "cameras": {"x": {"outputs": outputs}}})
    series = [line.rpartition(" ")[0] for line in text.splitlines() if line.startswith("edgecam_output_packets_total{")]
    assert len(series) == len(set(series)) == 2 and all('url="null:"' in one for one in series)


def test_what_came_damaged_is_in_stats_and_metrics(running):
    server, _ = running
    if rig.have_encoder():
        assert get(server, "/api/stats")["cameras"]["camera"]["broken"] == 0
        assert 'edgecam_broken_frames_total{camera="camera"} 0.0' in rig.ask(server, "/metrics")[2].decode()


def test_metrics_escape_what_users_named():
    stats = {"web": {"viewers": 0, "refused": 0}, "board": {"temperatures": {'a"b\\c\nd': 1}, "power": {}}, "cameras": {"x": {}}}
    assert 'zone="a\\"b\\\\c\\nd"' in exposition(stats)


@pytest.mark.skipif(not rig.have_encoder(), reason="controls belong to the pipeline, which needs an encoder")
def test_controls_change_what_runs(running):
    server, view = running
    before = get(server, "/api/cameras/camera/controls")
    assert before["bitrate"]["min"] < before["bitrate"]["value"] < before["bitrate"]["max"]
    status, _, body = rig.ask(server, "/api/cameras/camera/controls", "PATCH", {"bitrate": 600000, "roi": False})
    after = json.loads(body.decode())
    assert status == 200 and after["bitrate"]["value"] == 600000 and after["roi"]["value"] is False
    rig.wait_for(lambda: view._pipeline.encoder.format.bitrate == 600000)
    config, camera = get(server, "/api/config")["camera"], get(server, "/api/cameras")["cameras"][0]
    assert config["encode"]["bitrate"] == camera["stream"]["bitrate"] == 600000 and config["roi"]["enabled"] is False
    rig.ask(server, "/api/cameras/camera/controls", "PATCH", {"bitrate": 1000000, "roi": True})


@pytest.mark.skipif(not rig.have_encoder(), reason="controls belong to the pipeline, which needs an encoder")
@pytest.mark.parametrize("change, word", [({"nope": 1}, "nope"), ({"bitrate": 1}, "bitrate"), ({"bitrate": "1M"}, "bitrate"), ({"roi": 1}, "roi"),
                                          ({"bitrate": 10 ** 400}, "bitrate"), ({"bitrate": None}, "bitrate"), ({"roi_qp": [1]}, "roi_qp"),
                                          ({"bitrate": 500000, "roi_qp": 99}, "roi_qp"), ({"roi": False, "threshold": 5}, "threshold"),
                                          ({"roi": False, "bitrate": 500000, "nope": 1}, "nope")])
def test_a_wrong_value_is_named_and_nothing_changes(running, change, word):
    server, _ = running
    before = get(server, "/api/cameras/camera/controls"), get(server, "/api/config")
    status, _, body = rig.ask(server, "/api/cameras/camera/controls", "PATCH", change)
    assert status == 422 and word in json.loads(body.decode())["error"]
    assert (get(server, "/api/cameras/camera/controls"), get(server, "/api/config")) == before


@pytest.mark.parametrize("body", ['{"bitrate": 500000, "roi": false, "bitrate": 600000}', '{"roi": {"bitrate": 1, "bitrate": 2}}'])
def test_a_name_that_stands_twice_is_told_and_nothing_changes(running, body):
    server, _ = running
    before = get(server, "/api/cameras/camera/controls")
    status, _, answer = rig.ask(server, "/api/cameras/camera/controls", "PATCH", body, {"Content-Type": "application/json"})
    assert (status, json.loads(answer.decode())) == (400, {"error": 'the body: "bitrate" stands twice; leave one of them'})
    assert get(server, "/api/cameras/camera/controls") == before


def test_a_keyframe_can_be_asked_for_once_a_second(running):
    server, _ = running
    asked = [json.loads(rig.ask(server, "/api/cameras/camera/keyframe", "POST")[2].decode())["requested"] for _ in range(3)]
    assert asked.count(True) <= 1 and asked[1:] == [False, False]


@pytest.mark.parametrize("method, path, code", [("POST", "/api/stats", 405), ("DELETE", "/api/cameras/camera/controls", 405), ("GET", "/nope", 404),
                                                ("PATCH", "/api/cameras/camera/controls", 415), ("GET", "/api/cameras/x/controls", 404)])
def test_refusals_are_json(running, method, path, code):
    status, _, body = rig.ask(running[0], path, method)
    assert status == code and json.loads(body.decode())["error"]


def test_the_document_describes_exactly_what_there_is(running):
    """Every rule of the application stands in the document, and everything in it is answered."""
    server, view = running
    document = get(server, "/api/openapi.json")
    from edgecam.web import create_app
    app = create_app({"camera": view}, rig.settings().web)
    rules = {(re.sub("<(.*?)>", r"{\1}", rule.rule), method.lower()) for rule in app.url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}}
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert described == rules
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names)) and all(operation["summary"] for item in document["paths"].values() for operation in item.values())


def test_the_document_names_the_cookie_that_is_set(running):
    server, _ = running
    from edgecam.web import create_app
    from werkzeug.security import generate_password_hash
    said = get(server, "/api/openapi.json")["components"]["securitySchemes"]["session"]["name"]
    assert said.startswith("edgecam-")          # then the port, so that two servers of one host keep theirs apart
    settings = rig.settings("web.password=" + generate_password_hash("open sesame", method="pbkdf2:sha256:1000")).web
    client = create_app({}, settings, cookie="edgecam-1234").test_client()
    answer = client.post("/login", json={"password": "open sesame"})
    assert answer.headers["Set-Cookie"].startswith("edgecam-1234=")
    assert client.get("/api/openapi.json").get_json()["components"]["securitySchemes"]["session"]["name"] == "edgecam-1234"


def test_the_page_needs_nothing_from_elsewhere(running):
    server, _ = running
    _, _, page = rig.ask(server, "/")
    files = set(re.findall(r'(?:src|href)="(static/[^"]+)"', page.decode()))
    seen = set()
    while files - seen:
        name = sorted(files - seen)[0]
        seen.add(name)
        status, headers, body = rig.ask(server, "/" + name)
        assert status == 200, name
        if name.endswith(".js"):
            assert headers["content-type"].startswith("text/javascript")
            files |= {"static/" + other for other in re.findall(r'from "\./([^"]+)"', body.decode())}
        assert not re.search(rb"https?://(?!www\.w3\.org)", body), name
        again = rig.ask(server, "/" + name, headers={"If-None-Match": headers["etag"]})
        assert again[0] == 304
    assert len(seen) >= 10
