"""Draw what a run folder of ``train.py`` logged: ``python curves.py RUN ... -o curve.png``."""
import argparse
import json
import os
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from refused import Refused, run  # noqa: E402


def rows_of(path):
    """The lines of a JSON-lines file, none where it is missing."""
    if not os.path.exists(path):
        return []
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def draw(axes, folder):
    """Loss over canvases seen, and the measured AP50 of the averaged weights."""
    name, log = os.path.basename(folder.rstrip("/")), rows_of(os.path.join(folder, "log.jsonl"))
    seen, total = [], 0.0
    for before, row in zip([{"minutes": 0}] + log, log):
        total += row["canvases_per_s"] * (row["minutes"] - before["minutes"]) * 60 / 1000
        seen.append(total)
    axes[0].plot(seen, [row["loss"] for row in log], label=name)
    checks = [(float(c["note"]), c["mean"]) for c in rows_of(os.path.join(folder, "checks.jsonl"))]
    for group, style in (("person", "o-"), ("vehicle", "s--")):
        if checks and seen:
            axes[1].plot([seen[-1] * part for part, _ in checks], [mean[group] for _, mean in checks], style, label=name + ", " + group)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("-o", "--output", default="curve.png")
    options = parser.parse_args(argv)
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4))
    for folder in options.runs:
        if not os.path.isfile(os.path.join(folder, "log.jsonl")):
            raise Refused("%s: is no folder of a run: there is no log.jsonl in it" % folder)
        draw(axes, folder)
    axes[0].set(xlabel="thousand canvases", ylabel="training loss", yscale="log")
    axes[1].set(xlabel="thousand canvases", ylabel="AP50, mean over domains", xlim=(0, None), ylim=(0, 1))
    for part in axes:
        part.grid(alpha=0.3)
        part.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(options.output, dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
