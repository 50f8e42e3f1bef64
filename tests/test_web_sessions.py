"""Sessions: what begins them, and that what ends them does."""
import json
import os
import re
import shlex
import shutil
import subprocess

import pytest
from werkzeug.security import generate_password_hash

import web_rig as rig
from edgecam.web.sessions import Sessions
from test_web_server import server_on

PASSWORD = "open sesame & +100 %"
GUIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "web.md")


@pytest.fixture
def server():
    with server_on("127.0.0.1:0", "web.password=" + generate_password_hash(PASSWORD, method="pbkdf2:sha256:1000")) as running:
        yield running


def log_in(server, headers=None):
    """Return the headers that carry a new session's cookie."""
    status, headers, _ = rig.ask(server, "/login", "POST", {"password": PASSWORD}, headers)
    assert status == 200
    return {"Cookie": headers["set-cookie"].split(";")[0]}


def test_logging_out_ends_the_session(server):
    cookie, other = log_in(server), log_in(server)
    renewed = rig.ask(server, "/api/config", headers=cookie)[1]["set-cookie"].split(";")[0]        # each answer gives the cookie a new time
    status, headers, _ = rig.ask(server, "/logout", "POST", headers=cookie)
    assert status == 200 and headers["set-cookie"].split(";")[0].endswith("=")
    for copy in (cookie, {"Cookie": renewed}):
        assert rig.ask(server, "/api/config", headers=copy)[0] == 401
        assert rig.ask(server, "/api/cameras/camera/keyframe", "POST", headers=copy)[0] == 401
        assert rig.ask(server, "/logout", "POST", headers=copy)[0] == 200
    assert rig.ask(server, "/api/config", headers=other)[0] == 200


def test_logging_in_anew_ends_the_session_before(server):
    before = log_in(server)
    after = log_in(server, before)
    assert [rig.ask(server, "/api/stats", headers=cookie)[0] for cookie in (before, after)] == [401, 200]


def test_of_too_many_sessions_the_one_unused_for_longest_ends():
    sessions = Sessions(60, most=3)
    first, second, third = (sessions.begin(0) for _ in range(3))
    assert sessions.holds(first, 0) and not sessions.holds(None, 0) and not sessions.holds("made up", 0)
    fourth = sessions.begin(0)
    assert [sessions.holds(name, 0) for name in (first, second, third, fourth)] == [True, False, True, True]
    sessions.end(third)
    sessions.end(third)
    sessions.end(None)
    assert not sessions.holds(third, 0) and sessions.holds(fourth, 0)


def test_a_session_lasts_from_its_last_use_and_looking_is_none():
    sessions = Sessions(60)
    name = sessions.begin(100)
    assert sessions.lasts(name, 160) and not sessions.lasts(name, 160.5) and not sessions.lasts(None, 100)
    assert sessions.holds(name, 150) and sessions.lasts(name, 210) and not sessions.holds(name, 211)
    assert not sessions.lasts(name, 150), "what is over stays over"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_guide_tells_how_to_log_in_by_curl(server, tmp_path):
    with open(GUIDE, encoding="utf-8") as stream:
        example = re.search(r"^    (curl -c .*/login)\n    (curl -b .*)$", stream.read(), re.MULTILINE)
    said = []
    for line in example.groups():
        line = line.replace("password=...", "password=" + PASSWORD).replace("http://127.0.0.1:8080/", server.address)
        said.append(subprocess.run(shlex.split(line) + ["-sS"], cwd=str(tmp_path), check=True, timeout=20, stdout=subprocess.PIPE).stdout)
    assert "cameras" in json.loads(said[1].decode())
