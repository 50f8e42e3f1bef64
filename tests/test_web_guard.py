"""Who may ask what: over real HTTP, against a camera that runs."""
import json
import re
import socket
from collections import Counter
from urllib.parse import urlsplit

import pytest
from werkzeug.security import generate_password_hash

import web_rig as rig
from edgecam.errors import ConfigError
from edgecam.web.guard import check_hosts
from edgecam.web.passwords import make_token

OPERATOR, VIEWER = "the operator's", "a viewer's"
FEW_ROUNDS = "pbkdf2:sha256:1000"       # the real number is for guessers, and costs the tests a minute
TOKENS = {role: make_token(role) for role in ("viewer", "operator")}


@pytest.fixture(scope="module")
def open_page():
    """A server without passwords, as on 127.0.0.1."""
    with rig.page() as (server, _):
        yield server


@pytest.fixture(scope="module")
def locked_page():
    """A server with both passwords and a token for each role."""
    words = ["web.password=" + generate_password_hash(OPERATOR, method=FEW_ROUNDS), "web.viewer_password=" + generate_password_hash(VIEWER, method=FEW_ROUNDS),
             "web.tokens=" + json.dumps([line for _, line in TOKENS.values()]), "web.hosts=[cam.example.org]"]
    with rig.page(*words) as (server, _):
        yield server


def log_in(server, password):
    status, headers, body = rig.ask(server, "/login", "POST", {"password": password})
    return status, {"Cookie": headers.get("set-cookie", "").split(";")[0]}, headers, body


def bearer(role):
    return {"Authorization": "Bearer " + TOKENS[role][0]}


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:80", "127.0.0.1.evil.com", "", "a@127.0.0.1", "127.0.0.1/x", "[::1", "localhost:x"])
def test_a_strange_name_is_refused(open_page, host):
    status, _, body = rig.ask(open_page, "/api/stats", headers={"Host": host})
    assert status == 400 and b"clock" not in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "LOCALHOST", "192.168.1.7:8080", "[::1]:8080", "[fe80::1]"])
def test_addresses_and_own_names_are_answered(open_page, host):
    assert rig.ask(open_page, "/api/version", headers={"Host": host})[0] == 200


def test_a_name_from_the_settings_is_answered(locked_page):
    assert rig.ask(locked_page, "/healthz", headers={"Host": "Cam.example.org:443"})[0] == 200
    assert rig.ask(locked_page, "/healthz", headers={"Host": "example.org"})[0] == 400


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example.com"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
                                     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://[bad"}])
def test_changes_from_other_pages_are_refused(open_page, headers):
    assert rig.ask(open_page, "/api/cameras/camera/keyframe", "POST", headers=headers)[0] == 403
    assert rig.ask(open_page, "/api/cameras/camera/controls", "PATCH", {"bitrate": 500000}, headers=headers)[0] == 403
    assert rig.ask(open_page, "/login", "POST", {"password": "x"}, headers=headers)[0] == 403


def test_changes_from_our_own_page_and_from_tools_are_taken(open_page):
    own = {"Origin": open_page.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert rig.ask(open_page, "/api/cameras/camera/keyframe", "POST", headers=own)[0] == 200
    assert rig.ask(open_page, "/api/cameras/camera/keyframe", "POST")[0] == 200


def test_every_answer_is_locked_down(open_page):
    for path in ("/", "/api/stats", "/nothing", "/static/main.js", "/api/cameras/camera/snapshot.jpg"):
        _, headers, _ = rig.ask(open_page, path)
        assert "script-src 'self'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert "cheroot" not in headers.get("server", "").lower() and "python" not in headers.get("server", "").lower()


GUARDED = ["/api/version", "/api/stats", "/api/config", "/api/config/schema.json", "/api/cameras", "/metrics", "/api/metrics",
           "/api/openapi.json", "/api/cameras/camera/controls", "/api/cameras/camera/events", "/api/cameras/camera/live.mp4",
           "/api/cameras/camera/stream.mjpg", "/api/cameras/camera/snapshot.jpg"]


@pytest.mark.parametrize("path", GUARDED)
def test_strangers_see_nothing(locked_page, path):
    status, headers, body = rig.ask(locked_page, path)
    assert status == 401 and headers["www-authenticate"].startswith("Bearer") and json.loads(body.decode()) == {"error": "log in, or send a token"}


def test_strangers_may_ask_for_health_and_the_way_in(locked_page):
    assert rig.ask(locked_page, "/healthz")[0] == 200
    assert rig.ask(locked_page, "/readyz")[0] == 200
    status, headers, _ = rig.ask(locked_page, "/")
    assert status == 302 and headers["location"].endswith("login")
    assert b"password" in rig.ask(locked_page, "/login")[2]


def test_an_operator_may_change_and_a_viewer_may_not(locked_page):
    for password, code in ((OPERATOR, 200), (VIEWER, 403)):
        status, cookie, headers, _ = log_in(locked_page, password)
        assert status == 200 and "HttpOnly" in headers["set-cookie"] and "SameSite=Lax" in headers["set-cookie"]
        assert rig.ask(locked_page, "/api/stats", headers=cookie)[0] == 200
        assert rig.ask(locked_page, "/api/cameras/camera/keyframe", "POST", headers=cookie)[0] == code
        assert rig.ask(locked_page, "/api/config", headers=cookie)[0] == code


@pytest.mark.parametrize("password", ["\ud800abcdefgh", "", "x" * 257, 3, None, ["a"]])
def test_what_can_be_no_password_is_a_bad_request(locked_page, password):
    status, _, _, body = log_in(locked_page, password)
    assert status == 400 and "password" in json.loads(body.decode())["error"]


def test_tokens_work_without_a_cookie(locked_page):
    assert rig.ask(locked_page, "/metrics", headers=bearer("viewer"))[0] == 200
    assert rig.ask(locked_page, "/api/cameras/camera/keyframe", "POST", headers=bearer("viewer"))[0] == 403
    assert rig.ask(locked_page, "/api/cameras/camera/keyframe", "POST", headers=bearer("operator"))[0] == 200
    for wrong in ("Bearer x", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Bearer \xff"):
        assert rig.ask(locked_page, "/api/stats", headers={"Authorization": wrong.encode("latin-1")})[0] == 401


def test_forged_and_foreign_cookies_open_nothing(locked_page):
    _, cookie, _, _ = log_in(locked_page, VIEWER)
    name, _, value = cookie["Cookie"].partition("=")
    from flask import Flask
    from flask.sessions import SecureCookieSessionInterface
    other = Flask("other")
    other.secret_key = "guessed"
    forged = SecureCookieSessionInterface().get_signing_serializer(other).dumps({"role": 2})
    for text in (forged, value[:-3] + "AAA", "eyJyb2xlIjoyfQ." + value.split(".", 1)[1], "x" * 4000, ""):
        assert rig.ask(locked_page, "/api/stats", headers={"Cookie": "{}={}".format(name, text)})[0] == 401


def test_secrets_are_never_shown(locked_page):
    _, _, body = rig.ask(locked_page, "/api/config", headers=bearer("operator"))
    assert b"pbkdf2" not in body and b"sha256:" not in body and b'"password":"***"' in body.replace(b" ", b"")


def guess(server, count, batch=100):
    """Try *count* wrong passwords over one connection, *batch* requests at a time; return how often each status came."""
    parts, codes, got, tail = urlsplit(server.address), Counter(), 0, b""
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        for first in range(0, count, batch):
            connection.sendall(b"".join(wrong_password(n) for n in range(first, first + batch)))
            while got < first + batch:
                data = connection.recv(65536)
                assert data, "the server hung up after {} guesses".format(got)
                tail += data
                found = STATUS.findall(tail)
                codes.update(found)
                got += len(found)
                tail = tail[-12:] if not found else tail[tail.rindex(b"HTTP/1.1") + 12:][-12:]
    return codes


STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d)")


def wrong_password(n):
    body = json.dumps({"password": "guess {}".format(n)}).encode()
    return b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize("count", [1000, pytest.param(10000, marks=pytest.mark.soak)])
def test_guesses_get_nowhere_and_the_camera_goes_on(locked_page, count):
    codes = guess(locked_page, count)
    assert sum(codes.values()) == count
    assert set(codes) <= {b"401", b"429"} and codes[b"401"] <= 20
    assert rig.ask(locked_page, "/readyz")[0] == 200


@pytest.mark.parametrize("host", ["http://cam.example.org", "cam.example.org:8080", "cam.example.org/", "", "a@b"])
def test_a_name_that_no_request_can_ask_by_is_refused(host):
    with pytest.raises(ConfigError, match="^web.hosts = {}: expected a name alone, as cam.example.org, without http:// and port$".format(host)):
        check_hosts(("Cam.Example.org", "fritz.box", "k\u00fcche.local", "::1", "[::1]", "10.0.0.1", host))
