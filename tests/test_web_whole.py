"""Requests that never become whole: they hold nobody up, and are cut in the end."""
import contextlib
import queue
import socket
import ssl
import sys
from urllib.parse import urlsplit

import pytest
from werkzeug.security import generate_password_hash

import web_rig as rig
from edgecam.errors import BackendUnavailable
from edgecam.web import server as web_server
from edgecam.web import whole as web_whole
from edgecam.web.whole import LARGEST_BODY, LARGEST_HEAD, LONGEST, Search, check_cheroot
from test_web_server import certificate, server_on                  # noqa: F401 (a fixture)

HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = b"PATCH /api/cameras/camera/controls HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
CHUNKED = BODY.replace(b"Content-Length: 9", b"Transfer-Encoding: chunked").replace(b"\r\n\r\n{", b"\r\n\r\n5\r\n{")
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def call(server, source="127.0.0.1", timeout=10):
    parts = urlsplit(server.address)
    return socket.create_connection((parts.hostname, parts.port), timeout=timeout, source_address=(source, 0))


@contextlib.contextmanager
def crowd(server, said, wrap=lambda connection: connection):
    """Hold one connection for each of the requests *said*, of which it has sent that much and no more."""
    with contextlib.ExitStack() as all_of_them:
        for start in said:
            connection = all_of_them.enter_context(wrap(call(server)))
            connection.sendall(start)
        yield


def hear(connection, wanted):
    """Read until *wanted* was heard; return everything."""
    got = b""
    while wanted not in got:
        piece = connection.recv(65536)
        assert piece, "the server hung up after {!r}".format(got[-200:])
        got += piece
    return got


@pytest.mark.parametrize("lines", ["Content-Length: {}\r\nContent-Length: 0", "Content-Length: {}\r\n 0", "Content-Length: 0\r\nContent-Length: 0", "Host: evil"])
def test_what_a_proxy_may_read_in_another_way_is_refused(lines):
    said = "POST /logout HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines.format(len(HEALTH)) + "\r\n\r\n"
    with server_on("127.0.0.1:0") as server, call(server) as client:
        client.sendall(said.encode() + HEALTH)
        answer = hear(client, b" stands twice.")
        while True:
            piece = client.recv(65536)
            if not piece:
                break
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("start", [HEAD, BODY, CHUNKED, b"G", b"\x16\x03\x01\x02"])
def test_half_sent_requests_hold_nobody_up(start):
    password = "web.password=" + generate_password_hash("open", method="pbkdf2:sha256:1000")
    with server_on("127.0.0.1:0", password) as server, crowd(server, [start] * 120):
        assert rig.ask(server, "/healthz", timeout=5)[0] == 200
        _, headers, _ = rig.ask(server, "/login", "POST", {"password": "open"}, timeout=5)
        cookie = {"Cookie": headers["set-cookie"].split(";")[0]}
        assert rig.ask(server, "/metrics", headers=cookie, timeout=5)[0] == 200
        assert rig.ask(server, "/api/config", headers=cookie, timeout=5)[0] == 200


def test_who_takes_no_answers_holds_nobody_up():
    many = b"GET /static/main.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 300
    with server_on("127.0.0.1:0") as server, contextlib.ExitStack() as crowd:
        for _ in range(30):
            greedy = crowd.enter_context(socket.socket())
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            greedy.connect((urlsplit(server.address).hostname, urlsplit(server.address).port))
            greedy.sendall(many)
        for _ in range(30):
            assert rig.ask(server, "/healthz", timeout=5)[0] == 200
        rig.wait_for(lambda: is_cut(greedy, b"", 65536))


@pytest.mark.parametrize("start, drop", [(HEAD, b"X"), (BODY.replace(b": 9", b": 9999"), b" ")])
def test_a_byte_now_and_then_does_not_extend_the_deadline(monkeypatch, start, drop):
    monkeypatch.setattr(web_server, "STALLED", 1)
    with server_on("127.0.0.1:0") as server, call(server, timeout=0.2) as connection:
        connection.sendall(start)
        assert any(is_cut(connection, drop) for _ in range(100)), "still there after a hundred bytes"


@pytest.mark.parametrize("start", [b"", HEAD])
def test_nor_does_a_byte_of_tls_now_and_then(monkeypatch, certificate, start):     # noqa: F811
    cert, key = certificate
    monkeypatch.setattr(web_server, "STALLED", 1)
    came, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context(cafile=cert).wrap_bio(came, going, server_hostname="127.0.0.1")
    with server_on("127.0.0.1:0", "web.certificate=" + cert, "web.certificate_key=" + key) as server, call(server) as connection:
        while not shakes_hands(tls) and start:
            connection.sendall(going.read())
            came.write(connection.recv(65536))
        if start:
            connection.sendall(going.read())
            tls.write(start)                # one record: the server has nothing of it until it is whole
        connection.settimeout(0.2)
        assert any(is_cut(connection, going.read(1), 65536) for _ in range(30)), "still there after thirty bytes"


def shakes_hands(tls):
    try:
        tls.do_handshake()
        return True
    except ssl.SSLWantReadError:
        return False


def is_cut(connection, drop, size=1000):
    try:
        connection.sendall(drop)
        return connection.recv(size) == b""
    except socket.timeout:
        return False
    except OSError:
        return True


def test_a_crowd_of_one_address_drives_out_itself(monkeypatch):
    monkeypatch.setattr(web_server, "MOST_WAITING", 20)
    with server_on("127.0.0.1:0") as server, call(server, "127.0.0.2") as patient:
        patient.sendall(HEALTH[:10])
        with crowd(server, [HEAD] * 60):
            assert rig.ask(server, "/healthz", timeout=5)[0] == 200
            rig.wait_for(lambda: len(server._server.waiting) <= 20)
            patient.sendall(HEALTH[10:])
            assert b" 200 OK" in hear(patient, b'"ok"')
        rig.wait_for(lambda: len(server._server.waiting) <= 1)


def test_a_request_may_come_in_pieces_and_several_in_one():
    with server_on("127.0.0.1:0") as server, call(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n in range(0, len(HEALTH), 7):
            connection.sendall(HEALTH[n:n + 7])
        hear(connection, b'"ok"')
        connection.sendall(HEALTH * 3 + BODY)
        got = b""
        while got.count(b'"ok"') < 3:
            got += hear(connection, b'"ok"')
        connection.sendall(b'"a": 1 }')
        assert b"no control is called" in hear(connection, b"error")


def test_who_waits_for_consent_before_the_body_gets_it():
    head, body = BODY[:-1].replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), b'{"a": 1 }'
    with server_on("127.0.0.1:0") as server, call(server) as connection:
        for _ in range(2):
            connection.sendall(head)
            assert hear(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            answer = hear(connection, b"no control")
            assert answer.startswith(b"HTTP/1.1 422") and b"100 Continue" not in answer
        connection.sendall(HEALTH + head)               # both come at once, and nothing else until it is heard
        assert hear(connection, b"100 Continue\r\n\r\n").count(b"HTTP/1.1 ") == 2
        connection.sendall(body)
        assert hear(connection, b"no control").startswith(b"HTTP/1.1 422")


def test_half_sent_requests_through_tls_hold_nobody_up(certificate):               # noqa: F811
    cert, key = certificate
    context = ssl.create_default_context(cafile=cert)
    words = "web.certificate=" + cert, "web.certificate_key=" + key

    def wrap(connection):
        return context.wrap_socket(connection, server_hostname="127.0.0.1")

    with server_on("127.0.0.1:0", *words) as server, crowd(server, [HEAD, BODY] * 15, wrap), crowd(server, [b"\x16\x03\x01\x02"] * 30):
        with wrap(call(server, timeout=5)) as connection:
            for piece in (HEALTH[:9], HEALTH[9:], HEALTH * 2):
                connection.sendall(piece)
            got = b""
            while got.count(b'"ok"') < 3:
                got += hear(connection, b'"ok"')


class Records:
    """In the place of a TLS socket: it gives what is in one record at a time, and a selector sees only the records that nobody has begun."""

    def __init__(self, records):
        self.left, self.begun = list(records), b""

    def recv(self, most):
        if not self.begun and not self.left:
            raise ssl.SSLWantReadError
        record = self.begun or self.left.pop(0)
        self.begun = record[most:]
        return record[:most]


def test_of_a_record_that_was_begun_nothing_stays_behind_unseen():
    for size in (16384, 16000, 1000):
        records = Records([b"G" * size] * (2 * LONGEST // size))
        reader = web_whole.Reader(records)
        assert reader.gather() and records.left and not records.begun


@pytest.mark.parametrize("request_bytes, status", [
    (CHUNKED, 411), (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 411), (CHUNKED.replace(b"chunked", b"gzip"), 501),
    (HEAD + b"Content-Length: -5\r\n\r\n", 400), (HEAD + b"Content-Length: +5\r\n\r\n", 400), (HEAD + b"Content-Length: 1_0\r\n\r\n", 400),
    (HEAD + b"Content-Length: five\r\n\r\n", 400), (HEAD + b"Content-Length:\r\n\r\n", 400), (HEAD + b"Content-Length: 50000000\r\n\r\n", 413),
    (HEAD + b"X: " + b"a" * 33000, 413), (b"GET /" + b"a" * 33100, 414), (b"GET\r\n\r\n", 400), (HEAD.replace(b" /", b" x") + b"\r\n", 400),
    (HEAD + b"no colon\r\n\r\n", 400), (HEAD.replace(b"Host", b" Host") + b"\r\n", 400), (b"GET / HTTP/1.1\n", 400),
    (HEAD.replace(b"1.1", b"9.9", 1) + b"\r\n", 505),
])
def test_what_is_no_proper_request_is_refused_at_once_in_plain_text(request_bytes, status):
    with server_on("127.0.0.1:0") as server, call(server) as connection:
        connection.sendall(request_bytes)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status) and b"\r\nContent-Type: text/plain\r\n" in answer


def test_a_body_that_only_the_application_refuses_gets_json():
    with server_on("127.0.0.1:0") as server:
        status, headers, _ = rig.ask(server, "/login", "POST", b" " * 20000, {"Content-Type": "application/json"})
    assert (status, headers["content-type"]) == (413, "application/json")


def is_whole(data):
    return Search().is_whole(data)


STARTS = [
    (b"", False), (b"GET", False), (HEAD, False), (HEAD + b"\r", False), (HEAD + b"\r\n", True), (b"\r\n" + HEAD, False), (b"\r\n" + HEALTH, True),
    (BODY, False), (BODY + b'"a": 1 }', True), (BODY.replace(b"t-Length: ", b"t-length :  "), False), (BODY + b"\n\n", False),
    (BODY.replace(b"Content-Length: 9", b"Content-Length: 1\r\nContent-Length: 9"), True),
    (BODY.replace(b": 9", b": -5"), True), (BODY.replace(b": 9", b": " + b"9" * 5000), True), (BODY.replace(b": 9", b": 65537"), True), (CHUNKED, True),
    (b"GET / HTTP/1.1\n", True), (HEAD + b"no colon\r\n\r\n", True), (b"\r\n\r\n", True),
    (HEAD.replace(b"Host", b" Host") + b"\r\n", True), (HEAD + b" and on\r\n\r\n", True), (HEAD + b" and on\r\n", False),
    (b"a" * LARGEST_HEAD, False), (b"a" * (LARGEST_HEAD + 257), True), (BODY.replace(b": 9", b": 9\r\nX: " + b"a" * LARGEST_HEAD), True),
]


@pytest.mark.parametrize("data, whole", STARTS)
def test_whole_is_what_can_be_answered_without_reading_on(data, whole):
    assert is_whole(data) is whole


def test_whatever_is_not_whole_is_shorter_than_what_is_collected():
    head = HEAD + b"Content-Length: %d\r\n" % LARGEST_BODY
    longest = head + b"X: " + b"a" * (LARGEST_HEAD - len(head) - 7) + b"\r\n\r\n" + b"b" * (LARGEST_BODY - 1)
    assert not is_whole(longest) and is_whole(longest + b"b") and len(longest) < LONGEST


@pytest.mark.parametrize("data", [data for data, _ in STARTS if len(data) < 6000])
@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_what_comes_in_pieces_is_judged_as_what_is_there_at_once(data, step):
    search = Search()
    for n in range(0, len(data) + step, step):
        assert search.is_whole(bytearray(data[:n])) is is_whole(data[:n]), data[:n]


class Searched:
    """In the place of a pattern: counts the bytes that it is to search."""

    def __init__(self, pattern):
        self.pattern, self.bytes = pattern, 0

    def search(self, data, start, end):
        self.bytes += end - start
        return self.pattern.search(data, start, end)


def test_a_head_that_comes_byte_by_byte_is_searched_and_parsed_once(monkeypatch):
    searched, heads, came = Searched(web_whole.BARE_LF), [], queue.Queue()

    class Counted(web_whole.HeaderReader):
        def __call__(self, *args):
            heads.append(args)
            return super().__call__(*args)
    monkeypatch.setattr(web_server, "STALLED", 60)
    monkeypatch.setattr(web_whole, "BARE_LF", searched)
    monkeypatch.setattr(web_whole, "HeaderReader", Counted)
    judge = Search.is_whole
    monkeypatch.setattr(Search, "is_whole", lambda search, data: came.put(len(data)) or judge(search, data))
    head = BODY[:-1].replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nX: " + b"a" * 500 + b"\r\n\r\n")
    sent = head + b'{"a": 1 '
    with server_on("127.0.0.1:0") as server, call(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n in range(len(sent)):
            connection.sendall(sent[n:n + 1])
            while came.get(timeout=10) <= n:            # one by one, however busy the machine is
                pass
        assert searched.bytes == len(head) and len(heads) == 1
        connection.sendall(b"}")
        answer = hear(connection, b"no control is called")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 422 ") and len(heads) == 1


def test_a_cheroot_that_asks_for_more_is_told_at_the_start(monkeypatch):
    from cheroot import makefile

    class Newer(makefile.StreamReader):
        def rewind(self):
            """Something that no reader has today."""
    with pytest.raises(ImportError, match="it has rewind, another way to leave out headers"):
        check_cheroot(Newer, object)
    monkeypatch.setattr(makefile, "StreamReader", Newer)
    monkeypatch.delitem(sys.modules, "edgecam.web.whole")
    monkeypatch.delattr("edgecam.web.whole")
    with pytest.raises(BackendUnavailable, match="too new for edgecam: it has rewind"):
        server_on("127.0.0.1:0")
