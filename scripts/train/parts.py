"""Draw AP50 over all canvases that led to a network: ``python parts.py parts.csv -o learning-parts.png``.

A row of the table is a state of one network: ``network``, ``weights`` (which), ``canvases`` (millions behind them), AP50 of each
group as the mean over domains, and ``measured``: ``training`` (evaluate.py) or ``program`` (edgecam models eval).
"""
import argparse
import csv
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from refused import run  # noqa: E402

GROUPS = ("person", "vehicle", "two-wheeler")
GOALS = {("full", "person"): 0.54, ("full", "vehicle"): 0.80, ("light", "person"): 0.45, ("light", "vehicle"): 0.74}
COLOURS = {"full": "tab:orange", "light": "tab:blue"}
FILLED = {"training": True, "program": False}


def read(path):
    """[(network, millions of canvases, {group: AP50}, how it was measured)], in the table's order."""
    with open(path) as handle:
        return [(row["network"], float(row["canvases"]), {group: float(row[group]) for group in GROUPS}, row["measured"])
                for row in csv.DictReader(handle)]


def draw(axes, group, rows):
    """A line for each network through its states, and its goal."""
    for network, colour in COLOURS.items():
        line = [(seen, scores[group], measured) for name, seen, scores, measured in rows if name == network]
        axes.plot([seen for seen, _, _ in line], [score for _, score, _ in line], color=colour, linewidth=0.8, label=network)
        for seen, score, measured in line:
            axes.plot(seen, score, "o", color=colour, markerfacecolor=colour if FILLED[measured] else "white")
        if (network, group) in GOALS:
            axes.axhline(GOALS[network, group], color=colour, linestyle=":", linewidth=0.8)
    axes.set(title=group, xlabel="million canvases", xlim=(0, None))
    axes.grid(alpha=0.3)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("-o", "--output", default="learning-parts.png")
    options = parser.parse_args(argv)
    rows = read(options.table)
    figure, axes = pyplot.subplots(1, len(GROUPS), figsize=(13, 4))
    for part, group in zip(axes, GROUPS):
        draw(part, group, rows)
    axes[0].set_ylabel("AP50, mean over domains")
    axes[0].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(options.output, dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
