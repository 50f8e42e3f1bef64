"""`edgecam models resize`: the same network for larger pictures, or smaller ones."""
import hashlib
import json
import logging
import os

from edgecam.config import load_config
from edgecam.errors import EXIT_OK, ModelError, OutputError, UsageError, reason
from edgecam.naming import holds_something, refuse_no_place
from edgecam.size import read_size
from edgecam.whole_file import write_whole

log = logging.getLogger(__name__)
LEAST, MOST = 64, 8192          # pixels a side


def add_parser(actions):
    """Add the words behind `edgecam models resize`."""
    parser = actions.add_parser("resize", help="make a model for another input size", description=resize.__doc__)
    parser.add_argument("model", type="path", metavar="MODEL", help="a model's name or path")
    parser.add_argument("size", metavar="WIDTHxHEIGHT", help="of its pictures, such as 1200x675")
    parser.add_argument("output", type="path", metavar="FILE.onnx", help="the network to write; its description goes beside it")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier model of that name")


def resize(args):
    """Write a model's network and description for another input size. Larger pictures cost more time and find smaller objects; the weights stay."""
    from edgecam.detect import resized
    from edgecam.detect.models import find_model
    width, height = size_of(args.size)
    stem, ending = os.path.splitext(args.output)
    beside = stem + ".json"
    if ending != ".onnx":
        raise UsageError("models resize: {}: expected a name that ends in .onnx".format(args.output))
    for path in (args.output, beside):
        refuse_no_place("models resize: FILE", path)
    model = find_model(args.model, load_config().detect.models)
    model.check_file()
    if any(os.path.realpath(path) in (os.path.realpath(model.file), os.path.realpath(model.path)) for path in (args.output, beside)):
        raise UsageError("models resize: {}: is the model's own file; choose another name".format(args.output))
    refuse_foreign(beside)
    if not args.overwrite:
        refuse_earlier(args.output, beside)
    content, ratio = resized.resize(model, width, height)
    name = renamed(model, width, height)
    try:
        write_whole(args.output, content)
        write_whole(beside, description(model, args.output, name, width, height, content, ratio))
    except OSError as error:
        raise OutputError("{}: can't be written: {}".format(args.output, reason(error))) from error
    log.info("%s: %s, %.2f times the work of %s", args.output, name, ratio, model.name)
    return EXIT_OK


def refuse_foreign(path):
    """Raise `UsageError` where something else than a model's description is at *path*, which nobody typed."""
    from edgecam.detect.description import read_description
    if os.path.lexists(path):
        try:
            read_description(path)
        except ModelError as error:
            raise UsageError("models resize: {}: the description would go there, and it holds something else; choose another name".format(path)) from error


def refuse_earlier(*paths):
    """Raise `UsageError` where one of *paths* holds a network or a description: a model of another size, or one that was trained for weeks."""
    earlier = next(filter(holds_something, paths), None)
    if earlier:
        raise UsageError("models resize: {}: is there already; choose another name, or add --overwrite to replace the model".format(earlier))


def size_of(text):
    """Return (width, height), in pixels, of "1200x675". Raises `UsageError`."""
    try:
        return read_size(text, LEAST, MOST)
    except ValueError as error:
        raise UsageError("models resize: {}: {}".format(text, error)) from error


def renamed(model, width, height):
    """Return the name of *model* with its new size in the old one's place, or behind it."""
    old, new = "{}x{}".format(model.input.width, model.input.height), "{}x{}".format(width, height)
    return model.name.replace(old, new) if old in model.name else "{}-{}".format(model.name, new)


def description(model, path, name, width, height, content, ratio):
    """Return the description, as bytes: the old one with what has changed."""
    from edgecam.detect.description import load
    values = load(model.path)
    values.update(name=name, file=os.path.basename(path), sha256=hashlib.sha256(content).hexdigest())
    values["input"].update(width=width, height=height)
    if model.gflops is not None:
        values["gflops"] = float("{:.3g}".format(model.gflops * ratio))
    return (json.dumps(values, indent=1) + "\n").encode()
