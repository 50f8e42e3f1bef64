"""What each viewer costs the process that serves it: its processor time with viewers, less that with nobody.

Run as a program it is such viewers: python -m edgecam.bench.latency_viewers HOST PORT PATH COUNT SECONDS
reads COUNT streams as they come, as a browser would, in a process of its own.
"""
import selectors
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

from edgecam import clock

STREAMS = {"encoded stream (WebCodecs, MSE)": "live.mp4", "MJPEG": "stream.mjpg"}
COUNTS = 1, 10
WARM_UP = 2.0           # seconds until all of them read
WEBRTC = "WebRTC by aiortc"


def viewer_costs(running, args, with_webrtc):
    """Return {"idle": % of a core, "viewers": {title: {"1": % of a core for each viewer, "10": ...}}}."""
    seconds = max(args.seconds / 2, 2)
    idle, found = [load(seconds)], {}
    for title, name in STREAMS.items():
        found[title] = {str(count): watched_by(count, running.address, name, seconds) / count for count in COUNTS}
        idle.append(load(seconds))
    if with_webrtc:
        found[WEBRTC] = {"1": watched_by_webrtc(running, args, seconds)}
        idle.append(load(seconds))
    base = sum(idle) / len(idle)
    for shares in found.values():
        for count in shares:
            shares[count] = round(shares[count] - base / int(count), 2)
    return {"idle": round(base, 1), "viewers": found}


def load(seconds):
    """Return the percent of a core that this process takes during *seconds*."""
    used, started = time.process_time(), clock.now()
    clock.sleep(seconds)
    return 100 * (time.process_time() - used) / (clock.now() - started)


def watched_by(count, address, name, seconds):
    """Return the load while *count* viewers read the stream *name*."""
    parts = urlsplit(address)
    words = [parts.hostname, str(parts.port), "/api/cameras/camera/" + name, str(count), str(WARM_UP + seconds + 1)]
    viewers = subprocess.Popen([sys.executable, "-m", "edgecam.bench.latency_viewers"] + words)
    try:
        clock.sleep(WARM_UP)
        return load(seconds)
    finally:
        viewers.terminate()
        viewers.wait()


def watched_by_webrtc(running, args, seconds):
    from edgecam.bench.latency_browser import Browser
    from edgecam.bench.latency_ways import WAYS
    with WAYS["webrtc"]("webrtc", running, args) as way, Browser(flags=way.flags) as browser:
        way.show(browser)
        clock.sleep(WARM_UP)
        return load(seconds)


def read_streams(host, port, path, count, seconds):
    """Open *count* streams and read what comes for *seconds*."""
    selector = selectors.DefaultSelector()
    for _ in range(int(count)):
        viewer = socket.create_connection((host, int(port)))
        viewer.sendall("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n".format(path).encode())
        selector.register(viewer, selectors.EVENT_READ)
    end = clock.now() + float(seconds)
    while clock.now() < end:
        for key, _ in selector.select(0.2):
            if not key.fileobj.recv(262144):
                selector.unregister(key.fileobj)


if __name__ == "__main__":
    read_streams(*sys.argv[1:])
