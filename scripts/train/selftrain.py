"""Fill the groups that a source does not label with a trained network's own confident boxes.

``python selftrain.py CHECKPOINT --data DATA --store STORE -o fill.jsonl``, then ``train.py --fill fill.jsonl``.
Only training pictures are looked at, and only their open groups: sure boxes become objects, doubtful ones are ignored,
the rest becomes background of little weight.
"""
import argparse
import json
import sys

import torch

import checkpoint
import detections
from canvas import Planner
from network import GROUPS
from pictures import read_all
from precision import overlaps
from refused import run
from store import Store, layout

SURE, DOUBTFUL = 0.45, 0.12
BACKGROUND = 0.5
SAME = 0.4                      # IoU with a box of the source's own: the same object


def found_boxes(picture, rows):
    """Box rows (x1, y1, x2, y2, group, fine, ignore) to add to a picture."""
    added = []
    for group in range(len(GROUPS)):
        if picture.closed[group]:
            continue
        mine = rows[(rows[:, 5] == group) & (rows[:, 4] >= DOUBTFUL)]
        own = picture.boxes[picture.group == group]
        if len(own) and len(mine):
            mine = mine[overlaps(mine[:, :4], own, picture.ignore[picture.group == group]).max(1) < SAME]
        added += [[round(float(v), 1) for v in r[:4]] + [group, -1, float(r[4] < SURE)] for r in mine]
    return added


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="enlarge the pictures first: a network trained on small ones finds more")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(argv)
    pictures = read_all(options.data)
    table, total = layout(pictures, 1)                      # without the x264 versions: a training may run beside it
    store = Store(torch.zeros(total, dtype=torch.int32, device=options.device), table)
    store.fill(options.store)
    network = checkpoint.load_network(options.checkpoint)[0].to(options.device, memory_format=torch.channels_last)
    indices = [i for i, p in enumerate(pictures) if p.part == "train" and not p.closed.all()]
    rows = detections.run(network, Planner(pictures, indices, store.table), indices, store, scale=options.scale)
    count = [0, 0]
    with open(options.output, "w") as handle:
        for index, found in zip(indices, rows):
            boxes = found_boxes(pictures[index], found)
            for box in boxes:
                count[int(box[6])] += 1
            handle.write(json.dumps({"picture": pictures[index].key, "boxes": boxes, "background": BACKGROUND}) + "\n")
    print("%d pictures: %d sure boxes, %d doubtful ones" % (len(indices), count[0], count[1]))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
