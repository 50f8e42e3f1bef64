"""Cost of the whole way of a frame, against the usual ways of doing it, in one run.

The same video, model, engine thread and encoder settings go through
  edgecam   capture, detector, tracker, ROI plan, x264, MP4
  opencv    VideoCapture -> ONNX Runtime -> boxes drawn -> JPEG
  pipes     FFmpeg raw-video pipe -> ONNX Runtime -> boxes drawn -> pipe -> FFmpeg x264
  floor     the sum of the bare stages: decode, preprocess, inference, encode
CPU time is that of whole process trees; the overhead is what is not spent inside the engine.
Contestants take turns; the figures are medians over the rounds, ratios are taken within a round.
"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress

from edgecam import clock
from edgecam.bench.json_file import expect_json, tell_beside, write_json
from edgecam.bench.told_to_end import unwinding
from edgecam.bench.video_file import open_video, video_source
from edgecam.config import load_config, number
from edgecam.errors import BackendUnavailable, EdgecamError, UsageError
from edgecam.pipes import is_pipe
from edgecam.redaction import hide

ORDER = ("edgecam", "opencv", "pipes", "floor")
BARS = (("overhead against pipes", "overhead", "pipes", 0.65), ("overhead against opencv", "overhead", "opencv", 0.95),
        ("total against floor", "total", "floor", 1.10))
MEMORY_BAR = 100        # MB above opencv


class BenchFailed(EdgecamError, RuntimeError):
    """A contestant did not finish."""


def add_arguments(parser):
    parser.add_argument("video", type="path", metavar="VIDEO", help="a video file")
    parser.add_argument("--model", type="path", default="auto", help="name or path of the model (auto: the light one)")
    parser.add_argument("--bitrate", default="1M", help="of both encoders")
    parser.add_argument("--seconds", type=float, default=10.0, help="how much of the video is used")
    parser.add_argument("--rounds", type=int, default=3, help="how often everybody has a turn")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, as encode.preset=veryfast")
    parser.add_argument("--json", type="path", metavar="FILE", help="write all figures to FILE; - is standard output")


@unwinding()
def main(args):
    if args.rounds < 1 or args.seconds <= 0:
        raise UsageError("--rounds and --seconds are above zero")
    expect_json(args.json)
    expect_rivals()
    with tempfile.TemporaryDirectory() as folder:
        task = make_task(args, folder)
        rounds = [{name: take_turn(name, task) for name in ORDER} for _ in range(args.rounds)]
    table, task = summarise(rounds), dict(task, video=hide(task["video"]))
    tell_beside(render(table, task, args.rounds), args.json)
    if args.json:
        write_json({"task": task, "rounds": rounds, "summary": table}, args.json)
    return 0


def expect_rivals():
    """Raise `BackendUnavailable` before anybody has a turn where one of the others can't have one."""
    try:
        import cv2              # noqa: F401
    except ImportError as error:
        raise BackendUnavailable("bench pipeline compares with OpenCV: {} (try: pip install opencv-python-headless)".format(error)) from error
    if shutil.which("ffmpeg") is None:
        raise BackendUnavailable("bench pipeline compares with the program ffmpeg, which is not here: apt-get install ffmpeg")


def bits(text):
    """Return the number typed behind --bitrate. Raises `UsageError`."""
    try:
        return number(text)
    except ValueError as error:
        raise UsageError("--bitrate {}: {}; expected bits a second, such as 800k".format(text, error)) from error


def make_task(args, folder):
    """Return what every contestant is told."""
    from edgecam.detect.models import find_model
    model = "edgecam-detectnet-light-960x540" if args.model == "auto" else args.model
    find_model(model)
    encode, bitrate = load_config(overrides=args.set).encode, bits(args.bitrate)
    source = video_source(args.video, "bench pipeline")
    if is_pipe(source.path):
        raise UsageError("bench pipeline: VIDEO: {} is a pipe, which can't be played again; name a file".format(source.text))
    with open_video(args.video) as camera:
        video = camera.format
        length = camera.length or int(args.seconds * video.rate)
    frames = min(length, int(round(args.seconds * video.rate)))
    if frames < 1:
        raise UsageError("--seconds {:g}: is less than one frame of this video".format(args.seconds))
    path = os.path.abspath(source.path) if source.kind == "file" else source.path       # what FFmpeg takes for no protocol
    return {"video": path, "model": model, "bitrate": bitrate,
            "output": os.path.join(folder, "out.mp4"), "seconds": (frames - 0.5) / float(video.rate), "frames": frames,
            "width": video.width, "height": video.height, "rate": str(video.rate), "set": args.set,
            "preset": " ".join([encode.preset] + encode.options.split(":")).strip()}


def take_turn(name, task):
    """Run one contestant; return its figures: CPU milliseconds a frame, and the peak memory of its processes in MB."""
    started = clock.now()
    words = [sys.executable, "-m", "edgecam.bench.pipeline_child", name, json.dumps(task)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process, MemoryMeter(process.pid) as meter:
        try:
            out, err = process.communicate()
        finally:
            end(process)                # interrupted: it must not go on alone
    if process.returncode:
        last = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise BenchFailed("{} failed: {}".format(name, last or "exit code {}".format(process.returncode)))
    told = json.loads(out.decode().strip().splitlines()[-1])
    frames = max(told["frames"], 1)
    stages = {stage: 1e3 * seconds / frames for stage, seconds in (told["stages"] or {}).items()}
    total = sum(stages.values()) if stages else 1e3 * told["cpu"] / frames
    engine = 1e3 * told["engine"] / frames
    return {"frames": told["frames"], "total": total, "engine": engine, "overhead": total - engine, "peak_mb": meter.peak,
            "wall": clock.now() - started, "stages": stages}


def end(process):
    """End a contestant that still runs, and the programs that it started."""
    for pid in family(process.pid) if process.poll() is None else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


class MemoryMeter:
    """Watches the resident memory of a process and its children ten times a second; a context manager. *peak* is in MB."""

    def __init__(self, pid):
        self._pid, self.peak, self._stop = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="edgecam-memory", daemon=True)     # interrupted as it starts, it keeps nobody

    def __enter__(self):
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.1):
            self.peak = max(self.peak, sum(resident(pid) for pid in family(self._pid)) / 1e6)

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()


def family(pid):
    """Return *pid* and its children, by /proc."""
    try:
        with open("/proc/{0}/task/{0}/children".format(pid)) as stream:
            return [pid] + [int(child) for child in stream.read().split()]
    except OSError:
        return [pid]


def resident(pid):
    """Bytes of memory that *pid* holds; 0 when it is gone."""
    try:
        with open("/proc/{}/statm".format(pid)) as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def summarise(rounds):
    """Return medians of each contestant, and the ratios of edgecam to the others, taken round by round."""
    keys = ("total", "engine", "overhead", "peak_mb", "wall")
    table = {name: {key: statistics.median(r[name][key] for r in rounds) for key in keys} for name in ORDER}
    table["floor"]["stages"] = {stage: statistics.median(r["floor"]["stages"][stage] for r in rounds)
                                for stage in rounds[0]["floor"]["stages"]}
    table["ratios"] = {label: statistics.median(r["edgecam"][key] / r[other][key] for r in rounds)
                       for label, key, other, _ in BARS}
    return table


def render(table, task, rounds):
    lines = ["{frames} frames of {video} ({width}x{height}), {model}, one engine thread, x264 {preset} at {bitrate} bit/s;"
             .format(**task), "medians of {} rounds, CPU ms a frame of the whole process tree".format(rounds), "",
             "{:10} {:>9} {:>9} {:>9} {:>9}".format("", "total", "engine", "overhead", "peak MB")]
    for name in ORDER:
        row = table[name]
        lines.append("{:10} {:9.2f} {:9.2f} {:9.2f} {:9.0f}".format(name, row["total"], row["engine"], row["overhead"], row["peak_mb"]))
    lines.append("floor: " + ", ".join("{} {:.2f}".format(*item) for item in table["floor"]["stages"].items()))
    lines.append("")
    for label, _, _, bar in BARS:
        value = table["ratios"][label]
        lines.append("{:28} {:.3f}x (at most {:.2f}: {})".format(label, value, bar, "met" if value <= bar else "missed"))
    more = table["edgecam"]["peak_mb"] - table["opencv"]["peak_mb"]
    lines.append("{:28} {:+.0f} MB (at most +{}: {})".format("memory against opencv", more, MEMORY_BAR, "met" if more <= MEMORY_BAR else "missed"))
    return "\n".join(lines) + "\n"
