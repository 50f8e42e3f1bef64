"""From the camera to the screen: milliseconds until a frame is on the page, by each way that a browser can be fed.

Runs the built-in scene through the whole pipeline, shows the page in a headless Chromium on this
machine, and takes for every frame shown the time since its capture. WebCodecs, MSE and the page's own
MJPEG are timed when the page paints the frame (WebCodecs, MJPEG) or the browser says that it was
presented (MSE); the plain <img> MJPEG of other projects is timed by reading the scene's marker, whose
place tells the frame's number, off the image every few milliseconds. CPU is that of the whole
Chromium, and of this process beyond what it takes with nobody watching. Needs a Chromium and
websocket-client, on one clock: browser and camera must share the machine.
"""
import json
import os
import sys
import time

from edgecam import clock
from edgecam.bench.latency_browser import Browser
from edgecam.bench.latency_pages import IMG_PAGE, PAGE_PROBE
from edgecam.config import load_config
from edgecam.web import open_web
from edgecam.worker import Worker

WAYS = ("codecs", "mse", "mjpeg", "img", "img-late")
TITLES = {"codecs": "WebCodecs", "mse": "MSE", "mjpeg": "MJPEG, our player", "img": "MJPEG in <img>, next head early",
          "img-late": "MJPEG in <img>, usual order"}
TICK = os.sysconf("SC_CLK_TCK")


def add_arguments(parser):
    parser.add_argument("--seconds", type=float, default=20, help="how long each way is watched (default 20)")
    parser.add_argument("--size", default="960x540", metavar="WxH", help="size of the picture (default 960x540)")
    parser.add_argument("--detector", default="auto", help="detect.backend (default auto)")
    parser.add_argument("--ways", default=",".join(WAYS), help="which, of: " + ", ".join(WAYS))
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")


def main(args):
    results = measure(args)
    if args.json:
        sys.stdout.write(json.dumps(results, indent=1) + "\n")
    else:
        sys.stdout.write(table(results))
    return 0


def measure(args):
    """Return {"idle": ..., way: figures} of one run."""
    from edgecam.pipeline import Pipeline
    conf = load_config(overrides=["capture.input=test://street?marker=1&size=" + args.size, "detect.backend=" + args.detector,
                                  "web.listen=127.0.0.1:0"])
    pipeline = Pipeline(conf)
    worker = Worker("bench-pipeline", lambda stopping: pipeline.run()).start()
    results = {}
    try:
        with open_web(conf, {pipeline.view.name: pipeline.view}) as server, late_server(pipeline.view) as late:
            while pipeline.view.published is None or not pipeline.stats.detected:     # the detector loads while video flows
                worker.check()
                clock.sleep(0.1)
            clock.sleep(3)
            results["idle"] = idle(args.seconds / 2)
            for way in args.ways.split(","):
                results[way] = watch(way, server.address, late, pipeline, args)
                results[way]["cpu_server"] = round(results[way]["cpu_server"] - results["idle"]["cpu"], 1)
            results["dropped_at_capture"] = pipeline.camera.drops
            results["detector"] = pipeline.detector_name
    finally:
        pipeline.stop()
        worker.stop(90)
    return results


def idle(seconds):
    """Percent of a core that this process takes with nobody watching."""
    before, start = cpu_seconds([os.getpid()]), clock.now()
    clock.sleep(seconds)
    return {"cpu": round(100 * (cpu_seconds([os.getpid()]) - before) / (clock.now() - start), 1)}


def watch(way, address, late_address, pipeline, args):
    """Show the stream in one way for a while; return its figures."""
    with Browser() as browser:
        prepare(browser, way, address, late_address, args)
        clock.sleep(4)
        browser.run("window.samples.length = 0")
        waits, drops = counts(browser, way)
        published, started = pipeline.stats.encoded, clock.now()
        cpu = cpu_seconds(family(browser.pid)), cpu_seconds([os.getpid()])
        clock.sleep(args.seconds)
        cpu = cpu_seconds(family(browser.pid)) - cpu[0], cpu_seconds([os.getpid()]) - cpu[1]
        seconds = clock.now() - started
        samples = browser.run("window.samples")
        sent = pipeline.stats.encoded - published
        after = counts(browser, way)
    figures = quantiles([1e3 * late for late in latencies(way, samples, pipeline)])
    figures.update(shown=len(samples), sent=sent, cpu_browser=round(100 * cpu[0] / seconds, 1), cpu_server=100 * cpu[1] / seconds,
                   waits_a_minute=round(60 * (after[0] - waits) / seconds, 1), dropped_by_player=after[1] - drops)
    return figures


def prepare(browser, way, address, late_address, args):
    browser.call("Page.addScriptToEvaluateOnNewDocument", source="window.samples = []; window.wall = {}".format(wall_offset()))
    if way in ("img", "img-late"):
        browser.open(address + "api/version" if way == "img" else late_address)
        stream = address + "api/cameras/camera/stream.mjpg" if way == "img" else late_address + "stream"
        browser.run("document.body.innerHTML = ''; " + IMG_PAGE.replace("STREAM", stream).replace("WIDTH", args.size.split("x")[0]))
    else:
        browser.open(address + "?player=" + way)
        browser.wait("document.querySelector('.tile')?.tile.shown > 5", 60)
        browser.run(PAGE_PROBE)


def wall_offset():
    """Seconds from our clock to the wall clock, which browsers show as timeOrigin + now()."""
    return min((time.time() - clock.now() for _ in range(50)), key=lambda offset: offset)


def counts(browser, way):
    """Return (times that playing waited for data, frames that the player left out) so far."""
    if way in ("img", "img-late"):
        return 0, 0
    return tuple(browser.run("(({player}) => [player.waits ?? 0, player.skipped])(document.querySelector('.tile').tile)"))


def latencies(way, samples, pipeline):
    """Seconds from capture to the screen; an <img> tells the frame's number only, our page the time of its capture."""
    if way not in ("img", "img-late"):
        return [shown - captured for captured, shown in samples]
    scene, first = pipeline.camera.scene, pipeline.camera._started
    numbers = number_lookup(scene, pipeline.stats.frames + pipeline.camera.drops)
    return [shown - first - numbers[tuple(place)] / scene.fps for place, shown in samples if tuple(place) in numbers]


def number_lookup(scene, newest):
    """{(x, y) of the marker: the newest frame that has it there}."""
    return {tuple(int(v) for v in scene.marker_box(number)[:2]): number for number in range(max(0, newest - 5000), newest + 1)}


def quantiles(values):
    values = sorted(values)
    if not values:
        return {"p50": None, "p95": None, "p99": None}
    return {"p{}".format(q): round(values[min(len(values) - 1, int(len(values) * q / 100.0))], 1) for q in (50, 95, 99)}


def family(pid):
    """The ids of a process and all its descendants."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/{}/stat".format(name)) as stream:
                    parents.setdefault(int(stream.read().rsplit(")", 1)[1].split()[1]), []).append(int(name))
            except OSError:         # it has ended meanwhile
                continue
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/{}/stat".format(pid)) as stream:
                fields = stream.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return total / TICK


def late_server(view):
    from edgecam.bench.latency_pages import LateMjpeg
    return LateMjpeg(view)


def table(results):
    lines = ["{:<34}{:>8}{:>8}{:>8}{:>9}{:>9}{:>11}{:>11}".format(
        "capture to screen, ms", "p50", "p95", "p99", "shown", "waits/m", "browser %", "server %")]
    for way in WAYS:
        if way in results:
            r = results[way]
            lines.append("{:<34}{:>8}{:>8}{:>8}{:>9.1%}{:>9}{:>11}{:>11}".format(
                TITLES[way], r["p50"], r["p95"], r["p99"], r["shown"] / max(r["sent"], 1), r["waits_a_minute"], r["cpu_browser"], r["cpu_server"]))
    lines.append("CPU in percent of a core; this process takes {} % with nobody watching. Detector: {}; {} frames dropped at capture.".format(
        results["idle"]["cpu"], results["detector"], results["dropped_at_capture"]))
    return "\n".join(lines) + "\n"
