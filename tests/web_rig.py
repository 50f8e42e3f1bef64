"""What the tests of the live page stand on: a running camera behind a `View`, and clients without manners."""
import contextlib
import http.client
import json
import socket
import time
from fractions import Fraction
from urllib.parse import urlsplit

from edgecam import clock
from edgecam.config import load_config
from edgecam.events import make_event
from edgecam.vocabulary import NO_PLAN, Detection, Packet, StreamFormat
from edgecam.web import open_web
from edgecam.worker import Worker

SCENE = "test://street?size=640x360&marker=1&objects=2"
# Parameter sets of a real 640x360 stream, for interpreters that have no encoder.
SPS = bytes.fromhex("6764001eacb405017fcb3502020640000003004000000f23c58ba8")
PPS = bytes.fromhex("68ef3cb0")


def settings(*words, input=SCENE):
    """Return settings for a test: the built-in scene with its own truth, any free port."""
    return load_config(overrides=("capture.input=" + input, "detect.backend=scene", "web.listen=127.0.0.1:0") + words)


def have_encoder():
    try:
        import av
        return "libx264" in av.codecs_available
    except ImportError:
        return False


@contextlib.contextmanager
def camera(conf, name="camera"):
    """Run a camera and yield its `View`: the real pipeline, or without an encoder the scene with empty packets."""
    if have_encoder():
        from edgecam.pipeline import Pipeline
        pipeline = Pipeline(conf, name)
        view, worker = pipeline.view, Worker("test-pipeline", lambda stopping: pipeline.run())
        stop = pipeline.stop
    else:
        view, worker, stop = feeder(conf, name)
    worker.start()
    try:
        wait_for(lambda: view.glance(timeout=0.2) or worker.check(), 20)
        yield view
    finally:
        stop()
        worker.stop(20)


def feeder(conf, name):
    """A camera without an encoder: real frames of the scene, packets that only look like video."""
    from edgecam.capture import open_camera
    from edgecam.view import View
    view = View(name, conf.capture.input, conf)

    def run(stopping):
        with open_camera(conf.capture, realtime=True) as scene:
            video = scene.format
            view.video, base = video, Fraction(1, 30)
            view.stream = StreamFormat("h264", video.width, video.height, video.rate, base, 1000000)
            while not stopping.is_set():
                with scene.read() as frame:
                    key = frame.number % 30 == 0
                    units = [SPS, PPS, b"\x65" + bytes(800)] if key else [b"\x41" + bytes(200)]
                    payload = b"".join(b"\0\0\0\1" + unit + b"\x80" for unit in units)
                    packet = Packet(payload, frame.pts, base, key, frame.number, frame.time)
                    seen = frame.time, [Detection(truth.label, truth.visible, truth.box) for truth in frame.native.truth]
                    view.publish(frame, packet, make_event(packet, "live", seen, [], NO_PLAN, clock.now() - frame.time))
        view.end()
    worker = Worker("test-feeder", run)
    return view, worker, worker.stopping.set


@contextlib.contextmanager
def page(*words, input=SCENE):
    """Run a camera and the web server on it; yield (server, view)."""
    conf = settings(*words, input=input)
    with camera(conf) as view, open_web(conf, {view.name: view}) as server:
        yield server, view


def wait_for(condition, timeout=10):
    """Wait until ``condition()`` is true and return its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "did not happen in {} s".format(timeout)
        time.sleep(0.01)


def ask(server, path, method="GET", body=None, headers=None, timeout=10):
    """Send one request; return (status, headers, bytes)."""
    parts = urlsplit(server.address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), dict({"Content-Type": "application/json"}, **headers or {})
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def stream(server, path, headers=None, timeout=10):
    """Open a stream and yield its response, to be read piece by piece."""
    parts = urlsplit(server.address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    connection.request("GET", path, headers=headers or {})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def raw(server, data, timeout=5):
    """Send bytes as they are; return what comes back until the server closes or *timeout* seconds are over."""
    parts = urlsplit(server.address)
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout) as connection:
        got = []
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while True:
                piece = connection.recv(65536)
                if not piece:
                    break
                got.append(piece)
        return b"".join(got)
