"""Requests made up from our own description: no answer may be our fault, or other than described."""
import json

import pytest

import web_rig as rig

schemathesis = pytest.importorskip("schemathesis")
import requests  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

ENDLESS = ("/events", "/live.mp4", "/stream.mjpg")
EXAMPLES = 12               # per operation: about half a minute


@pytest.fixture(scope="module")
def running():
    with rig.page() as (server, view):
        yield server, view


def operations(server):
    document = json.loads(rig.ask(server, "/api/openapi.json")[2].decode())
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.address.rstrip("/"))
    for result in schema.get_all_operations():
        yield result.ok()


def test_made_up_requests_get_described_answers(running):
    server, view = running
    checked = 0
    for operation in operations(server):
        checked += 1
        run_one(operation)
    assert checked >= 21
    assert rig.ask(server, "/readyz")[0] == 200


def run_one(operation):
    cases = st.one_of(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
                      operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)) if negatable(operation) else operation.as_strategy()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def check(case):
        answer = call(case)
        described = operation.definition.raw["responses"]
        assert answer.status_code < 500 or answer.status_code == 503, (case.as_curl_command(), answer.text)
        assert str(answer.status_code) in described or answer.status_code in (302, 304, 404, 405, 429), (case.as_curl_command(), answer.status_code)
        assert "Traceback" not in answer.text
    check()


def call(case):
    """Send *case*; streams don't end, so that only their head is asked for."""
    if not case.path.endswith(ENDLESS):
        return case.call(timeout=10, allow_redirects=False)
    words = dict(case.as_transport_kwargs(), method="HEAD", timeout=10)
    return requests.request(**words)


def negatable(operation):
    return bool(operation.query or operation.body)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.text(st.characters(blacklist_categories=("Cs",)), max_size=60), method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]),
       body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]))
def test_any_path_any_body_is_refused_politely(running, path, method, body, kind):
    from urllib.parse import quote
    path = "/" + quote(path)
    if path.endswith(ENDLESS):
        return
    status, _, answer = rig.ask(running[0], path, method, body, {"Content-Type": kind})
    assert status < 500 and b"Traceback" not in answer
