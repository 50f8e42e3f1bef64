"""The server as a whole: its address, its end, TLS, and requests without manners."""
import os
import socket
import ssl
import subprocess
import threading
import urllib.request

import pytest

import web_rig as rig
from edgecam.errors import ConfigError, OutputError
from edgecam.view import View
from edgecam.web import NoServer, open_web
from edgecam.web.listen import own_address, parse_listen
from edgecam.web.server import send
from edgecam.web.tls import check_pair
from edgecam.web.viewers import Viewers


def server_on(listen, *words):
    """A server with one camera that never gives a frame."""
    conf = rig.settings("web.listen=" + listen, "web.viewers=4", *words)
    return open_web(conf, {"camera": View("camera", "test://street", conf)})


@pytest.fixture
def server():
    with server_on("127.0.0.1:0") as running:
        yield running


@pytest.mark.parametrize("text, parts", [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:8080", ("::1", 8080)), (":9000", ("0.0.0.0", 9000)),
                                         ("board.local:1", ("board.local", 1))])
def test_listen_is_host_and_port(text, parts):
    assert parse_listen(text) == parts


@pytest.mark.parametrize("text", ["8080", "127.0.0.1", "127.0.0.1:http", "host:99999", "http://x:80", "", "a@b:80", "[::1:80", "::1:80", "127.0.0.1:80#90",
                                  "127.0.0.1:80\n90", "127.0.0.1:80/", "127.0.0.1:80?"])
def test_listen_that_makes_no_sense_is_explained(text):
    with pytest.raises(ConfigError, match=r"expected HOST:PORT, as .* or \[::1\]:8080, or off"):
        parse_listen(text)


def test_off_means_no_server():
    assert isinstance(server_on("off"), NoServer)


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_in_one_line(server):
    with pytest.raises(OutputError) as caught:
        server_on(server.address.split("//")[1].rstrip("/"))
    assert str(caught.value).endswith(": the port is in use; choose another HOST:PORT, or off") and "\n" not in str(caught.value)


def test_an_untouched_port_makes_way_when_it_is_taken(server):
    taken = server.address.split("//")[1].rstrip("/")
    conf = rig.settings("web.viewers=4")
    conf.web = type(conf.web)("web", dict(conf.web.as_dict(), listen=taken))
    port = int(taken.rsplit(":", 1)[1])
    with open_web(conf, {"camera": View("camera", "test://street", conf)}) as moved:
        assert port < int(moved.address.rstrip("/").rsplit(":", 1)[1]) < port + 10


def test_an_address_that_is_not_ours_is_an_error():
    with pytest.raises(OutputError, match="^web.listen = [^(]*: Cannot assign requested address; choose"):
        server_on("192.0.2.1:8080")


def test_closing_frees_the_port_and_all_threads():
    before = set(threading.enumerate())
    with server_on("127.0.0.1:0") as running:
        assert rig.ask(running, "/healthz")[0] == 200
    rig.wait_for(lambda: not set(threading.enumerate()) - before)
    with server_on(running.address.split("//")[1].rstrip("/")):
        pass
    running.close()


def test_who_can_not_look_up_the_boards_name_gets_an_address(caplog):
    assert own_address("127.0.0.1") is None and own_address("board.local") is None
    with caplog.at_level("INFO"), server_on("0.0.0.0:0") as running:
        said = [record.getMessage() for record in caplog.records if "live page is at" in record.getMessage()]
        assert len(said) == 1 and running.address in said[0]
        address = own_address("0.0.0.0")
        if address is None:
            pytest.skip("this machine has no way to others")
        elsewhere = "http://{}:{}".format(address, running.address.rpartition(":")[2])
        assert said[0].endswith(" or " + elsewhere)
        assert urllib.request.urlopen(elsewhere + "healthz", timeout=10).status == 200


def test_elsewhere_a_password_is_made_up_and_said_once(caplog):
    with caplog.at_level("WARNING"), server_on("0.0.0.0:0") as running:
        port = running.address.rstrip("/").rsplit(":", 1)[1]
        running.address = "http://127.0.0.1:{}/".format(port)
        assert rig.ask(running, "/api/stats")[0] == 401
        said = [record.getMessage() for record in caplog.records if "web.password" in record.getMessage()]
        password = said[0].split("this run it is ")[1].split()[0]
        assert len(said) == 1 and rig.ask(running, "/login", "POST", {"password": password})[0] == 200


def test_before_the_first_frame_the_server_is_alive_but_not_ready(server):
    assert rig.ask(server, "/healthz")[0] == 200
    assert rig.ask(server, "/readyz")[0] == rig.ask(server, "/readiness")[0] == 503
    assert rig.ask(server, "/api/cameras/camera/snapshot.jpg")[0] == 503
    assert rig.ask(server, "/metrics")[0] == 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl that makes certificates")
    return cert, key


def test_tls_serves_https_and_a_silent_client_holds_nobody_up(certificate):
    cert, key = certificate
    with server_on("127.0.0.1:0", "web.certificate=" + cert, "web.certificate_key=" + key) as running:
        assert running.address.startswith("https://")
        port = int(running.address.rstrip("/").rsplit(":", 1)[1])
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]      # never shake hands
        context = ssl.create_default_context(cafile=cert)
        with urllib.request.urlopen(running.address + "healthz", timeout=5, context=context) as answer:
            assert answer.status == 200
        old = ssl.create_default_context(cafile=cert)
        old.options |= ssl.OP_NO_TLSv1_2 | getattr(ssl, "OP_NO_TLSv1_3", 0)
        with pytest.raises(OSError):
            urllib.request.urlopen(running.address + "healthz", timeout=5, context=old)
        for one in silent:
            one.close()


def test_a_stream_flows_through_tls(certificate):
    cert, key = certificate
    with rig.page("web.certificate=" + cert, "web.certificate_key=" + key) as (running, _):
        context = ssl.create_default_context(cafile=cert)
        with urllib.request.urlopen(running.address + "api/cameras/camera/live.mp4", timeout=20, context=context) as answer:
            data = b""
            while data.count(b"moof") < 5:
                data += answer.read1(65536)
    assert data[4:8] == b"ftyp" and data.count(b"mdat") >= 4


def test_a_viewer_that_is_cut_off_stays_encrypted(certificate):
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = threading.Thread(target=ssl.create_default_context(cafile=cert).wrap_socket, args=(theirs,), kwargs={"server_hostname": "127.0.0.1"})
        client.start()
        connection = context.wrap_socket(ours, server_side=True)
        client.join(10)
        with connection:
            viewers = Viewers(1)
            viewers.admit([b"picture"], connection=connection)
            viewers.close()
            assert connection.version() is not None         # another thread may be about to write
            with pytest.raises(OSError):
                send(connection, [b"picture"])


@pytest.mark.parametrize("parts", [[b"5\r\n", b"hello", b"\r\n"], [b"12345\r\n", bytes(range(256)) * 3000, b"\r\n"], [b"x" * 200000]])
def test_pieces_arrive_whole_where_the_kernel_takes_little_at_a_time(parts):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.settimeout(10)
        got = []
        reader = threading.Thread(target=lambda: got.extend(iter(lambda: theirs.recv(3000), b"")))
        reader.start()
        send(ours, parts)
        ours.shutdown(socket.SHUT_WR)
        reader.join(10)
    assert b"".join(got) == b"".join(parts)


def test_a_reader_that_takes_nothing_ends_a_write():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.2)
        with pytest.raises(socket.timeout):
            send(ours, [bytes(10 ** 7)])


@pytest.mark.parametrize("name, said", [
    ("encrypted.pem", r"the key is encrypted, and nobody is asked for its passphrase; name one that is not \(openssl pkey -in .*encrypted.pem\)$"),
    ("other.pem", "the key belongs to another certificate$"), ("cert.pem", "expected PEM files, the certificate first, its key second$"),
    ("none.pem", "No such file or directory$")])
def test_a_key_that_can_not_be_used_is_told_in_plain_words(certificate, name, said):
    cert, key = certificate
    folder = os.path.dirname(cert)
    subprocess.run(["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:word", "-out", folder + "/encrypted.pem"], check=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", folder + "/other.pem"], check=True)
    with pytest.raises(ConfigError, match="^web.certificate {} with key {}/{}: {}".format(cert, folder, name, said)):
        check_pair(cert, os.path.join(folder, name))


def test_half_a_pair_of_tls_files_or_a_broken_one_is_a_config_error(certificate, tmp_path):
    with pytest.raises(ConfigError, match="belong together"):
        server_on("127.0.0.1:0", "web.certificate=" + certificate[0])
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(ConfigError, match="junk.pem"):
        server_on("127.0.0.1:0", "web.certificate=" + str(tmp_path / "junk.pem"), "web.certificate_key=" + certificate[1])


def head(answer):
    return answer.split(b"\r\n", 1)[0]


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/",
                                  "/../../etc/passwd", "//etc/passwd", "/static/style.css%00.js", "/static/%c0%ae%c0%ae/app.py",
                                  "/api/cameras/..%2f..%2fetc/live.mp4"])
def test_no_request_reads_a_file(server, path):
    answer = rig.raw(server, "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".format(path).encode())
    assert b"create_app" not in answer and b"root:" not in answer
    assert head(answer).split()[1] in (b"400", b"404", b"308", b"301")


@pytest.mark.parametrize("request_bytes", [
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * 1000,
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30000,
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"PATCH /api/cameras/camera/controls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
    b"PATCH /api/cameras/camera/controls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{\"a\":",
    b"BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"\0" * 4096 + b"\r\n\r\n",
])
def test_nonsense_is_answered_with_a_refusal_or_silence(server, request_bytes):
    answer = rig.raw(server, request_bytes)
    assert not answer or head(answer).split()[1][:1] == b"4" or head(answer).split()[1] in (b"501", b"505"), answer[:300]
    assert b"Traceback" not in answer and b"/site-packages/" not in answer
    assert rig.ask(server, "/healthz")[0] == 200


def test_deeply_nested_json_is_refused(server):
    status, _, _ = rig.ask(server, "/api/cameras/camera/controls", "PATCH", b"[" * 8000, {"Content-Type": "application/json"})
    assert status == 400
