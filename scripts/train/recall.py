"""Draw precision over recall (IoU 0.5): ``python recall.py DETECTIONS.npz ... --data DATA -o recall.png``."""
import argparse
import os
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from evaluate import MEAN_OVER, load_detections  # noqa: E402
from network import GROUPS  # noqa: E402
from pictures import read_all  # noqa: E402
from precision import RECALLS, Tally  # noqa: E402
from refused import run


def curve(pictures, found, number, domain):
    """Precision at 101 recalls, or None where a domain has no such object."""
    tally = Tally()
    for picture in pictures:
        if picture.domain == domain and picture.closed[number] and picture.key in found:
            rows, mine = found[picture.key], picture.group == number
            tally.add(rows[rows[:, 5] == number], picture.boxes[mine], picture.ignore[mine])
    curves = tally.curves()
    return None if curves is None else curves[0][0]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detections", nargs="+", help="files of evaluate.py --detections, one a model")
    parser.add_argument("--data", required=True)
    parser.add_argument("-o", "--output", default="recall.png")
    options = parser.parse_args(argv)
    pictures = read_all(options.data, part="val")
    figure, axes = pyplot.subplots(1, len(GROUPS), figsize=(13, 4), sharey=True)
    for path, style in zip(options.detections, ("-", "--", ":")):
        found, name = load_detections(path), os.path.splitext(os.path.basename(path))[0]
        for number, group in enumerate(GROUPS):
            for colour, domain in enumerate(MEAN_OVER[group]):
                line = curve(pictures, found, number, domain)
                if line is not None:
                    axes[number].plot(RECALLS, line, style, color="C%d" % colour, label="%s, %s" % (name, domain))
            axes[number].set(title=group, xlabel="recall", xlim=(0, 1), ylim=(0, 1))
            axes[number].grid(alpha=0.3)
            axes[number].legend(fontsize=7)
    axes[0].set_ylabel("precision")
    figure.tight_layout()
    figure.savefig(options.output, dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
