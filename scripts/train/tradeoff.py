"""Draw AP50 over milliseconds: ``python tradeoff.py BENCH.json EVAL.json ... -o tradeoff.png``.

``BENCH.json`` is what ``edgecam bench detect --json`` wrote, every ``EVAL.json`` what ``edgecam models eval --json`` printed.
"""
import argparse
import json
import re
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot, ticker  # noqa: E402

from refused import Refused, run  # noqa: E402

GROUPS = ("person", "vehicle")
MARKS = {"onnx": "o", "openvino": "s", "tensorrt": "^"}
COLOURS = {"full": "tab:orange", "full INT8": "tab:red", "light": "tab:blue", "light INT8": "tab:green"}
SIZE, USUAL = re.compile(r"\d+x\d+"), "960x540"


def points(bench, evaluations):
    """[(model, engine, milliseconds of an inference, {group: AP50})] of all that was both timed and measured."""
    reached = {found["model"]: {group: mean["ap50"] for group, mean in found["mean"].items()} for found in evaluations}
    return [(row["model"], row["engine"], row["latency ms"] / row["batch"], reached[row["model"]])
            for row in bench["rows"] if row["model"] in reached and "latency ms" in row]


def parts_of(name):
    """("light INT8", "1200x675") of "edgecam-detectnet-light-1200x675-int8"; the size in use, 960x540, goes without saying."""
    size = SIZE.search(name)
    network = "light" if "light" in name else "full"
    return network + (" INT8" if name.endswith("-int8") else ""), "" if size is None or size.group(0) == USUAL else size.group(0)


def draw(axes, group, found):
    """One line for each network and engine through its sizes."""
    lines = {}
    for model, engine, spent, scores in sorted(found, key=lambda row: row[2]):
        network, size = parts_of(model)
        lines.setdefault((network, engine), []).append((spent, scores[group]))
        axes.annotate(size, (spent, scores[group]), fontsize=7, color="grey", xytext=(4, -9), textcoords="offset points")
    for (network, engine), line in sorted(lines.items()):
        axes.plot(*zip(*line), MARKS.get(engine, "x") + "-", color=COLOURS[network], linewidth=0.8, markersize=5, label="%s, %s" % (network, engine))
    axes.set(title=group, xlabel="ms an inference", ylabel="AP50, mean over domains", xscale="log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.margins(x=0.18, y=0.12)
    axes.grid(alpha=0.3, which="both")


def read(path):
    with open(path) as handle:
        try:
            return json.load(handle)
        except ValueError as error:
            raise Refused("%s: it is no JSON" % path) from error


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("evaluations", nargs="+")
    parser.add_argument("-o", "--output", default="tradeoff.png")
    options = parser.parse_args(argv)
    try:
        found = points(read(options.bench), [read(path) for path in options.evaluations])
    except (KeyError, TypeError) as error:
        raise Refused("these are not BENCH.json of `edgecam bench detect`, then EVAL.json of `edgecam models eval`") from error
    if not found:
        parser.error("no model was both timed and measured")
    figure, axes = pyplot.subplots(1, len(GROUPS), figsize=(11, 4))
    for part, group in zip(axes, GROUPS):
        draw(part, group, found)
    axes[0].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    figure.savefig(options.output, dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
