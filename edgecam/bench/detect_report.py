"""The table and the picture of `edgecam bench detect`."""
from edgecam.plotting import import_pyplot, save_figure

COLUMNS = (("images/s", "images/s", "{:.1f}"), ("latency ms", "ms", "{:.2f}"), ("watts", "W", "{:.1f}"), ("images/s/W", "img/s/W", "{:.1f}"),
           ("whole images/s", "whole/s", "{:.1f}"), ("whole ms", "whole ms", "{:.2f}"), ("whole/bare", "of bare", "{:.2f}"),
           ("preprocess ms", "prep. ms", "{:.3f}"), ("preprocess/bare", "of bare", "{:.3f}"), ("preprocess GB/s", "GB/s", "{:.1f}"))


def names(row):
    return row["model"], row["engine"], str(row["precision"]), str(row["batch"])


def table(rows):
    """Return the rows as text; "-" where nothing was measured."""
    heads = ("model", "engine", "arith.", "batch")
    widths = [max(len(head), *(len(names(row)[n]) for row in rows)) for n, head in enumerate(heads)]
    lines = ["  ".join([head.ljust(width) for head, width in zip(heads, widths)] + ["{:>9}".format(head) for _, head, _ in COLUMNS])]
    for row in rows:
        cells = ["{:>9}".format("-" if row.get(key) is None else form.format(row[key])) for key, _, form in COLUMNS]
        lines.append("  ".join([word.ljust(width) for word, width in zip(names(row), widths)] + cells))
    return "\n".join(lines) + "\n"


def plot(rows, path):
    """Draw the bare engine's and the whole step's images a second as bars."""
    figure, axes = import_pyplot().subplots(figsize=(9, 1.2 + 0.55 * len(rows)))
    for offset, key, label in ((-0.2, "images/s", "bare engine"), (0.2, "whole images/s", "NV12 frame to detections")):
        bars = axes.barh([n + offset for n in range(len(rows))], [row.get(key) or 0 for row in rows], 0.38, label=label)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([" ".join(names(row)[:3]) + (", batch " + names(row)[3] if row["batch"] > 1 else "") for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("images per second")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    save_figure(figure, path)
