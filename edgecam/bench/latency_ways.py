"""The ways to a browser that `edgecam bench latency` compares: how each is shown, and how its frames are timed."""
import time

from edgecam import clock
from edgecam.bench.latency_pages import IMG_PAGE, MARKER, PAGE_PROBE, LateMjpeg


def wall_offset():
    """Seconds from our clock to the wall clock, which browsers show as timeOrigin + now()."""
    return min(time.time() - clock.now() for _ in range(50))


class Way:
    """One way, for one measurement; a context manager.

    Its page collects ``window.samples``, one [what tells the frame, time of showing] each, and ``window.first``,
    milliseconds from the opening of the page to the first picture.
    """

    flags = ()

    def __init__(self, name, running, args):
        self.name, self.running, self.width = name, running, str(args.width)

    def show(self, browser):
        """Open the page, and return when pictures move."""
        browser.call("Page.addScriptToEvaluateOnNewDocument", source="window.samples = []; window.wall = {}; window.first = null;"
                     "addEventListener('edgecam:frame', ({{detail}}) => window.first ??= detail.at, true)".format(wall_offset()))
        self._open(browser)
        browser.wait("window.samples.length > 5", 60)

    def counts(self, browser):
        """Return what happened so far, all at one moment.

        {"waits": times that playing waited for data, "player": frames that the player left out, "timed": samples,
        "number": that of the frame on screen, or None where it isn't known, "presented": frames put on screen until that one, or None}.
        """
        return {"waits": 0, "player": 0, "timed": browser.run("window.samples.length"), "number": None, "presented": None}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


class Page(Way):
    """The live page with one of its players."""

    titles = {"codecs": "WebCodecs", "mse": "MSE", "mjpeg": "MJPEG, the page's player"}

    def _open(self, browser):
        browser.open(self.running.address + "?player=" + self.name)
        browser.wait("document.querySelector('.tile')", 30)
        browser.run(PAGE_PROBE)

    def counts(self, browser):
        return browser.run("(({player, skipped}) => ({waits: player.waits ?? 0, player: skipped, timed: samples.length, ...onScreen}))"
                           "(document.querySelector('.tile').tile)")

    def latencies(self, samples):
        """Return seconds from capture to screen: the page's events tell the time of capture."""
        return [shown - captured for captured, shown in samples]


class Marked(Way):
    """A picture alone; the place of the scene's marker in it tells the frame's number."""

    def latencies(self, samples):
        camera, stats = self.running.pipeline.camera, self.running.stats
        newest = stats.frames + camera.drops
        numbers = {tuple(int(v) for v in camera.scene.marker_box(n)[:2]): n for n in range(max(0, newest - 5000), newest + 1)}
        return [shown - camera._started - numbers[tuple(place)] / camera.scene.fps for place, shown in samples if tuple(place) in numbers]


class Image(Marked):
    """MJPEG in an <img>: the way of most projects. With "img" the head of the next part comes early, as we send it."""

    titles = {"img": "MJPEG in <img>, next head early", "img-late": "MJPEG in <img>, usual order"}

    def __enter__(self):
        self._late = LateMjpeg(self.running.view) if self.name == "img-late" else None
        self._base = self._late.start() if self._late else self.running.address
        return self

    def __exit__(self, *exc):
        if self._late:
            self._late.close()

    def _open(self, browser):
        browser.open(self._base + ("" if self._late else "api/version"))
        stream = self._base + ("stream" if self._late else "api/cameras/camera/stream.mjpg")
        browser.run("document.body.innerHTML = ''; " + MARKER.replace("WIDTH", self.width) + IMG_PAGE.replace("STREAM", stream))


class WebRtc(Marked):
    """WebRTC by aiortc, which encodes the camera's frames itself."""

    titles = {"webrtc": "WebRTC by aiortc"}
    flags = ("--disable-features=WebRtcHideLocalIpsWithMdns",)      # there may be no multicast here

    def __enter__(self):
        from edgecam.bench.latency_webrtc import Sender
        self._sender = Sender(self.running.newest)
        return self

    def __exit__(self, *exc):
        self._sender.close()

    def _open(self, browser):
        browser.open(self.running.address + "api/version")
        browser.run("document.body.innerHTML = ''; " + MARKER.replace("WIDTH", self.width))
        self._sender.connect(browser)


WAYS = {name: way for way in (Page, Image, WebRtc) for name in way.titles}


def capable(name):
    """Tell whether a way can be measured here: all but WebRTC need nothing more than the browser."""
    if WAYS[name] is not WebRtc:
        return True
    try:
        import aiortc           # noqa: F401
    except ImportError:
        return False
    return True
