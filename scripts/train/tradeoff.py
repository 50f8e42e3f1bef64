"""Draw AP50 over milliseconds: ``python tradeoff.py BENCH.json EVAL.json ... -o tradeoff.png``.

``BENCH.json`` is what ``edgecam bench detect --json`` wrote, every ``EVAL.json`` what ``edgecam models eval --json`` printed.
"""
import argparse
import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot, ticker  # noqa: E402

GROUPS = ("person", "vehicle")
MARKS = {"onnx": "o", "openvino": "s", "tensorrt": "^"}


def points(bench, evaluations):
    """[(model, engine, milliseconds of an inference, {group: AP50})] of all that was both timed and measured."""
    reached = {found["model"]: {group: mean["ap50"] for group, mean in found["mean"].items()} for found in evaluations}
    return [(row["model"], row["engine"], row["latency ms"] / row["batch"], reached[row["model"]])
            for row in bench["rows"] if row["model"] in reached and "latency ms" in row]


def short(name):
    return name.replace("edgecam-detectnet", "full").replace("full-light", "light").replace("-960x540", "")


def draw(axes, group, found):
    for model, engine, spent, scores in found:
        axes.plot(spent, scores[group], MARKS.get(engine, "x"), color="tab:blue" if "light" in model else "tab:orange")
        axes.annotate(short(model), (spent, scores[group]), fontsize=8, rotation=40, xytext=(2, 5), textcoords="offset points")
    for engine in sorted({row[1] for row in found}):
        axes.plot([], [], MARKS.get(engine, "x"), color="grey", label=engine)
    axes.set(title=group, xlabel="ms an inference", ylabel="AP50, mean over domains", xscale="log")
    axes.xaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.margins(x=0.2, y=0.35)
    axes.legend(fontsize=8, loc="center right")
    axes.grid(alpha=0.3, which="both")


def read(path):
    with open(path) as handle:
        return json.load(handle)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("evaluations", nargs="+")
    parser.add_argument("-o", "--output", default="tradeoff.png")
    options = parser.parse_args(argv)
    found = points(read(options.bench), [read(path) for path in options.evaluations])
    if not found:
        parser.error("no model was both timed and measured")
    figure, axes = pyplot.subplots(1, len(GROUPS), figsize=(11, 4))
    for part, group in zip(axes, GROUPS):
        draw(part, group, found)
    figure.tight_layout()
    figure.savefig(options.output, dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(main())
