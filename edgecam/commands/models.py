"""List the models that are installed, measure one on labelled pictures, build one for TensorRT, or make one for another input size.

    edgecam models                        every model that --model can name
    edgecam models eval MODEL DATA        average precision by domain, group and size
    edgecam models build MODEL            TensorRT's plan for the GPU of this machine
    edgecam models resize MODEL WxH FILE  the same network for larger pictures, or smaller ones
"""
import argparse
import json
import logging
import os

from edgecam.commands import models_build, models_resize
from edgecam.commands.detect import add_detector_arguments, check_engine, detector_settings
from edgecam.commands.progress_bar import shown
from edgecam.config import load_config
from edgecam.detect.models import folders, list_models
from edgecam.errors import EXIT_FAILURE, EXIT_OK, ConfigError, UsageError
from edgecam.plotting import expect_plot
from edgecam.standard import one_line, tell

log = logging.getLogger(__name__)
ROW = "{:<36} {:>9} {:>9} {:>7} {:>9} {:<6} {:<10} {}"
MOST = 900                  # detections of a picture that are measured: 300 for each group
PARTS = {"val": "val", "train": "train", "all": None}


def add_arguments(parser):
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--folder", type="path", metavar="DIR", help="look here first (the setting detect.models)")
    actions = parser.add_subparsers(metavar="eval|build|resize", dest="action")
    models_build.add_parser(actions)
    models_resize.add_parser(actions)
    parser.set_defaults(action=None)
    measuring = actions.add_parser("eval", help="measure a model on labelled pictures", description=measure.__doc__)
    measuring.add_argument("model", metavar="MODEL", help="a model's name or path")
    measuring.add_argument("data", type="path", metavar="DATA", help="folder with images.tar and labels.jsonl, or with such folders in it")
    add_detector_arguments(measuring, model_option=False)
    measuring.add_argument("--split", choices=sorted(PARTS), default="val",
                           help="which pictures: the validation part by scene (default), train or all")
    measuring.add_argument("--limit", type=int, metavar="N", help="a fixed sample of N pictures")
    measuring.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object instead of the table")
    measuring.add_argument("--plot", type="path", metavar="FILE", help="draw precision over recall (PNG or SVG)")


def main(args):
    if args.action and args.folder is not None:
        raise UsageError("models {}: --folder {} is for the list alone; name the model's path, or set EDGECAM_MODELS".format(args.action, args.folder))
    if args.action in ("build", "resize") and args.json:
        raise UsageError("models {0}: --json is for the list and eval alone; leave it out (try: edgecam models {0} --help)".format(args.action))
    return {"eval": measure, "build": models_build.build, "resize": models_resize.resize}.get(args.action, show)(args)


def show(args):
    """List what `--model` can name."""
    if args.folder is not None and not os.path.isdir(args.folder):
        raise UsageError("models: --folder {}: there is no such folder".format(args.folder))
    folder = args.folder or load_config().detect.models
    models = list_models(folder)
    if not models:
        log.error("no model is installed: searched %s", ", ".join(folders(folder)) or "no folder, for none exists; set EDGECAM_MODELS")
        return EXIT_FAILURE
    entries = [entry(model) for model in models]
    if args.json:
        tell("".join(json.dumps(item) + "\n" for item in entries))
    else:
        tell("\n".join([heading()] + [one_line(line(item)) for item in entries]) + "\n")
    return EXIT_OK if all(item["state"] == "ok" for item in entries) else EXIT_FAILURE


def entry(model):
    """Return what is said of *model*, as plain values."""
    size = os.path.getsize(model.file) if os.path.isfile(model.file) else None
    return {"name": model.name, "width": model.input.width, "height": model.input.height, "gflops": model.gflops,
            "parameters": model.parameters, "precision": model.precision, "variant": model.variant, "bytes": size,
            "state": model.problem() or "ok", "labels": list(model.labels), "licence": model.licence,
            "summary": model.summary, "file": model.file}


def heading():
    return ROW.format("name", "input", "size", "GFLOPs", "precision", "kind", "file", "licence")


def line(item):
    size = "-" if item["bytes"] is None else "{:.1f} MB".format(item["bytes"] / 1e6)
    gflops = "-" if item["gflops"] is None else "{:g}".format(item["gflops"])
    return ROW.format(item["name"], "{width}x{height}".format(**item), size, gflops, item["precision"], item["variant"],
                      item["state"], item["licence"])


def measure(args):
    """Measure a model: AP50, AP50:95 and AR as COCO defines them, per domain, group and size, scores down to 0.01."""
    from edgecam.detect import open_detector, preload
    from edgecam.detect.evaluation import measure as evaluation
    from edgecam.detect.evaluation import report
    if args.limit is not None and args.limit < 1:
        raise UsageError("--limit {}: expected at least 1".format(args.limit))
    expect_plot(args.plot)
    settings = detector_settings(args, max_detections=MOST)
    check_engine(settings)
    preload(settings)                   # MODEL stands before DATA
    sources = sources_of(args.data)
    chosen = evaluation.choose(sources, PARTS[args.split], args.limit)
    total = sum(map(len, chosen.values()))
    if not total:
        raise UsageError("{}: no picture of it is in the split {}; try --split all".format(args.data, args.split))
    with open_detector(settings) as detector:
        log.info("measuring %s on %d pictures (split %s) of %d sources", detector.model, total, args.split, len(chosen))
        result = evaluation.run(detector, sources, chosen, lambda items: shown(items, total, "pictures"))
        run = {"model": detector.model, "engine": detector.name, "threads": detector.threads, "split": args.split}
    if args.json:
        tell(json.dumps(dict(run, **report.as_dict(result)), indent=1) + "\n")
    else:
        tell(report.as_text(result) + "\n")
    if args.plot:
        report.plot(result, "{model} on {engine}, split {split}".format(**run), args.plot)
    return EXIT_OK


def sources_of(data):
    """Return {source: its folder} in the folder DATA. Raises `UsageError`: it was typed."""
    from edgecam.detect.evaluation.labelled import find_sources
    try:
        return find_sources(data)
    except ConfigError as error:
        raise UsageError("models eval: DATA: {}".format(error)) from error
