"""Find objects in pictures: prints what is seen, as lines or JSON, and draws it."""
import json
import logging
import os

from edgecam.commands.gathered_words import Gathered
from edgecam.commands.progress_bar import shown
from edgecam.config import SCHEMA, load_config
from edgecam.errors import EXIT_FAILURE, EXIT_OK, CaptureError, OutputError, StdoutError, UsageError, reason
from edgecam.naming import real_path
from edgecam.standard import one_line, tell

log = logging.getLogger(__name__)
PICTURES = (".jpg", ".jpeg", ".png")
ENGINES = [name for name in SCHEMA["detect.backend"].choices if name not in ("none", "scene")]


def add_arguments(parser):
    parser.gathers = True
    parser.add_argument("images", type="path", nargs="+", action=Gathered, metavar="IMAGE", help="JPEG, PNG, WebP, BMP or TIFF")
    add_detector_arguments(parser)
    parser.add_argument("--threshold", type=float, metavar="SCORE",
                        help="drop what scores less, 0 to 1 (default: as the model says, usually 0.3; measuring wants 0.01)")
    parser.add_argument("--json", action="store_true", help="one JSON object per picture, boxes as [x, y, width, height] in its pixels")
    parser.add_argument("--draw", type="path", metavar="DIR", help="write the pictures with their boxes into this folder")


def add_detector_arguments(parser, model_option=True):
    """Add the options that choose model, engine and settings; `detector_settings` reads them."""
    if model_option:
        parser.add_argument("--model", metavar="NAME", help="a model's name or path, or auto (default: the setting detect.model)")
    parser.add_argument("--detector", choices=ENGINES, help="the engine (default: the setting detect.backend)")
    parser.add_argument("--config", type="path", metavar="FILE", action="append", default=[], help="settings file")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, such as detect.threads=1")


def detector_settings(args, **changes):
    """Return the section `detect` that *args* ask for. Nothing runs beside these commands: no lower priority."""
    from edgecam.detect import find_remote
    conf = load_config(*args.config, overrides=args.set)
    args.said.know(conf, {"detect.backend": "--detector"} if args.detector else {})
    changes.update({name: value for name, value in (("backend", args.detector), ("model", args.model)) if value})
    with args.said.judge("detect.model", "detect.backend"):
        settings = conf.detect.replace(nice=0, **changes)
        find_remote(settings)
    return settings


def check_engine(settings):
    """Raise `UsageError` where *settings* name a detector that can't look at pictures."""
    if settings.backend not in ENGINES:
        raise UsageError("detect.backend is {}: choose an engine with --detector".format(settings.backend))


def main(args):
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise UsageError("--threshold {:g}: expected a score from 0 to 1".format(args.threshold))
    refuse_folders(args.images)
    settings = detector_settings(args, **({} if args.threshold is None else {"threshold": args.threshold}))
    check_engine(settings)
    names = drawing_names(args.images, args.draw)
    from edgecam.detect import open_detector
    failures = 0
    with open_detector(settings) as detector:
        for path in shown(args.images, len(args.images), "pictures"):
            try:
                work(detector, path, args, names.get(path))
            except StdoutError:                 # the other pictures would fare no better
                raise
            except (CaptureError, OutputError) as error:
                log.error("%s", error)
                failures += 1
    if failures:
        log.error("%d of %d pictures failed", failures, len(args.images))
    return EXIT_FAILURE if failures else EXIT_OK


def refuse_folders(images):
    """Raise `UsageError` where a folder stands for its pictures: before the engine, which may take a while, is loaded in vain."""
    for path in filter(os.path.isdir, images):
        raise UsageError("{}: a folder; name the pictures in it (try: {})".format(path, os.path.join(path, "*.jpg")))


def work(detector, path, args, drawing):
    """Detect in one picture, print the result and draw it where asked."""
    from edgecam.detect.stills import draw, read_still, write_still
    frame = read_still(path)
    detections = detector.detect(frame)
    tell(as_json(path, frame, detections) if args.json else as_text(path, frame, detections))
    if drawing:
        write_still(drawing, draw(frame.planes[0], detections))


def as_json(path, frame, detections):
    return json.dumps({"image": path, "width": frame.width, "height": frame.height,
                       "detections": [{"label": found.label, "score": round(found.score, 4),
                                       "box": [round(edge, 2) for edge in found.box]} for found in detections]}) + "\n"


def as_text(path, frame, detections):
    lines = ["{}: {}x{}, {} object{}".format(path, frame.width, frame.height, len(detections), "" if len(detections) == 1 else "s")]
    lines += ["  {:<12} {:.2f}  at {:.0f},{:.0f}  {:.0f}x{:.0f}".format(found.label, found.score, *found.box) for found in detections]
    return "\n".join(map(one_line, lines)) + "\n"


def drawing_names(images, folder):
    """Return {image: file to draw into}; the folder is made, and two pictures of one name get different files."""
    if not folder:
        return {}
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError("--draw {}: can't be made: {}".format(folder, reason(error))) from error
    names, taken, originals = {}, set(), {real_path(image) for image in images}
    for path in images:
        if path in names:                       # named twice, drawn into one file
            continue
        stem, ending = os.path.splitext(os.path.basename(path))
        ending = ending.lower() if ending.lower() in PICTURES else ".png"
        name, count = stem + ending, 1
        while name in taken:
            count += 1
            name = "{}-{}{}".format(stem, count, ending)
        taken.add(name)
        names[path] = os.path.join(folder, name)
        if real_path(names[path]) in originals:
            raise UsageError("--draw {}: would overwrite the picture {}; choose another folder".format(folder, path))
    return names
