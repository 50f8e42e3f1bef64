"""Passwords in URLs: no message, log or answer shows them, however odd they are."""
import http.server
import json
import logging
import re
import threading

import pytest

import web_rig as rig
from clips import import_av, make_clip
from edgecam.capture import open_camera, parse_source
from edgecam.cli import main
from edgecam.config import load_config
from edgecam.errors import ConfigError
from edgecam.redaction import RTSP_URL, hide, redact

ODD = ["admin:s3cret@", "admin:s3cret@2024@", "admin:pa@s3cret@2024@", "admin:pa?s3cret#2024@", "admin:s3cret/2024@", "admin:2024s3cret/@", "s3cret2024@"]
SPACED = ODD + ["admin:s3cret 2024@", "admin:s3cret /2024@", "admin:2024/ s3cret@", "admin:s3cret/, 2024@"]


@pytest.mark.parametrize("login", ODD)
@pytest.mark.parametrize("rest", ["cam/1", "cam:554/live@2", "[fe80::1]/1"])
def test_a_password_is_hidden_up_to_its_end(login, rest):
    shown = redact("input", "rtsp://" + login + rest)
    assert "s3cret" not in shown and "2024" not in shown and shown.startswith("rtsp://***@")
    assert "s3cret" not in hide("input rtsp://{}{}: refused; see rtsp://{}cam".format(login, rest, login))


def check_hidden_up_to_its_end(password, rest):
    url = "rtsp://admin:{}@{}".format(password, rest)
    assert redact("input", url) == "rtsp://***@" + rest == hide(hide(url))
    sentence = "input {0}: refused; see {0}, {0}: no"
    assert hide(sentence.format(url)) == sentence.format("rtsp://***@" + rest)


@pytest.mark.parametrize("password", ["s3cret 2024", "2024 s3cret", "my s3cret at 2024", "s3cret@a 2024", "s3cret, 2024", "s3cret: no, 2024?", "s3cret\t2024"])
@pytest.mark.parametrize("rest", ["cam/1", "cam:554/live@2", "[fe80::1]/1"])
def test_a_password_with_blanks_is_hidden_up_to_its_end(password, rest):
    check_hidden_up_to_its_end(password, rest)


MIXED = ["s3cret /2024", "s3cret/ 2024", "s3/cret 2024", "2024 s3cret/", "2024/s3cret x", "/s3cret, 2024", "s3cret: no, 2024/?", "a b/c 2024 s3cret", "s3cret\t/2024",
         "s3cret @/ 2024", "s3cret@x /2024", "s3cret// 2024"]


@pytest.mark.parametrize("password", MIXED)
@pytest.mark.parametrize("rest", ["cam/1", "cam:554/live", "[fe80::1]/1"])
def test_a_password_with_blanks_and_slashes_is_hidden_up_to_its_end(password, rest):
    check_hidden_up_to_its_end(password, rest)


@pytest.mark.parametrize("text", ["rtsp://me:" + "a b/" * 5000, "rtsp://me:" + "a@/ b" * 2000, "//a:" + "a" * 20000 + "@", "//a:b@ /" * 500])
@pytest.mark.timeout(60)        # milliseconds, or hours where the rules try every way to read it
def test_a_long_text_takes_no_long_time(text):
    assert len(hide(text)) <= len(text)


NAMES = ["token", "Access_Token", "key", "apikey", "password", "passwd", "pwd", "loginpas", "pw", "user", "usr", "auth", "auth[a]", "X-Amz-Signature",
         "pass%77ord", "%70%61%73%73", "API%4Bey", "%74oken", "to%256ben", "p%57", "session%5Fid"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["s3cret2024", "s3cret/2024?", "2024%26s3cret", "s3cret:2024#2024", "s3cret@2024"])
@pytest.mark.parametrize("start", ["rtsp://cam:554/1?", "http://cam/x?channel=1&", "rtsp://cam/"])
def test_a_secret_in_a_query_is_hidden_and_its_name_is_shown(name, value, start):
    url = "{}{}={}".format(start, name, value)
    assert redact("input", url) == "{}{}=***".format(start, name) == hide(hide(url))
    sentence = "inputs ['{0}', '{0}&fps=3']: refused; see {0}: no"
    assert hide(sentence.format(url)) == sentence.format(hide(url))


@pytest.mark.parametrize("text", ["http://cam?password=s3cret@2024", "rtsp://me:s3cret?key=2024@cam/1", "http://cam:80?token=s3cret@2024",
                                  "http://s3cret:2024@cam/x?a=b&user=me&pwd=s3cret@2024",
                                  "http://cam?pass%77ord=s3cret@2024"])
def test_where_host_and_secret_can_not_be_told_apart_both_are_hidden(text):
    shown = hide("input {}: no".format(text))
    assert "s3cret" not in shown and "2024" not in shown and "//***" in shown and shown.endswith(" no")


@pytest.mark.parametrize("text", ["input rtsp:/me:s3cret@cam/1: no", "input me:s3cret@cam:554/1: no", "'me:s3cret@[fe80::1]'"])
def test_a_password_is_hidden_where_the_scheme_is_mistyped(text):
    assert hide(text) == hide(hide(text)) == text.replace("me:s3cret", "***")


@pytest.mark.parametrize("text", ["rtsp://cam/1", "http://cam:8080/live@2", "rtsp://[fe80::1]:554/live@2", "walk@home.mp4",
                                  "http://cam/x: ask me@home", "/data/key=3/x.mp4", "what?token=3.mp4", "test://street?size=320x180&fps=5",
                                  "encode.keyframe_interval=2", "rtsp://cam:554: ask me@home", "rtsp://cam: refused; ask me@home",
                                  "rtsp://cam:554, walk@home.mp4", "rtsp://cam:554, walk/x@home.mp4", "rtsp://cam:554/a b: ask me@home", "http://cam/a b@2.mp4",
                                  "http://cam:80/x/y: it is down; ask me@home", "http://cam:8080/live@2 is down", "rtsp://[fe80::1]:554 is down, ask me@home", "http://cam/x?%66ps=2&sp%65ed=3"])
def test_what_holds_no_password_stays(text):
    assert hide(text) == text


@pytest.mark.parametrize("login", SPACED)
@pytest.mark.parametrize("words", [
    ["run", "rtps://{}cam/1"], ["run", "rtsp://{}[fe80::1/1"], ["run", "test://{}street"], ["run", "test://street", "rtmp://{}cam/1"],
    ["detect", "x.jpg", "--model", "triton://{}host"], ["detect", "http://{}cam/x.jpg"], ["run", "test://street", "--set", "rtsp://{}cam/1"],
    ["check", "--json", "--set", "capture.input=rtsp://{}cam/1"],
])
def test_the_program_never_prints_it(words, login, capsys):
    words = [word.format(login) if "{}" in word else word for word in words]
    code = main(words + (["--web", "off", "--duration", "1"] if words[0] == "run" else []))
    said = "".join(capsys.readouterr())
    no_port = re.search(r":(?!\d+/).*[/?#]", login)         # the address ends at such a letter of a password, and no port stands before it
    assert code == (2 if no_port else 0) if words[0] == "check" else code
    assert said and "s3cret" not in said and "2024" not in said


@pytest.mark.parametrize("login", ["u:s3c/ret@", "u:99999/s3cret@", "u:s3c ret/2024@", "u:s3cret@/[2024@", ""])
def test_an_rtsp_output_is_named_and_the_hint_stays_whole(login, capsys):
    url = "rtsp://{}h{}/x".format(login, "" if login else ":port")
    assert main(["run", "test://street", url, "--web", "off", "--duration", "1", "--detector", "none"]) == 2
    shown = "rtsp://***@h/x" if login else url
    assert capsys.readouterr().err.endswith(
        ": output {}: expected rtsp://[user:password@]host[:port]/path, in the password %2F for a /\n".format(shown))


@pytest.mark.parametrize("text", ["rtsp://[user:password@]host[:port]/path/s3cret:2024@cam", "xrtsp://[user:password@]host[:port]/path",
                                  "rtsp://[user:password@]host"])
def test_only_our_own_hint_is_passed_over(text):
    assert hide(text) != text and "password@" not in hide(text)
    assert hide("see {}; not {}".format(RTSP_URL, text)) == "see {}; not {}".format(RTSP_URL, hide(text))


QUERY = "?token=s3cret&user=s3cret&fps=2&pwd=2024s3cret"


@pytest.mark.parametrize("words", [
    ["run", "rtps://cam/1" + QUERY], ["run", "test://street" + QUERY], ["run", "test://street", "rtmp://cam/1" + QUERY],
    ["detect", "x.jpg", "--model", "triton://host" + QUERY], ["run", "test://street", "--set", "encode.bitrate=rtsp://cam/1" + QUERY],
    ["run", "test://street", "null:", "--set", "outputs.urls=rtsp://cam/1" + QUERY],
    ["check", "--json", "--set", "capture.input=rtsp://cam/1" + QUERY],
])
def test_the_program_never_prints_what_a_query_says(words, capsys):
    main(words + (["--web", "off", "--duration", "1", "--detector", "none"] if words[0] == "run" else []))
    said = "".join(capsys.readouterr())
    assert "token=***&user=***&fps=2&pwd=***" in said and "s3cret" not in said and "2024" not in said


def test_a_secret_of_the_wrong_type_is_not_repeated(tmp_path, capsys):
    for key, text in (("web.password", "web: {password: [s3cret]}"), ("capture.input", "capture: {input: ['rtsp://me:s3cret@cam']}")):
        (tmp_path / "mine.yaml").write_text(text)
        assert main(["check", str(tmp_path / "mine.yaml")]) == 78
        said = capsys.readouterr().err
        assert key in said and "s3cret" not in said


def test_a_source_names_itself_without_it():
    source = parse_source("rtsp://admin:s3cret@2024@cam/1")
    assert source.text == "rtsp://***@cam/1" and source.path == "rtsp://admin:s3cret@2024@cam/1"
    with pytest.raises(ConfigError) as caught:
        parse_source("rtps://admin:s3cret@cam/1")
    assert "rtps://***@cam/1: unknown scheme rtps" in str(caught.value) and "s3cret" not in str(caught.value)


@pytest.fixture
def web_server(tmp_path):
    """A folder with a clip behind a real web server; yields its host:port."""
    import_av()
    make_clip(tmp_path / "x.mkv", frames=80, fps=10)
    server = http.server.HTTPServer(("127.0.0.1", 0), folder_handler(str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "127.0.0.1:{}".format(server.server_port)
    server.shutdown()
    server.server_close()


def folder_handler(folder):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return folder + path.partition("?")[0]

        def log_message(self, *words):
            pass
    return Handler


def test_a_file_on_a_web_server_is_named_without_it(web_server, caplog, capsys):
    caplog.set_level(logging.DEBUG, "edgecam")
    url = "http://admin:s3cret@2024@{}/x.mkv?fps=2&token=2024s3cret".format(web_server)
    with open_camera(load_config(overrides=["capture.input=" + url]).capture) as camera:
        assert camera.source == "http://***@{}/x.mkv?fps=2&token=***".format(web_server)
        camera.read()
        while camera.read() is not None:
            pass
    assert main(["run", url.replace("x.mkv", "none.mkv"), "null:", "--web", "off"]) == 1
    said = caplog.text + "".join(capsys.readouterr())
    assert "http://***@{}/none.mkv?fps=2&token=***: ".format(web_server) in said and "s3cret" not in said and "2024" not in said


@pytest.mark.skipif(not rig.have_encoder(), reason="the camera behind the page needs an encoder")
def test_the_page_tells_nobody(web_server):
    with rig.page("detect.backend=none", "outputs.urls=['null:', 'rtsp://me:s3cret@2024@127.0.0.1:1/x?key=s3cret']",
                  input="http://admin:s3cret@2024@{}/x.mkv?token=2024s3cret".format(web_server)) as (server, view):
        assert view.source == "http://***@{}/x.mkv?token=***".format(web_server)
        for path in ("/api/cameras", "/api/config", "/api/stats", "/metrics"):
            status, _, body = rig.ask(server, path)
            assert status == 200 and b"***@127.0.0.1" in body, path
            assert b"s3cret" not in body and b"2024" not in body, path
        assert json.loads(rig.ask(server, "/api/cameras")[2].decode())["cameras"][0]["source"] == view.source
