"""Bits that regions of interest save: BD-rate inside the objects' true boxes, outside, and over the whole picture.

Each video is encoded at five bitrates, decoded and compared with the original (PSNR and SSIM of
luma), with and without regions. Two references, at the same preset and rate control:
  own AQ   x264 as it comes, with its own adaptive quantisation (aq-mode 1, strength 1)
  no AQ    x264's best setting without regions for PSNR (aq-mode 0)
Regions are planned from the detector's and tracker's work on each frame. With --live they are also
planned as in live mode, --hz detections a second that arrive --latency late: carried forward
by the tracker, and held where they were. True boxes come from --truth, or gt.jsonl beside the video.
"""
import os

from edgecam.bench import roi_drive as drive
from edgecam.bench import roi_report as report
from edgecam.bench.frame_size import frame_size
from edgecam.bench.json_file import expect_json, tell_beside, write_json
from edgecam.bench.roi_clip import Clip, beside
from edgecam.bench.roi_measure import FEWEST_FRAMES, Contestant, choose_rates, join_options, measure_all
from edgecam.bench.video_file import video_source
from edgecam.commands.gathered_words import Gathered
from edgecam.config import load_config, number
from edgecam.errors import UsageError
from edgecam.plotting import expect_plot

SLOWEST = 0.001         # detections a second


def add_arguments(parser):
    parser.gathers = True
    parser.add_argument("videos", type="path", metavar="VIDEO", nargs="+", action=Gathered, help="a video file")
    parser.add_argument("--truth", type="path", metavar="FILE", action="append", default=[],
                        help="true boxes, a JSON line a frame; once for each video (default: gt.jsonl beside it, "
                             "else the detector's own boxes)")
    parser.add_argument("--size", default="960x540", help="scale the videos to WIDTHxHEIGHT; source: leave them (default 960x540)")
    parser.add_argument("--frames", type=int, help="use the first so many frames of each video")
    parser.add_argument("--model", help="name or path of the detector's model")
    parser.add_argument("--boxes", choices=("detector", "truth", "noisy"), default="detector",
                        help="what the tracker and the plan get; truth: perfect boxes; noisy: those with a detector's errors")
    parser.add_argument("--live", action="store_true", help="add live mode: boxes carried forward, and boxes held")
    parser.add_argument("--hz", type=float, default=5.0, help="detections per second in live mode (default 5)")
    parser.add_argument("--latency", type=float, help="seconds until a detection is ready (default: one over --hz)")
    parser.add_argument("--bitrates", help="five or more, separated by commas: 200k,400k,... (default: chosen for each video)")
    parser.add_argument("--config", type="path", metavar="FILE", action="append", default=[], help="settings (edgecam check --defaults lists all)")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides", help="one setting, over the files")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="encodings at the same time (default: one per core)")
    parser.add_argument("--json", type="path", metavar="FILE", help="write all figures to FILE; - is standard output")
    parser.add_argument("--plot", type="path", metavar="FILE", help="draw the curves into a PNG")


def main(args):
    task = check(args)
    expect_json(args.json)
    expect_plot(args.plot)
    results = []
    for index, path in enumerate(args.videos):
        truth = args.truth[index] if index < len(args.truth) else beside(path)
        with Clip(path, task["size"], truth, args.frames) as clip:
            results.append(run(clip, task, args))
        tell_beside(report.table(results[-1]) + "\n", args.json)
    summary = report.summarise(results)
    tell_beside(report.verdict(summary) + "\n", args.json)
    if args.json:
        write_json({"videos": results, "summary": summary}, args.json)
    if args.plot:
        report.plot(results, args.plot)
    return 0


def check(args):
    """Return what the words mean. Raises `UsageError`."""
    if len(args.truth) > len(args.videos):
        raise UsageError("there are more --truth files than videos")
    if args.hz < SLOWEST or (args.latency is not None and args.latency < 0) or args.workers < 1 or (args.frames is not None and args.frames < 1):
        raise UsageError("--hz is {:g} or more, --workers and --frames are above zero, --latency is not below".format(SLOWEST))
    if args.frames is not None and args.frames < FEWEST_FRAMES:
        raise UsageError("--frames {}: a BD-rate needs {} at least, better a few hundred".format(args.frames, FEWEST_FRAMES))
    for video in args.videos:
        video_source(video, "bench roi")
    for path in args.truth:                 # told before a video is decoded
        if not os.path.isfile(path):
            raise UsageError("bench roi: --truth {}: {}".format(path, "is no file" if os.path.exists(path) else "there is no such file"))
    words = list(args.overrides) + (["detect.model=" + args.model] if args.model else [])
    return {"conf": load_config(*args.config, overrides=words), "size": parse_size(args.size),
            "rates": parse_rates(args.bitrates)}


def parse_size(text):
    """Return (width, height) in pixels, None for the videos' own. Raises `UsageError`."""
    if text == "source":
        return None
    width, height = frame_size(text, also=", or source")
    if width % 2 or height % 2:
        raise UsageError("--size {}: both sides are even, such as 960x540".format(text))
    return width, height


def parse_rates(text):
    if text is None:
        return None
    try:
        rates = sorted(int(number(part)) for part in text.split(","))
    except ValueError as error:
        raise UsageError("--bitrates {}: {}".format(text, error)) from error
    if len(rates) < 4 or rates[0] < 20000:
        raise UsageError("--bitrates {}: a BD-rate needs four at least, of 20k or more".format(text))
    return rates


def run(clip, task, args):
    """Measure one clip; return its figures as plain values."""
    if clip.count < FEWEST_FRAMES:
        raise UsageError("{}: has {} frame{}, and a BD-rate needs {} at least; take a longer video".format(
            clip.name, clip.count, "" if clip.count == 1 else "s", FEWEST_FRAMES))
    conf = task["conf"]
    result = {"video": clip.name, "frames": clip.count, "rate": float(clip.format.rate),
              "size": [clip.format.width, clip.format.height], "preset": conf.encode.preset, "qp": conf.roi.qp}
    plans = make_plans(clip, conf, args, result)
    rates = task["rates"] or choose_rates(clip, conf.encode.replace(backend="x264"))
    points = measure_all(clip, contestants(conf, plans, clip), rates, args.workers, report.progress(clip.name, len(rates) * (len(plans) + 2)))
    result["points"] = {name: [point._asdict() for point in found] for name, found in points.items()}
    result["bd"] = report.deltas(points)
    return result


def make_plans(clip, conf, args, result):
    """Return {name: plans} of the contestants with regions, and note in *result* what drives them."""
    watch = report.progress(clip.name + ": detect", clip.count)
    if args.boxes == "detector" or clip.truth is None:
        result["boxes"], found = drive.detect_all(clip, conf.detect, watch)
    else:
        result["boxes"], found = args.boxes, clip.truth if args.boxes == "truth" else drive.noisy(clip.truth)
    result["truth"] = "file" if clip.truth else "detector"
    if clip.truth is None:
        clip.truth = found
    plans = {"regions": drive.exact_plans(clip, found, conf)}
    if args.live:
        latency = 1 / args.hz if args.latency is None else args.latency
        result.update(hz=args.hz, latency=latency)
        plans["carried"] = drive.live_plans(clip, found, conf, args.hz, latency)
        plans["held"] = drive.live_plans(clip, found, conf, args.hz, latency, held=True)
    result["area"] = {name: report.share(clip, plan) for name, plan in plans.items()}
    return plans


def contestants(conf, plans, clip):
    """Return the two references and one contestant for each way of planning."""
    none, encode = drive.no_plans(clip), conf.encode.replace(backend="x264")
    return [Contestant("own AQ", encode.replace(aq_strength=1.0), none, conf.roi),
            Contestant("no AQ", encode.replace(options=join_options(encode.options, "aq-mode=0")), none, conf.roi)
            ] + [Contestant(name, encode, plan, conf.roi) for name, plan in plans.items()]
