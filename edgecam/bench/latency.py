"""From the camera to the screen: milliseconds until a frame is on the page, by each way that a browser can be fed.

Runs the built-in scene through the whole pipeline, shows it in a headless Chromium on this machine,
and takes for every frame shown the time from its capture to the refresh of the screen that has it. The
page's own players say which frame that is. With the others, MJPEG in an <img> and WebRTC by aiortc
(where that is installed), the scene's marker, whose place tells the frame's number, is read off the
picture. Then a second turn, with the scene's own truth for a detector, so that the load is steady: the
processor time that each viewer costs this process.
Needs a Chromium and websocket-client, on one clock: browser and camera must share the machine.
"""
import json
import os

from edgecam import clock
from edgecam.bench.frame_size import frame_size
from edgecam.bench.latency_browser import Browser, family
from edgecam.bench.latency_viewers import viewer_costs
from edgecam.bench.latency_ways import WAYS, capable
from edgecam.bench.told_to_end import unwinding
from edgecam.capture.scene import SIZES
from edgecam.config import load_config
from edgecam.detect import has_detector
from edgecam.errors import UsageError
from edgecam.pipeline import Pipeline
from edgecam.standard import tell
from edgecam.web import open_web
from edgecam.worker import Latest, Worker

TICK = os.sysconf("SC_CLK_TCK")
SETTLE = 4.0            # seconds between the first pictures and the measurement
RATE = 29.97            # as of many real cameras: in 17 s the camera comes at every moment between two refreshes of a screen of 60 Hz
LONGEST = 3600          # seconds of one way
LEGEND = """shown: of the frames sent meanwhile, those put on screen; timed: those that the browser named, so that they had their own overlay
and their time could be taken; camera, player: frames dropped before the encoder, and by the browser; longest: between two timed
pictures, ms; first: from the opening of the page to its first picture, ms; CPU: of the browser, in percent of a core.
"""


def add_arguments(parser):
    parser.add_argument("--seconds", type=float, default=20, help="how long each way is watched (default 20)")
    parser.add_argument("--size", default="960x540", metavar="WxH", help="size of the picture (default 960x540)")
    parser.add_argument("--detector", default="auto", help="detect.backend (default auto)")
    parser.add_argument("--ways", metavar="WAY,WAY", help="which, of: {} (default: all that are possible here)".format(", ".join(WAYS)))
    parser.add_argument("--no-costs", action="store_true", help="leave out what each viewer costs")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")


@unwinding()
def main(args):
    ways = [name for name in WAYS if capable(name)] if args.ways is None else args.ways.split(",")
    for name in ways:
        if name not in WAYS:
            raise UsageError("--ways {}: there are {}".format(name, ", ".join(WAYS)))
    if not 1 <= args.seconds <= LONGEST:
        raise UsageError("--seconds {:g}: expected 1 to {}".format(args.seconds, LONGEST))
    args.width, args.height = frame_size(args.size, *SIZES)
    results = measure(args, ways)
    if not args.no_costs:
        with Running(settings(args, "scene")) as running:
            results["costs"] = viewer_costs(running, args, "webrtc" in ways)
    tell(json.dumps(results, indent=1) + "\n" if args.json else table(results))
    return 0


def settings(args, detector):
    return load_config(overrides=["capture.input=test://street?marker=1&fps={}&size={}x{}".format(RATE, args.width, args.height),
                                  "detect.backend=" + detector, "web.listen=127.0.0.1:0"])


class Running:
    """A pipeline with its page, in threads of this process. *newest* has the newest frame as the camera gave it."""

    def __init__(self, conf):
        self.newest = Latest(dropped=lambda frame: frame.release())
        self.pipeline = Tapped(conf, self.newest)
        self.view, self.stats = self.pipeline.view, self.pipeline.stats
        self._blind = not has_detector(conf.detect)
        self._worker = Worker("bench-pipeline", lambda stopping: self.pipeline.run())
        self._web = open_web(conf, {self.view.name: self.view})
        self.address = self._web.address

    def __enter__(self):
        try:
            self._wait_until_ready()
        except BaseException:           # interrupted, too: the page and the pipeline must not go on alone
            self.__exit__()
            raise
        return self

    def _wait_until_ready(self):
        self._worker.start()
        while self.view.published is None or not (self.stats.detected or self._blind):       # the detector loads while video flows
            self._worker.check()
            clock.sleep(0.1)
        clock.sleep(3)

    def __exit__(self, *exc):
        self._web.close()
        self.pipeline.stop()
        self._worker.stop(90)
        left = self.newest.get(timeout=0)
        if left is not None:
            left.release()


class Tapped(Pipeline):
    """A pipeline that leaves each frame in the mailbox *newest*, too, before it encodes it: for a rival's own encoder."""

    def __init__(self, conf, newest):
        super().__init__(conf)
        self._newest = newest

    def _send(self, frame, *rest):
        self._newest.put(frame.hold())
        super()._send(frame, *rest)


def measure(args, ways):
    """Return {"ways": {name: figures}, ...} of one run."""
    with Running(settings(args, args.detector)) as running:
        found = {name: watch(WAYS[name](name, running, args), running, args) for name in ways}
        return {"ways": found, "detector": running.pipeline.detector_name,
                "detections_per_second": round(running.stats.per_second(running.stats.detected), 1),
                "to_packet": running.stats.stages["latency"].as_dict()}


def watch(way, running, args):
    """Show the stream in one way for a while; return its figures."""
    with way, Browser(flags=way.flags) as browser:
        way.show(browser)
        clock.sleep(SETTLE)
        first = browser.run("window.first")
        before, started, cpu = frame_counts(way, browser, running), clock.now(), cpu_seconds(family(browser.pid))
        clock.sleep(args.seconds)
        cpu, seconds = cpu_seconds(family(browser.pid)) - cpu, clock.now() - started
        after = frame_counts(way, browser, running)
        samples = browser.run("window.samples.slice({}, {})".format(before["timed"], after["timed"]))
    figures = quantiles([1e3 * late for late in way.latencies(samples)])
    figures.update(losses(before, after))
    figures.update(cpu_browser=round(100 * cpu / seconds, 1), first=first and round(first), longest_gap=longest_gap(samples),
                   waits_a_minute=round(60 * (after["waits"] - before["waits"]) / seconds, 1))
    return figures


def frame_counts(way, browser, running):
    """Return what was counted so far on a frame's way: dropped at capture, encoded, and what the way's `counts` has."""
    return dict(way.counts(browser), encoded=running.stats.encoded, capture=running.pipeline.camera.drops)


def losses(before, after):
    """Return where frames were lost between two `frame_counts`; "timed" frames were seen with their own overlay or marker.

    Sent were the frames from the one on screen before to the one on screen after. Where their numbers aren't known it is the
    frames encoded meanwhile, of which at either end some are still on their way.
    """
    def grown(name):
        return after[name] - before[name]
    return {"sent": grown("encoded") if after["number"] is None else grown("number") - grown("capture"),
            "shown": grown("timed" if after["presented"] is None else "presented"), "timed": grown("timed"),
            "dropped_at_capture": grown("capture"), "dropped_by_player": grown("player")}


def quantiles(values):
    """Return {"p50", "p95", "p99"} of *values*, None for none: the least of them that so many percent do not exceed."""
    values = sorted(values)
    return {"p{}".format(q): round(values[-(-len(values) * q // 100) - 1], 1) if values else None for q in (50, 95, 99)}


def longest_gap(samples):
    """Return the longest time between two frames on screen, ms; *samples* end with the time of showing, in seconds."""
    times = [sample[1] for sample in samples]
    return round(1e3 * max((b - a for a, b in zip(times, times[1:])), default=0.0))


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/{}/stat".format(pid)) as stream:
                fields = stream.read().rsplit(")", 1)[1].split()
        except OSError:         # it has ended meanwhile
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def table(results):
    """Return the figures as lines for people."""
    row = "{:<32}{:>7}{:>7}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}\n"
    lines = [row.format("capture to screen, ms", "p50", "p95", "p99", "shown", "timed", "camera", "player", "waits/m", "longest", "first", "CPU")]
    for name, r in results["ways"].items():
        lines.append(row.format(WAYS[name].titles[name], *[text(r[key]) for key in ("p50", "p95", "p99")] + [
            share(r["shown"], r["sent"]), share(r["timed"], r["sent"]), r["dropped_at_capture"], r["dropped_by_player"], r["waits_a_minute"],
            r["longest_gap"], text(r["first"]), "{} %".format(r["cpu_browser"])]))
    lines.append(LEGEND)
    lines.append("From capture to packet: {p50:.1f} ms, p99 {p99:.1f}. Detector: {}, {} a second.\n".format(
        results["detector"], results["detections_per_second"], **results["to_packet"]))
    if "costs" in results:
        lines.append("\n" + cost_table(results["costs"]))
    return "".join(lines)


def share(part, whole):
    return "{:.1%}".format(part / max(whole, 1))


def text(value):
    return "-" if value is None else value


def cost_table(costs):
    """Return the lines about `viewer_costs`."""
    row = "{:<42}{:>12}{:>12}\n"
    lines = [row.format("CPU for each viewer, % of a core", "1 viewer", "10 viewers")]
    for name, shares in costs["viewers"].items():
        lines.append(row.format(name, *["{:.2f}".format(shares[count]) if count in shares else "-" for count in ("1", "10")]))
    return "".join(lines) + "This process takes {:.1f} % with nobody watching.\n".format(costs["idle"])
