"""Small videos for tests, made of the built-in scene by PyAV; skips where there is none."""
import os
import random
import resource
import socket
import threading
from contextlib import contextmanager
from fractions import Fraction

import pytest


def import_av():
    return pytest.importorskip("av", reason="PyAV has no wheel for this Python")


def make_clip(path, frames=20, size=(320, 180), fps=10, times=None, options=None, codec="libx264", moving=None, container_options=None):
    """Write *frames* frames of the scene to *path*; *times* (seconds) make the rate variable. Returns *path*."""
    av = import_av()
    from edgecam.capture.street import Street
    shrink = max(1, size[0] // 960)             # painting the street in 4K would take half a minute
    scene = Street(max(size[0] // shrink, 160), max(size[1] // shrink, 160), fps=fps, objects=6, **(moving or {}))
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = dict({"preset": "ultrafast"} if codec == "libx264" else {}, **(options or {}))
        for number in range(frames):
            picture = to_picture(av, scene.render(number), size)
            seconds = times[number] if times else number / fps
            picture.pts, picture.time_base = int(round(seconds * 1000)), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return str(path)


def join(path, *parts):
    """Put files together byte by byte, as `cat` does with transport streams; return *path*."""
    with open(str(path), "wb") as whole:
        for part in parts:
            with open(str(part), "rb") as stream:
                whole.write(stream.read())
    return str(path)


def damage(path, place, start=0.5, count=300):
    """Copy *path* to *place* with *count* random bytes written over it from the share *start* of it; return *place*."""
    with open(str(path), "rb") as stream:
        content = bytearray(stream.read())
    begin, noise = int(start * len(content)), random.Random(1)
    content[begin:begin + count] = bytes(noise.randrange(256) for _ in range(count))
    with open(str(place), "wb") as stream:
        stream.write(content)
    return str(place)


def to_picture(av, planes, size):
    import numpy as np
    luma, u, v = planes
    height, width = luma.shape
    whole = np.concatenate([luma[:height // 2 * 2, :width // 2 * 2].ravel(), u[:height // 2, :width // 2].ravel(),
                            v[:height // 2, :width // 2].ravel()])
    shaped = whole.reshape(height // 2 * 3, width // 2 * 2)
    return av.VideoFrame.from_ndarray(shaped, "yuv420p").reformat(size[0], size[1])


def count_frames(path):
    """Decode everything; return (frames, list of pts in seconds)."""
    av = import_av()
    with av.open(str(path)) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    return len(times), times


class StreamServer:
    """Serves the bytes of an MPEG-TS file over TCP on the loopback, as often as somebody connects.

    *rounds*: what each connection gets in turn: "all" (then closed), "half" (then closed), "stall" (half, then silence)
    or "silent" (nothing at all).
    """

    def __init__(self, path, rounds=("all",), pace=0.01, port=0):
        with open(path, "rb") as stream:
            self._bytes = stream.read()
        self._rounds, self._pace = list(rounds), pace
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen(5)
        self.url = "tcp://127.0.0.1:{}".format(self._socket.getsockname()[1])
        self.connections, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        self._socket.settimeout(0.1)
        while not self._stop.is_set():
            try:
                peer, _ = self._socket.accept()
            except socket.timeout:
                continue
            kind = self._rounds[min(self.connections, len(self._rounds) - 1)]
            self.connections += 1
            threading.Thread(target=self._feed, args=(peer, kind), daemon=True).start()

    def _feed(self, peer, kind):
        length = {"all": len(self._bytes), "silent": 0}.get(kind, len(self._bytes) // 2)
        try:
            for start in range(0, length, 1880):
                peer.sendall(self._bytes[start:start + 1880])
                if self._stop.wait(self._pace):
                    return
            if kind in ("stall", "silent"):
                self._stop.wait(20)
        except OSError:
            pass            # the reader left
        finally:
            peer.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(5)
        self._socket.close()


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def files_left(count):
    """While inside, this process can open *count* files or sockets more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.open(os.devnull, os.O_RDONLY) for _ in range(count + 1)]
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
