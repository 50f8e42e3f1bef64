"""Average precision of a network by domain, group and size: ``python evaluate.py CHECKPOINT --data DATA --store STORE``.

Only the validation split is looked at.  The figure to compare is the mean over the domains bdd100k, visdrone and coco
(and vn_cctv for vehicles).  With ``--detections`` saved boxes are scored instead of running a network.
"""
import argparse
import json
import sys

import numpy as np
import torch

import checkpoint
import detections
from canvas import Planner, letterbox_scale
from network import GROUPS
from pictures import read_all
from precision import SIZES, Tally
from refused import run
from store import Store

MEAN_OVER = {"person": ("bdd100k", "visdrone", "coco"), "vehicle": ("bdd100k", "visdrone", "coco", "vn_cctv"),
             "two-wheeler": ("bdd100k", "visdrone", "vn_cctv")}


def score(pictures, found, sizes=("all",)):
    """``{group: {domain: {size: (AP50, AP50:95, objects)}}}`` of detections in picture pixels."""
    tallies = {}
    for picture, rows in zip(pictures, found):
        for number, group in enumerate(GROUPS):
            if not picture.closed[number]:
                continue
            mine = picture.group == number
            for size in sizes:
                tally = tallies.setdefault((group, picture.domain, size), Tally(SIZES[size]))
                tally.add(rows[rows[:, 5] == number], picture.boxes[mine], picture.ignore[mine], letterbox_scale(picture.size))
    table = {}
    for (group, domain, size), tally in tallies.items():
        if tally.objects:
            table.setdefault(group, {}).setdefault(domain, {})[size] = tally.result()
    return table


def means(table, column=0, size="all"):
    """The mean over the domains that count, for each group."""
    answer = {}
    for group, domains in MEAN_OVER.items():
        values = [table[group][d][size][column] for d in domains if size in table.get(group, {}).get(d, {})]
        answer[group] = float(np.mean(values)) if values else float("nan")
    return answer


def text(table, sizes=("all",)):
    """The table for people."""
    lines = []
    for group in GROUPS:
        for domain in sorted(table.get(group, {})):
            cells = ["%s %.3f / %.3f (%d)" % ((size,) + tuple(table[group][domain][size]))
                     for size in sizes if size in table[group][domain]]
            lines.append("%-12s %-16s %s" % (group, domain, "   ".join(cells)))
    lines.append("domain mean AP50: " + ", ".join("%s %.3f" % pair for pair in means(table).items()))
    return "\n".join(lines)


def save_detections(path, pictures, found):
    """Boxes of many pictures in one file."""
    np.savez_compressed(path, keys=np.array([p.key for p in pictures]), counts=np.array([len(r) for r in found]),
                        rows=np.concatenate(found).astype(np.float32))


def load_detections(path):
    """{picture key: rows}"""
    content = np.load(path)
    parts = np.split(content["rows"], np.cumsum(content["counts"])[:-1])
    return dict(zip(content["keys"].tolist(), parts))


def validation(network, pictures, store, version=0, batch=16):
    """(pictures, detections) of the validation split."""
    indices = [i for i, p in enumerate(pictures) if p.part == "val"]
    planner = Planner(pictures, indices, store.table)
    return [pictures[i] for i in indices], detections.run(network, planner, indices, store, batch, version)


def opened(path, device):
    """(network, largest batch) of a checkpoint, or of an exported model on ONNX Runtime's CPU engine."""
    if not path.endswith(".onnx"):
        return checkpoint.load_network(path)[0].to(device, memory_format=torch.channels_last), 16
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(o).to(x.device) for o in session.run(None, {"image": x.contiguous().cpu().numpy()})], 1


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", help="a checkpoint, or an exported .onnx")
    parser.add_argument("--data", required=True, help="the folder that holds train/")
    parser.add_argument("--store", help="decoded pictures, see store.py")
    parser.add_argument("--worn", action="store_true", help="on the x264 versions in the store")
    parser.add_argument("--detections", help="score these boxes (or write them, with a checkpoint)")
    parser.add_argument("--sizes", action="store_true", help="by size too (of the box in the 960x540 input)")
    parser.add_argument("--json", help="append the result as a line to this file")
    parser.add_argument("--note", default="", help="kept with the result")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(argv)
    if options.checkpoint and not options.store:
        parser.error("a checkpoint needs --store, the decoded pictures")
    if not options.checkpoint and not options.detections:
        parser.error("give a checkpoint, or --detections of one")
    pictures = read_all(options.data)
    if options.checkpoint:
        network, batch = opened(options.checkpoint, options.device)
        chosen, found = validation(network, pictures, Store.open(options.store, options.device), int(options.worn), batch)
        if options.detections:
            save_detections(options.detections, chosen, found)
    else:
        by_key = load_detections(options.detections)
        chosen = [p for p in pictures if p.key in by_key]
        found = [by_key[p.key] for p in chosen]
    sizes = tuple(SIZES) if options.sizes else ("all",)
    table = score(chosen, found, sizes)
    print(text(table, sizes))
    if options.json:
        with open(options.json, "a") as handle:
            handle.write(json.dumps({"note": options.note, "mean": means(table), "mean5095": means(table, 1), "table": table}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
