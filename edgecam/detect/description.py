"""What a model is: the small JSON file beside a network, read and checked.

A description names the network's file with its SHA-256, the input it wants, how a picture
becomes that input, how its outputs become boxes, and what it may be used for, so a new model
needs no code. docs/models.md explains every key.
"""
import hashlib
import json
import os
import re
from typing import Any, Dict, NamedTuple, Optional, Tuple

from edgecam.errors import ModelError, reason
from edgecam.standard import shorten
from edgecam.strict_json import NamedTwice, read_json

FORMAT = 1
SUFFIX = ".json"
KINDS = ("detectnet", "yolov3", "yolo", "centernet", "ssd", "none")      # none: a network that benchmarks run alone
NAME = re.compile(r"^[\w][\w.+-]*$")


class InputSpec(NamedTuple):
    """The tensor that the network takes: (pixel - mean) * scale per channel, pixels from 0 to 255."""

    name: str
    width: int                          # pixels
    height: int
    layout: str = "NCHW"                # or "NHWC"
    dtype: str = "float32"              # or "uint8"
    colour: str = "RGB"                 # or "BGR", "GREY": the order of the channels
    mean: Tuple[float, ...] = (0.0,)    # per channel, or one for all
    scale: Tuple[float, ...] = (1.0,)

    @property
    def channels(self):
        return 1 if self.colour == "GREY" else 3

    @property
    def shape(self):
        """Of the tensor, for one picture."""
        if self.layout == "NCHW":
            return 1, self.channels, self.height, self.width
        return 1, self.height, self.width, self.channels


class ResizeSpec(NamedTuple):
    """How a picture of another shape fills the input."""

    policy: str = "letterbox"           # keeps the aspect ratio; "stretch" does not
    fill: int = 114                     # grey level of the bars
    anchor: str = "centre"              # where the picture lies between the bars; or "topleft"


class ModelDescription(NamedTuple):
    """One model. Made by `read_description`, which checks it."""

    name: str                           # what the user types for --model
    path: str                           # of the description
    file: str                           # path of the network
    sha256: Optional[str]
    input: InputSpec
    resize: ResizeSpec
    outputs: Tuple[str, ...]
    decoder: Dict[str, Any]             # "kind" and that kind's own numbers
    labels: Tuple[str, ...]
    iou: float = 0.5                    # boxes of one group that overlap more are one object
    max_detections: int = 300
    threshold: float = 0.3              # for live use; measuring takes 0.01
    licence: str = "not stated"
    summary: str = ""
    gflops: Optional[float] = None      # 2 x multiply-accumulates, in 1e9
    parameters: Optional[int] = None
    variant: str = ""                   # "full", "light": the same task at other costs
    precision: str = "fp32"             # or "fp16", "int8"

    def __repr__(self):
        return "<Model {} {}x{} {}>".format(self.name, self.input.width, self.input.height, self.precision)

    def problem(self):
        """Return what is wrong with the network's file in a few words, or None: reads it whole."""
        if not os.path.isfile(self.file):
            return "missing"
        if self.sha256 and sha256(self.file) != self.sha256.lower():
            return "SHA-256 differs"
        return None

    def check_file(self):
        """Raise `ModelError` unless the network's file is there and is the described one."""
        problem = self.problem()
        if problem == "missing":
            raise ModelError("{}: its network {} is missing".format(self.path, self.file))
        if problem:
            raise ModelError("{}: SHA-256 differs from the one in {}: a damaged copy, or another network; copy both "
                             "files again, or write the new sum into the description".format(self.file, self.path))


def sha256(path):
    """Return the SHA-256 of a file as lower-case hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def read_description(path):
    """Return the `ModelDescription` in the JSON file *path*. Raises `ModelError` naming file, key and what is accepted."""
    root = Keys(path, "", load(path))
    if root.take("format", int) != FORMAT:
        raise ModelError("{}: format = {!r}: this edgecam reads format {}".format(path, root.values["format"], FORMAT))
    network = root.take("file", str)
    nms = root.section("nms", {})
    labels = root.texts("labels")
    model = ModelDescription(
        name=root.match("name", NAME, "letters, digits and . + - _"),
        path=path, file=os.path.join(os.path.dirname(path), network), sha256=root.take("sha256", str, None),
        input=read_input(root.section("input")), resize=read_resize(root.section("resize", {})),
        outputs=root.section("output").texts("names"), decoder=read_decoder(root.section("decoder")), labels=labels,
        iou=nms.number("iou", 0, 1, ModelDescription._field_defaults["iou"]),
        max_detections=int(nms.number("max_detections", 1, 10000, 300)), threshold=root.number("threshold", 0, 1, 0.3),
        licence=root.take("licence", str, "not stated"), summary=root.take("summary", str, ""),
        gflops=root.number("gflops", 0, 1e6, None), parameters=root.number("parameters", 0, 1e12, None),
        variant=root.take("variant", str, ""), precision=root.choice("precision", ("fp32", "fp16", "int8"), "fp32"))
    root.refuse_others()
    return model


def load(path):
    try:
        with open(path, encoding="utf-8") as stream:
            values = read_json(stream.read())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError("{}: can't be read: {}".format(path, reason(error))) from error
    except NamedTwice as error:
        raise ModelError("{}: {}".format(path, error)) from error
    except ValueError as error:
        raise ModelError("{}: not a JSON model description: {}".format(path, error)) from error
    except RecursionError as error:
        raise ModelError("{}: not a JSON model description: it is nested too deeply".format(path)) from error
    if not isinstance(values, dict):
        raise ModelError("{}: not a model description: expected a JSON object".format(path))
    return values


def read_input(keys):
    spec = InputSpec(
        name=keys.take("name", str), width=int(keys.number("width", 8, 16384)), height=int(keys.number("height", 8, 16384)),
        layout=keys.choice("layout", ("NCHW", "NHWC"), "NCHW"), dtype=keys.choice("dtype", ("float32", "uint8"), "float32"),
        colour=keys.choice("colour", ("RGB", "BGR", "GREY"), "RGB"),
        mean=keys.numbers("mean", (0.0,)), scale=keys.numbers("scale", (1.0,)))
    for key in ("mean", "scale"):
        if len(getattr(spec, key)) not in (1, spec.channels):
            keys.fail(key, "one number, or one per channel")
    return spec


def read_resize(keys):
    return ResizeSpec(policy=keys.choice("policy", ("letterbox", "stretch"), "letterbox"),
                      fill=int(keys.number("fill", 0, 255, 114)),
                      anchor=keys.choice("anchor", ("centre", "topleft"), "centre"))


def read_decoder(keys):
    keys.choice("kind", KINDS)
    keys.asked.update(keys.values)      # the decoder itself checks its numbers
    return keys.values


class Keys:
    """The keys of one JSON object, taken with a check; complaints name file and key."""

    def __init__(self, path, name, values):
        self.path, self.name, self.values = path, name, values
        self.asked, self.parts = set(), []          # the keys that were taken; the `Keys` of the objects inside

    def refuse_others(self):
        """Raise `ModelError` for a key that nobody took: it is misspelt, and what it should say would not be so."""
        for key in self.values:
            if key not in self.asked and self.values[key] is not None:
                raise ModelError("{}: unknown key {}{}: expected one of {}".format(
                    self.path, self.name, shorten(key), ", ".join(sorted(self.asked))))
        for part in self.parts:
            part.refuse_others()

    def value(self, key):
        """Return the value of *key*, None where there is none."""
        self.asked.add(key)
        return self.values.get(key)

    def fail(self, key, accepted):
        raise ModelError("{}: {}{} = {}: expected {}".format(
            self.path, self.name, key, shorten(json.dumps(self.values.get(key))), accepted))

    def take(self, key, kind, *default):
        value = self.value(key)
        if value is None and default:
            return default[0]
        if value is None:
            raise ModelError("{}: {}{} is missing".format(self.path, self.name, key))
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            self.fail(key, {str: "text", int: "a whole number", dict: "an object", list: "a list", bool: "true or false"}[kind])
        return value

    def section(self, key, *default):
        self.parts.append(Keys(self.path, self.name + key + ".", self.take(key, dict, *default)))
        return self.parts[-1]

    def match(self, key, pattern, accepted):
        if not pattern.match(self.take(key, str)):
            self.fail(key, accepted)
        return self.values[key]

    def choice(self, key, choices, *default):
        value = self.take(key, str, *default)
        if value not in choices:
            self.fail(key, "one of " + ", ".join(choices))
        return value

    def number(self, key, low, high, *default):
        value = self.value(key)
        if value is None:
            return self.take(key, int, *default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            self.fail(key, "a number from {:g} to {:g}".format(low, high))
        return value

    def numbers(self, key, *default):
        value = self.value(key)
        if is_number(value):
            return (float(value),)
        if value is not None and not isinstance(value, list):
            self.fail(key, "a number, or a list of numbers")
        values = self.take(key, list, *default)
        if not values or not all(map(is_number, values)):
            self.fail(key, "a list of numbers")
        return tuple(float(item) for item in values)

    def texts(self, key, *default):
        values = self.take(key, list, *default)
        if not values or not all(isinstance(item, str) for item in values):
            self.fail(key, "a list of texts")
        return tuple(values)

    def objects(self, key, *default):
        """Return a `Keys` for each object in the list *key*."""
        values = self.take(key, list, *default)
        if not values or not all(isinstance(item, dict) for item in values):
            self.fail(key, "a list of objects")
        entries = [Keys(self.path, "{}{}[{}].".format(self.name, key, index), item) for index, item in enumerate(values)]
        self.parts += entries
        return entries


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def are_anchors(values):
    """Whether *values* is a list of [width, height], both of them more than nothing."""
    return isinstance(values, list) and len(values) > 0 and all(
        isinstance(pair, list) and len(pair) == 2 and all(is_number(side) and side > 0 for side in pair) for pair in values)
