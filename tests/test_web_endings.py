"""Streams end with the session that opened them, whether or not anything flows in them."""
import pytest
from werkzeug.security import generate_password_hash

import web_rig as rig
from edgecam import clock
from edgecam.web.passwords import make_token
from test_web_server import server_on
from test_web_streams import EVENTS, LIVE, MJPEG

STREAMS = [LIVE, EVENTS, MJPEG]
LOCKED = "web.password=" + generate_password_hash("open", method="pbkdf2:sha256:1000")
PIECES, QUIET = 300, 5          # more than any stream has left when it should end; and one in which nothing flows


@pytest.fixture
def flowing():
    with rig.page(LOCKED) as (server, _):
        yield server


@pytest.fixture
def quiet():
    """A server whose camera never gives a frame; its sessions last for a minute."""
    with server_on("127.0.0.1:0", LOCKED, "web.session=60") as server:
        yield server


@pytest.fixture
def later(monkeypatch):
    """Sets the program's clock forward by so many seconds."""
    real, ahead = clock.now, []
    monkeypatch.setattr(clock, "now", lambda: real() + sum(ahead))
    return ahead.append


def log_in(server):
    """Return the headers that carry a new session's cookie."""
    status, headers, _ = rig.ask(server, "/login", "POST", {"password": "open"})
    assert status == 200
    return {"Cookie": headers["set-cookie"].split(";")[0]}


def log_out(server, cookie):
    assert rig.ask(server, "/logout", "POST", headers=cookie)[0] == 200


def goes_on(answer, pieces=3):
    return answer.status == 200 and all(answer.read1(65536) for _ in range(pieces))


def ends(answer, pieces=PIECES):
    """Tell whether a stream comes to its proper end within so many pieces; one that is silent, or cut, raises an error."""
    return any(not answer.read1(65536) for _ in range(pieces))


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_ends_when_its_session_is_logged_out_and_others_go_on(flowing, path):
    cookie, other = log_in(flowing), log_in(flowing)
    with rig.stream(flowing, path, cookie) as answer, rig.stream(flowing, path, other) as others:
        assert goes_on(answer)
        log_out(flowing, cookie)
        assert ends(answer) and goes_on(others, 30)
        log_out(flowing, other)
        assert ends(others)


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_in_which_nothing_flows_ends_too_and_makes_room(quiet, path):
    cookie = log_in(quiet)
    with rig.stream(quiet, path, cookie) as answer:
        assert goes_on(answer, 1)
        log_out(quiet, cookie)
        assert ends(answer, QUIET)
        rig.wait_for(lambda: len(quiet._viewers) == 0)


def test_logging_in_anew_ends_the_streams_of_the_session_before(quiet):
    cookie = log_in(quiet)
    with rig.stream(quiet, EVENTS, cookie) as answer:
        assert goes_on(answer, 1) and rig.ask(quiet, "/login", "POST", {"password": "open"}, cookie)[0] == 200
        assert ends(answer, QUIET)


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_ends_when_its_session_is_unused_for_too_long(quiet, later, path):
    cookie = log_in(quiet)
    with rig.stream(quiet, path, cookie) as answer:
        assert goes_on(answer, 1)
        later(40)
        assert rig.ask(quiet, "/api/version", headers=cookie)[0] == 200
        later(40)
        if path != MJPEG:                   # which says nothing where there is no picture
            assert goes_on(answer, 2), "it was used meanwhile"
        later(40)
        assert ends(answer, QUIET)
    assert rig.ask(quiet, "/api/version", headers=cookie)[0] == 401


@pytest.mark.parametrize("path", STREAMS)
def test_a_token_lets_in_for_good_whatever_cookie_comes_with_it(path):
    token, line = make_token("viewer")
    with rig.page(LOCKED, "web.tokens=['{}']".format(line)) as (server, _):
        cookie = log_in(server)
        with rig.stream(server, path, dict(cookie, Authorization="Bearer " + token)) as answer:
            assert goes_on(answer)
            log_out(server, cookie)
            assert goes_on(answer, 60)


@pytest.mark.parametrize("path", STREAMS)
def test_where_nobody_logs_in_logging_out_ends_nothing(path):
    with rig.page() as (server, _), rig.stream(server, path) as answer:
        assert goes_on(answer)
        log_out(server, {})
        assert goes_on(answer, 60)
