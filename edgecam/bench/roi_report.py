"""What the ROI benchmark says: tables, the verdict against the bars, the plot."""
import logging
import sys
from statistics import mean

from edgecam.bench.roi_bdrate import bd_rate
from edgecam.bench.roi_quality import PARTS
from edgecam.plotting import import_pyplot, save_figure
from edgecam.standard import one_line

log = logging.getLogger(__name__)

REFERENCES = ("own AQ", "no AQ")
MEAN_BARS = {"own AQ": -40.0, "no AQ": -20.0}       # percent of bits inside the true boxes, over all videos
EACH_BARS = {"own AQ": -20.0, "no AQ": -10.0}       # for the video that gains least
LIVE_BAR = 0.85                                     # of the exact saving, with boxes carried forward
NO_FIGURE = ("-: no figure: the two curves share no quality, one gets no better with more bits, or nothing lies in that part; "
             "take more frames, or --bitrates further apart")


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
    """Return {contestant: {reference: {"psnr": {part: percent}, "ssim": {part: percent}, "frames": percent}}}, None where there is no figure."""
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
            parts = [cell(p[kind][part], "7.2f") for kind in ("psnr", "ssim") for part in PARTS]
            lines.append("{:10} {:7.0f} k {:7.1f} k   {} {} {}   {} {} {} {:8.2f}".format(
                name, p["asked"] / 1e3, p["rate"] / 1e3, *parts + [p["encode_ms"]]))
    lines += ["", "{:10} {:>8} {:>9}   {:>24}   {:>24}".format("BD-rate %", "area", "against", "PSNR in   out   whole", "SSIM in   out   whole")]
    lines[0] = one_line(lines[0])           # it holds the name of the video
    missing = False
    for name, against in result["bd"].items():
        for reference, bd in against.items():
            parts = [cell(bd[kind][part], "+7.1f") for kind in ("psnr", "ssim") for part in PARTS]
            lines.append("{:10} {:7.1f}% {:>9}    {} {} {}    {} {} {}".format(name, 100 * result["area"][name], reference, *parts))
            missing = missing or None in list(bd["psnr"].values()) + list(bd["ssim"].values())
    return "\n".join(lines + [NO_FIGURE] * missing) + "\n"


def cell(value, form):
    """Return *value* in the *form* of a number, or a dash of its width where there is none."""
    return "-".rjust(int(form.lstrip("+").partition(".")[0])) if value is None else format(value, form)


def summarise(results):
    """Return mean and worst saving inside by contestant and reference, and what the saving costs outside; None where a video has no figure."""
    summary = {}
    for name in results[0]["bd"]:
        for reference in REFERENCES:
            inside = [result["bd"][name][reference]["psnr"]["inside"] for result in results]
            outside = [result["bd"][name][reference]["psnr"]["outside"] for result in results]
            summary.setdefault(name, {})[reference] = {
                "inside_mean": over(mean, inside), "inside_worst": over(max, inside), "outside_mean": over(mean, outside),
                "encode_ratio": mean(encode_ratio(result, name, reference) for result in results)}
    return summary


def over(join, values):
    """Return what *join* makes of the videos' *values*; None where one has none: a mean over the others is another figure."""
    return None if None in values else join(values)


def encode_ratio(result, name, reference):
    """Return the CPU time of encoding with regions over that of the reference, at the middle bitrate."""
    middle = len(result["points"][name]) // 2
    return result["points"][name][middle]["encode_ms"] / result["points"][reference][middle]["encode_ms"]


def verdict(summary):
    """Return the summary beside the bars as text."""
    lines = ["all videos: BD-rate inside the true boxes (PSNR)"]
    for name, against in summary.items():
        for reference, row in against.items():
            figures = [cell(row[key], "+6.1f") for key in ("inside_mean", "inside_worst", "outside_mean")]
            lines.append("{:10} against {:7} mean {} %  least {} %  outside {} %  encoding {:.2f}x  ({})".format(
                name, reference, *figures + [row["encode_ratio"], bars(row, reference) if name == "regions" else "live mode"]))
    for name in ("carried", "held"):
        if name in summary:
            lines += [live_line(summary, name, reference) for reference in REFERENCES]
    return "\n".join(lines)


def bars(row, reference):
    if row["inside_mean"] is None:
        said = "unknown, for a video has no figure"
    else:
        said = "met" if row["inside_mean"] <= MEAN_BARS[reference] and row["inside_worst"] <= EACH_BARS[reference] else "missed"
    return "mean {:+.0f}, each {:+.0f}: {}".format(MEAN_BARS[reference], EACH_BARS[reference], said)


def live_line(summary, name, reference):
    live, exact = summary[name][reference]["inside_mean"], summary["regions"][reference]["inside_mean"]
    if live is None or not exact:
        return "{:10} can't be set against the exact saving against {}: a video has no figure, or it saves nothing".format(name, reference)
    kept = live / exact
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
    saved = "  ".join("{} % vs {}".format(cell(bd["psnr"][part], "+1.0f"), reference) for reference, bd in result["bd"]["regions"].items())
    where = {"inside": "inside the true boxes", "outside": "outside them", "whole": "whole picture"}[part]
    axis.set_title("{}, {}\nbits: {}".format(result["video"], where, saved), fontsize=9)
    axis.set_xscale("log")
    for side in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        side(lambda value, _: "{:g}".format(value) if "{:e}".format(value)[0] in "1235" else "")     # more would run together
    axis.set_xlabel("kbit/s", fontsize=8)
    axis.set_ylabel("PSNR, dB", fontsize=8)
    axis.tick_params(which="both", labelsize=7)
    axis.grid(alpha=0.3, which="both")
