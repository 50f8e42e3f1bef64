"""Live mode on this machine: is a frame dropped, how late do packets leave, what is left for the detector?

Three turns over the same source, each in a process of its own: the detector alone, the video lane
alone, and both together. What the detector could do at best is its rate alone times the share of
the processors that the video lane leaves to its threads, and never more than the camera has frames.
"""
import json
import os
import subprocess
import sys

from edgecam.bench.json_file import expect_json, tell_beside, write_json
from edgecam.bench.told_to_end import unwinding
from edgecam.config import load_config
from edgecam.detect.engine import cores as usable_cores
from edgecam.errors import CaptureError, EdgecamError, UsageError
from edgecam.redaction import hide
from edgecam.standard import tell

LATENCY_BAR = {"p50": 20.0, "p99": 50.0}        # ms from capture to packet
RATE_BAR = 0.9                                  # of what is left


class BenchFailed(EdgecamError, RuntimeError):
    """A turn did not finish."""


def add_arguments(parser):
    parser.add_argument("input", nargs="?", default="test://street", metavar="INPUT", help="a video file or test://street")
    parser.add_argument("--model", default="auto", help="auto, a name or a path")
    parser.add_argument("--detector", default="auto", help="auto, onnx or openvino")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each turn")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    parser.add_argument("--json", type="path", metavar="FILE", help="write all figures to FILE; - is standard output")
    parser.add_argument("--turn", help="(one turn, for the bench itself)")


@unwinding()
def main(args):
    if args.turn:
        tell("\n" + json.dumps(TURNS[args.turn](settings_of(args), args.seconds)) + "\n")
        return 0
    if not args.seconds >= 1:
        raise UsageError("bench live: --seconds {:g}: expected at least 1".format(args.seconds))
    expect_json(args.json)
    turns = {name: take_turn(name) for name in TURNS}
    figures = compare(turns)
    tell_beside(render(figures, turns), args.json)
    if args.json:
        write_json(dict(figures, turns=turns), args.json)
    return 0


def settings_of(args):
    return load_config(overrides=["capture.input=" + args.input, "detect.model=" + args.model, "detect.backend=" + args.detector,
                                  "pipeline.mode=live", "web.listen=off", "outputs.urls=null:",
                                  "pipeline.duration={}".format(args.seconds)] + args.set)


def take_turn(name):
    """Run this very command again for one turn."""
    words = [sys.executable, "-m", "edgecam"] + sys.argv[1:] + ["--turn", name]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise BenchFailed("turn {} failed: {}".format(name, last or "exit code {}".format(done.returncode)))
    return json.loads(done.stdout.decode().strip().splitlines()[-1])


def detector_alone(conf, seconds):
    """Detections per second of the bare engine on a stored tensor, the same threads and priority."""
    from edgecam import clock
    from edgecam.capture import open_camera
    from edgecam.detect import open_detector
    with open_camera(conf.capture) as camera, open_detector(conf.detect) as detector:
        if not hasattr(detector, "bare_engine"):
            raise UsageError("--detector {}: has no engine that could be measured alone; expected auto, onnx or openvino".format(conf.detect.backend))
        frame = camera.read()
        detector.detect(frame)
        run = detector.bare_engine(frame)
        started, count, before = clock.now(), 0, cpu()
        while clock.now() - started < seconds:
            run()
            count += 1
        wall = clock.now() - started
        return {"rate": count / wall, "cpu": (cpu() - before) / wall, "threads": detector.threads, "model": detector.model,
                "engine": detector.name}


def video_alone(conf, seconds):
    conf.detect = conf.detect.replace(backend="none")
    return both(conf, seconds)


def both(conf, seconds):
    """Run the pipeline; return its rates, latencies, drops and CPU share."""
    from edgecam.pipeline import Pipeline
    pipeline = Pipeline(conf)
    spent = cpu_while_frames_come(pipeline.stats)
    stats = pipeline.run()
    if not stats.seconds:
        raise CaptureError("{}: no rate can be told of {} frame{}; take a longer video".format(
            hide(conf.capture.input), stats.frames, "" if stats.frames == 1 else "s"))
    latency = stats.stages["latency"].as_dict()
    return {"frames": stats.frames, "encoded": stats.encoded, "dropped": pipeline.camera.drops, "cpu": (spent[-1] - spent[0]) / stats.seconds,
            "rate": stats.per_second(stats.detected), "latency_ms": latency, "fps": stats.per_second(stats.encoded),
            "stages_ms": {name: h.as_dict() for name, h in stats.stages.items() if h.count}}


TURNS = {"detector": detector_alone, "video": video_alone, "both": both}


def cpu_while_frames_come(stats):
    """Return a list that will hold the CPU seconds at the first and at the last frame: what the start costs is no load of the run."""
    spent, captured = [], stats.captured

    def noted(now):
        spent[1:] = [cpu()]
        captured(now)
    stats.captured = noted
    return spent


def cpu():
    """CPU seconds of this process so far."""
    times = os.times()
    return times.user + times.system


def compare(turns):
    """Return the figures that have bars."""
    cores, threads = usable_cores(), turns["detector"]["threads"]
    left = min(threads, max(cores - turns["video"]["cpu"], 0)) / threads
    possible = min(turns["detector"]["rate"] * left, turns["video"]["fps"])
    return {"cores": cores, "left_for_the_detector": left, "possible_rate": possible,
            "rate": turns["both"]["rate"], "share": turns["both"]["rate"] / possible if possible else 0.0,
            "dropped": turns["both"]["dropped"], "latency_ms": turns["both"]["latency_ms"]}


def render(figures, turns):
    detector, together = turns["detector"], turns["both"]
    rows = [
        "{} on {} with {} thread(s), {} cores".format(detector["model"], detector["engine"], detector["threads"], figures["cores"]),
        "detector alone        {:7.2f} /s, {:.2f} cores busy".format(detector["rate"], detector["cpu"]),
        "video lane alone      {:7.2f} fps, {:.2f} cores busy, latency p50 {p50} ms, p99 {p99} ms".format(
            turns["video"]["fps"], turns["video"]["cpu"], **turns["video"]["latency_ms"]),
        "both                  {:7.2f} fps, {:.2f} detections/s, {:.2f} cores busy".format(together["fps"], together["rate"], together["cpu"]),
        "",
        "frames dropped        {} of {} ({})".format(figures["dropped"], together["frames"], verdict(figures["dropped"] == 0)),
    ]
    rows += ["latency {:13} {:7.2f} ms (below {:g}: {})".format(name, figures["latency_ms"][name], bar, verdict(figures["latency_ms"][name] < bar))
             for name, bar in LATENCY_BAR.items()]
    rows.append("detection rate        {:7.2f} of {:.2f} possible = {:.2f} (at least {}: {})".format(
        figures["rate"], figures["possible_rate"], figures["share"], RATE_BAR, verdict(figures["share"] >= RATE_BAR)))
    return "\n".join(rows) + "\n"


def verdict(met):
    return "met" if met else "missed"
