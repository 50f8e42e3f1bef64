"""Streams over real HTTP: who watches, who leaves, who does not read."""
import json
import os
import socket
import struct
import threading
from urllib.parse import urlsplit

import pytest

import web_rig as rig

LIVE, EVENTS, MJPEG, STILL = ("/api/cameras/camera/" + name for name in ("live.mp4", "events", "stream.mjpg", "snapshot.jpg"))


@pytest.fixture(scope="module")
def running():
    with rig.page("web.viewers=12") as (server, view):
        yield server, view


def comment(jpeg):
    """The event inside a JPEG."""
    assert jpeg[:4] == b"\xff\xd8\xff\xfe"
    size = struct.unpack(">H", jpeg[4:6])[0]
    return json.loads(jpeg[6:4 + size].decode())


def test_a_still_brings_its_event(running):
    server, _ = running
    status, headers, body = rig.ask(server, STILL)
    assert status == 200 and headers["content-type"] == "image/jpeg" and body.endswith(b"\xff\xd9")
    assert comment(body)["frame"] == int(headers["x-edgecam-frame"])


def test_a_still_shows_the_frame_that_its_event_is_about(running):
    """The marker's place tells the frame's number; the JPEG must agree with the comment inside it."""
    cv2, numpy = pytest.importorskip("cv2"), pytest.importorskip("numpy")
    from edgecam.capture.street import Street
    server, _ = running
    scene = Street(640, 360, marker=True, objects=2)
    for _ in range(3):
        _, _, body = rig.ask(server, STILL)
        picture = cv2.imdecode(numpy.frombuffer(body, numpy.uint8), 0)
        x, y, w, h = (int(v) for v in scene.marker_box(comment(body)["frame"]))
        assert picture[y + 8:y + h - 8, x + 8:x + w - 8].min() > 200
        assert picture[y + 1:y + 3, x:x + w].max() < 90 and picture[y:y + h, x + 1:x + 3].max() < 90


def test_a_still_can_have_the_overlay_drawn_into_it(running):
    pytest.importorskip("cv2")
    server, _ = running
    plain, drawn = (rig.ask(server, STILL + "?overlay=" + flag) for flag in "01")
    assert plain[0] == drawn[0] == 200 and plain[2] != drawn[2]
    assert rig.ask(server, STILL + "?overlay=yes")[0] == 400


def test_zones_are_described_and_drawn_into_stills():
    cv2, numpy = pytest.importorskip("cv2"), pytest.importorskip("numpy")
    with rig.page("zones.areas={yard: '0.5,0.5 1,0.5 1,1 0.5,1'}", "detect.backend=none") as (server, _):
        camera, = json.loads(rig.ask(server, "/api/cameras")[2].decode())["cameras"]
        assert camera["zones"] == [{"name": "yard", "points": [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1]]}]
        picture = cv2.imdecode(numpy.frombuffer(rig.ask(server, STILL + "?overlay=1")[2], numpy.uint8), 1).astype(int)
    border, beside = picture[200:340, 319:322].reshape(-1, 3), picture[20:160, 319:322].reshape(-1, 3)
    assert (border[:, 0] - border[:, 2]).mean() > 60 > (beside[:, 0] - beside[:, 2]).mean()      # blue less red


def test_mjpeg_sends_the_next_head_early_and_every_part_is_a_whole_picture(running):
    server, _ = running
    with rig.stream(server, MJPEG) as answer:
        assert answer.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=edgecam-frame"
        data = b""
        while data.count(b"--edgecam-frame") < 5:
            data += answer.read1(65536)
    head, *parts = data.split(b"--edgecam-frame\r\nContent-Type: image/jpeg\r\n\r\n")
    assert head == b"" and all(part.endswith(b"\xff\xd9\r\n") for part in parts[:-1])
    numbers = [comment(part)["frame"] for part in parts[:-1]]
    assert numbers == sorted(set(numbers))


def test_two_mjpeg_viewers_share_one_encoding(running, monkeypatch):
    server, view = running
    from edgecam.web import mjpeg
    rig.wait_for(lambda: viewers(server) == 0)
    stills = mjpeg.Stills(view, 80)
    made, real = [], mjpeg.encode_jpeg
    monkeypatch.setattr(mjpeg, "encode_jpeg", lambda *args: made.append(args[0].number) or real(*args))
    got, newest = [], newest_frame(view)
    watchers = [threading.Thread(target=lambda: got.append(stills.next(newest, 5))) for _ in range(6)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    assert len(made) == len(set(made)) <= 3 and len(got) == 6


def test_one_thread_makes_all_pictures_and_goes_when_nobody_asks(running, monkeypatch):
    server, view = running
    from edgecam.web import mjpeg
    monkeypatch.setattr(mjpeg, "IDLE", 0.3)
    made_by, real = set(), mjpeg.encode_jpeg
    monkeypatch.setattr(mjpeg, "encode_jpeg", lambda *args: made_by.add(threading.current_thread()) or real(*args))
    stills, newest = mjpeg.Stills(view, 80), newest_frame(view)
    for _ in range(2):                          # and there is another one when somebody asks again
        watchers = [threading.Thread(target=lambda n=n: stills.next(newest + n, 5)) for n in range(6)]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join()
        maker, = made_by
        assert maker not in watchers and maker is not threading.current_thread()
        rig.wait_for(lambda: not maker.is_alive(), 10)
        made_by.clear()
        newest = newest_frame(view)


def test_what_went_wrong_with_a_picture_is_told_to_the_one_who_asked(running, monkeypatch):
    server, view = running
    from edgecam.web import mjpeg
    from edgecam.web.errors import Refused

    def refuse(*args):
        raise Refused(503, "no pictures today")
    stills, real = mjpeg.Stills(view, 80), mjpeg.encode_jpeg
    monkeypatch.setattr(mjpeg, "encode_jpeg", refuse)
    for _ in range(2):
        with pytest.raises(Refused, match="no pictures today"):
            stills.next(-1, 5)
    monkeypatch.setattr(mjpeg, "encode_jpeg", real)
    assert stills.next(-1, 5)[1][:2] == b"\xff\xd8"


def test_nothing_is_encoded_as_jpeg_while_nobody_watches(running, monkeypatch):
    from edgecam.web import mjpeg
    made = []
    monkeypatch.setattr(mjpeg, "encode_jpeg", lambda *args: made.append(1))
    server, view = running
    rig.wait_for(lambda: viewers(server) == 0)
    del made[:]
    first = newest_frame(view)
    rig.wait_for(lambda: newest_frame(view) > first + 10)
    assert not made


def newest_frame(view):
    with view.glance(timeout=5) as glance:
        return glance.frame.number


def test_events_flow_in_order(running):
    server, _ = running
    with rig.stream(server, EVENTS) as answer:
        assert answer.getheader("Content-Type") == "text/event-stream"
        text = b""
        while text.count(b"data: ") < 5:
            text += answer.read1(65536)
    frames = [json.loads(line[6:])["frame"] for line in text.decode().split("\n") if line.startswith("data: ") and line.endswith("}")]
    assert len(frames) >= 4 and frames == sorted(set(frames))           # a busy machine's camera skips some


@pytest.mark.parametrize("path", [LIVE, EVENTS, MJPEG, STILL, "/", "/api/stats"])
def test_head_answers_without_becoming_a_viewer(running, path):
    server, view = running
    rig.wait_for(lambda: viewers(server) == view.guests == 0)           # the last test's viewer is missed at the next write
    status, headers, body = rig.ask(server, path, "HEAD")
    assert status == 200 and body == b"" and viewers(server) == view.guests == 0
    assert headers.get("content-length") != "0" and ("content-length" in headers) == (path not in (LIVE, EVENTS, MJPEG))


def viewers(server):
    return json.loads(rig.ask(server, "/api/stats")[2].decode())["web"]["viewers"]


def test_a_full_house_says_so_and_still_answers(running):
    server, _ = running
    parts = urlsplit(server.address)
    crowd = []
    try:
        for n in range(12):
            guest = socket.create_connection((parts.hostname, parts.port), timeout=5)
            guest.sendall("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n".format((LIVE, EVENTS, MJPEG)[n % 3]).encode())
            crowd.append(guest)
        rig.wait_for(lambda: viewers(server) == 12)
        status, headers, body = rig.ask(server, LIVE)
        assert status == 503 and headers["retry-after"] and b"12 viewers" in body
        assert rig.ask(server, "/api/version")[0] == 200
    finally:
        for guest in crowd:
            guest.close()
    rig.wait_for(lambda: viewers(server) == 0, 15)


def test_five_hundred_reconnects_leave_nothing(running):
    server, view = running
    rig.wait_for(lambda: viewers(server) == 0, 15)
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    parts = urlsplit(server.address)
    for n in range(500):
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as guest:
            guest.sendall("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n".format((LIVE, EVENTS, MJPEG)[n % 3]).encode())
            if n % 3 or n % 30 == 0:                # the live stream begins with a keyframe, of which there is one a second
                assert guest.recv(64).startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
    rig.wait_for(lambda: viewers(server) == 0 and view.guests == 0, 20)
    rig.wait_for(lambda: threading.active_count() <= threads and len(os.listdir("/proc/self/fd")) <= files + 2, 20)


def test_a_viewer_that_does_not_read_costs_the_pipeline_nothing_and_is_cut_off_at_the_end():
    before = set(threading.enumerate())
    with rig.page("web.viewers=12") as (server, view):
        parts = urlsplit(server.address)
        guests = []
        for n in range(4):
            guest = socket.socket()
            guest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            guest.connect((parts.hostname, parts.port))
            guest.sendall("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n".format(MJPEG if n % 2 else LIVE).encode())
            guests.append(guest)
        rig.wait_for(lambda: viewers(server) == 4)
        first = newest_frame(view)
        rig.wait_for(lambda: newest_frame(view) > first + 60, 15)     # the others' video flows on
        server.close()                                                          # and nobody hangs on to the threads
        assert not [t for t in threading.enumerate() if t.name.startswith("CP Server") and t not in before]
        for guest in guests:
            guest.close()


def test_a_viewer_that_takes_nothing_is_cut_off(monkeypatch):
    from edgecam.web import server as module
    monkeypatch.setattr(module, "STALLED", 1)
    with rig.page() as (server, view):
        parts = urlsplit(server.address)
        with socket.socket() as guest:
            guest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            guest.connect((parts.hostname, parts.port))
            guest.sendall("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n".format(MJPEG).encode())
            rig.wait_for(lambda: viewers(server) == 1)
            rig.wait_for(lambda: viewers(server) == 0, 30)


def test_new_viewers_cause_one_keyframe_a_second_at_most():
    from edgecam.view import View
    asked = []

    class Rooms:
        class encoder:
            request_keyframe = staticmethod(lambda: asked.append(1))
    view = View("camera", "test://street", rig.settings())
    view._pipeline = Rooms
    taps = [view.follow() for _ in range(5)]
    assert asked == [1] and view.guests == 5
    view._asked_keyframe -= view.KEYFRAME_EVERY
    taps.append(view.follow())
    view.follow(keyframes_first=False).close()          # a reader of events needs none
    assert asked == [1, 1]
    for tap in taps:
        tap.close()
    assert view.guests == 0


def test_an_unknown_camera_is_named(running):
    status, _, body = rig.ask(running[0], "/api/cameras/nope/live.mp4")
    assert status == 404 and b"there is camera" in body
