"""What the ROI benchmark says: tables, the verdict against the bars, the plot."""
import logging
import sys
from statistics import mean

from edgecam.bench.roi_bdrate import bd_rate
from edgecam.bench.roi_quality import PARTS
from edgecam.plotting import import_pyplot, save_figure
from edgecam.standard import tell

log = logging.getLogger(__name__)

REFERENCES = ("own AQ", "no AQ")
MEAN_BARS = {"own AQ": -40.0, "no AQ": -20.0}       # percent of bits inside the true boxes, over all videos
EACH_BARS = {"own AQ": -20.0, "no AQ": -10.0}       # for the video that gains least
LIVE_BAR = 0.85                                     # of the exact saving, with boxes carried forward


def say(text):
    tell(text + "\n")


def progress(what, total):
    """Return a function that passes an iterable on and tells how far it is."""
    def watch(items):
        try:
            from tqdm import tqdm
        except ImportError:
            log.info("%s: %d steps", what, total)
            return items
        return tqdm(items, desc=what, total=total, file=sys.stderr, disable=None, leave=False)
    return watch


def share(clip, plans):
    """Return the average share of the picture that regions cover, overlaps counted twice."""
    picture = clip.format.width * clip.format.height
    return sum(region.box.area for plan in plans for region in plan.regions) / picture / len(plans)


def deltas(points):
    """Return {contestant: {reference: {"psnr": {part: percent}, "ssim": {part: percent}, "frames": percent}}}."""
    return {name: {reference: delta(points[reference], found) for reference in REFERENCES}
            for name, found in points.items() if name not in REFERENCES}


def delta(reference, test):
    table = {kind: {part: bd_rate(curve(reference, kind, part), curve(test, kind, part)) for part in PARTS}
             for kind in ("psnr", "ssim")}
    table["frames"] = bd_rate([(p.rate, p.frames_psnr) for p in reference], [(p.rate, p.frames_psnr) for p in test])
    return table


def curve(points, kind, part):
    return [(point.rate, getattr(point, kind)[part]) for point in points]


def table(result):
    """Return the figures of one video as text."""
    lines = ["{video}: {frames} frames at {rate:.4g}/s, {0}x{1}, x264 {preset}, region QP {qp:+d}; ".format(*result["size"], **result)
             + "boxes from {}; ".format(result["boxes"])
             + ("scored in the file's true boxes" if result["truth"] == "file" else "no truth: scored in the detector's own boxes"),
             "{:10} {:>9} {:>9}   {:>23}   {:>23} {:>8}".format("", "asked", "took", "PSNR in  out  whole, dB", "SSIM in  out  whole, dB", "CPU ms")]
    for name, points in result["points"].items():
        for p in points:
            lines.append("{:10} {:7.0f} k {:7.1f} k   {:7.2f} {:7.2f} {:7.2f}   {:7.2f} {:7.2f} {:7.2f} {:8.2f}".format(
                name, p["asked"] / 1e3, p["rate"] / 1e3, *[p[kind][part] for kind in ("psnr", "ssim") for part in PARTS] + [p["encode_ms"]]))
    lines += ["", "{:10} {:>8} {:>9}   {:>24}   {:>24}".format("BD-rate %", "area", "against", "PSNR in   out   whole", "SSIM in   out   whole")]
    for name, against in result["bd"].items():
        for reference, bd in against.items():
            lines.append("{:10} {:7.1f}% {:>9}   {:+8.1f} {:+7.1f} {:+7.1f}   {:+8.1f} {:+7.1f} {:+7.1f}".format(
                name, 100 * result["area"][name], reference, *[bd[kind][part] for kind in ("psnr", "ssim") for part in PARTS]))
    return "\n".join(lines) + "\n"


def summarise(results):
    """Return mean and worst saving inside by contestant and reference, and what the saving costs outside."""
    summary = {}
    for name in results[0]["bd"]:
        for reference in REFERENCES:
            inside = [result["bd"][name][reference]["psnr"]["inside"] for result in results]
            outside = [result["bd"][name][reference]["psnr"]["outside"] for result in results]
            summary.setdefault(name, {})[reference] = {
                "inside_mean": mean(inside), "inside_worst": max(inside), "outside_mean": mean(outside),
                "encode_ratio": mean(encode_ratio(result, name, reference) for result in results)}
    return summary


def encode_ratio(result, name, reference):
    """Return the CPU time of encoding with regions over that of the reference, at the middle bitrate."""
    middle = len(result["points"][name]) // 2
    return result["points"][name][middle]["encode_ms"] / result["points"][reference][middle]["encode_ms"]


def verdict(summary):
    """Return the summary beside the bars as text."""
    lines = ["all videos: BD-rate inside the true boxes (PSNR)"]
    for name, against in summary.items():
        for reference, row in against.items():
            met = row["inside_mean"] <= MEAN_BARS[reference] and row["inside_worst"] <= EACH_BARS[reference]
            bars = "mean {:+.0f}, each {:+.0f}: {}".format(MEAN_BARS[reference], EACH_BARS[reference], "met" if met else "missed")
            lines.append("{:10} against {:7} mean {:+6.1f} %  least {:+6.1f} %  outside {:+6.1f} %  encoding {:.2f}x  ({})".format(
                name, reference, row["inside_mean"], row["inside_worst"], row["outside_mean"], row["encode_ratio"],
                bars if name == "regions" else "live mode"))
    for name in ("carried", "held"):
        if name in summary:
            lines += [live_line(summary, name, reference) for reference in REFERENCES]
    return "\n".join(lines)


def live_line(summary, name, reference):
    kept = summary[name][reference]["inside_mean"] / summary["regions"][reference]["inside_mean"]
    bar = " ({:.0%} asked: {})".format(LIVE_BAR, "met" if kept >= LIVE_BAR else "missed") if name == "carried" else ""
    return "{:10} keeps {:.0%} of the exact saving against {}{}".format(name, kept, reference, bar)


def plot(results, path):
    """Draw PSNR over bitrate inside, outside and whole, a row for each video, into a PNG."""
    figure, axes = import_pyplot().subplots(len(results), 3, figsize=(12, 3.6 * len(results)), squeeze=False)
    for row, result in zip(axes, results):
        for axis, part in zip(row, PARTS):
            draw(axis, result, part)
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    save_figure(figure, path)


def draw(axis, result, part):
    for name, points in result["points"].items():
        style = "--" if name in REFERENCES else "-"
        axis.plot([p["rate"] / 1e3 for p in points], [p["psnr"][part] for p in points], style, marker="o", markersize=3, label=name)
    saved = "  ".join("{:+.0f} % vs {}".format(bd["psnr"][part], reference) for reference, bd in result["bd"]["regions"].items())
    where = {"inside": "inside the true boxes", "outside": "outside them", "whole": "whole picture"}[part]
    axis.set_title("{}, {}\nbits: {}".format(result["video"], where, saved), fontsize=9)
    axis.set_xscale("log")
    for side in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        side(lambda value, _: "{:g}".format(value) if "{:e}".format(value)[0] in "1235" else "")     # more would run together
    axis.set_xlabel("kbit/s", fontsize=8)
    axis.set_ylabel("PSNR, dB", fontsize=8)
    axis.tick_params(which="both", labelsize=7)
    axis.grid(alpha=0.3, which="both")
