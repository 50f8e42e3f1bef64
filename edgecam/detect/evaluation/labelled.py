"""Labelled pictures on disk: `<source>/images.tar` and `<source>/labels.jsonl`, one JSON object per picture.

    {"file": name in the tar, "w", "h": pixels, "labelled": [classes that this picture labels],
     "boxes": [[class, x, y, w, h, ignore, the source's own word], ...], "src": where it came from}

What a source does not label may be visible without a box, so it is not measured there. Boxes to
ignore are like COCO's crowds: what lies in them counts neither for nor against.
"""
import math
import os
import tarfile
from typing import NamedTuple, Optional, Tuple

import numpy as np

from edgecam.detect.evaluation.split import scene_of, split_of
from edgecam.errors import ConfigError, reason
from edgecam.json_lines import read_lines

GROUPS = {"person": ("person",), "vehicle": ("car", "bus", "truck"), "two-wheeler": ("bicycle", "motorcycle")}
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}
FINE = GROUPS["vehicle"]                        # classes that are measured apart too

# What models call these things.
SYNONYMS = {"pedestrian": "person", "people": "person", "human": "person", "rider": "person", "van": "car", "auto": "car",
            "motorbike": "motorcycle", "motor": "motorcycle", "scooter": "motorcycle", "bike": "bicycle", "cyclist": "bicycle"}

ANY_VEHICLE = {"topview_highway"}               # its "car" is any vehicle
THREE_WHEELERS = {"three wheelers -CNG-", "auto rickshaw", "auto_rickshaw", "e-rickshaw", "tempo"}   # neither car nor motorcycle
EXAMPLE = '{"file": "a.jpg", "w": 640, "h": 480, "labelled": ["person"], "boxes": [["person", x, y, w, h, 0, "person"]], "src": "mine"}'
DOMAINS = {"coco_train": "coco", "coco_extra": "coco"}


class Truth(NamedTuple):
    """The boxes of one picture for one group or class."""

    boxes: np.ndarray           # float [n, 4]: left, top, right, bottom, pixels of the picture
    ignore: np.ndarray          # bool [n]


class Labelled(NamedTuple):
    """One picture and what is known of it."""

    source: str
    file: str                           # its name in the source's tar
    size: Tuple[int, int]               # width, height
    labelled: frozenset                 # classes
    boxes: tuple                        # of (class, left, top, right, bottom, ignore)
    scene: Optional[str] = None         # the camera, video or series that it is of

    @property
    def domain(self):
        """The kind of pictures: sources of one origin count as one."""
        return DOMAINS.get(self.source, self.source)

    def truth(self, name):
        """Return the `Truth` for a group or one of `FINE`, or None where this picture does not label it (wholly)."""
        members = set(GROUPS.get(name, (name,)))
        if not (members <= self.labelled or name == "vehicle" and self.source in ANY_VEHICLE):
            return None
        if name in FINE and self.source in ANY_VEHICLE:
            return None
        rows = [box[1:] for box in self.boxes if box[0] in members and not box[5]]
        rows += sorted({box[1:] for box in self.boxes if box[0] in members and box[5]})     # an ignored region stands once per class
        table = np.array(rows, float).reshape(-1, 5)
        return Truth(table[:, :4], table[:, 4] > 0)


def group_of(label):
    """Return (group, fine class or None) of what a model calls an object, or (None, None)."""
    label = SYNONYMS.get(label.lower(), label.lower())
    group = label if label in GROUPS else GROUP_OF.get(label)
    return group, label if label in FINE else None


def find_sources(folder):
    """Return {source: its folder} below *folder*: one source, a folder of them, or one that holds train/. Raises `ConfigError`."""
    if not os.path.isdir(folder):
        raise ConfigError("{}: there is no such folder; name one with images.tar and labels.jsonl in it, or in folders below it".format(folder))
    for base in (folder, os.path.join(folder, "train")):
        if is_source(base):
            return {os.path.basename(os.path.abspath(base)): base}
        if os.path.isdir(base):
            found = {name: os.path.join(base, name) for name in sorted(os.listdir(base)) if is_source(os.path.join(base, name))}
            if found:
                return found
    raise ConfigError("{}: holds no labelled pictures: expected images.tar and labels.jsonl in it, or in folders below it".format(folder))


def is_source(folder):
    return all(os.path.isfile(os.path.join(folder, name)) for name in ("images.tar", "labels.jsonl"))


def read_labels(source, folder, part=None):
    """Return the `Labelled` pictures of one source; *part* "val" or "train" takes that side of the split. Raises `ConfigError`."""
    def read(record):
        return picture_of(source, record) if part is None or split_of(source, record) == part else None
    found = read_lines(os.path.join(folder, "labels.jsonl"), read, EXAMPLE, ConfigError)
    return [picture for picture in found if picture is not None]


def picture_of(source, record):
    boxes = tuple((name,) + corners(x, y, w, h) + (bool(ignore) or word in THREE_WHEELERS,)
                  for name, x, y, w, h, ignore, word in record["boxes"])
    if not (0 < record["w"] < math.inf and 0 < record["h"] < math.inf):
        raise ValueError("a picture without a size")
    scene = scene_of(source, record["src"]) if "src" in record else record["file"]
    return Labelled(source, record["file"], (record["w"], record["h"]), frozenset(record["labelled"]), boxes, scene)


def corners(x, y, w, h):
    """Return (left, top, right, bottom). Raises `ValueError` for infinite ones and nan, and `TypeError` for texts, which plus would join."""
    found = x, y, 0.0 + x + w, 0.0 + y + h
    if not all(map(math.isfinite, found)):
        raise ValueError("a box without a place")
    return found


def read_pictures(folder, pictures):
    """Yield (picture, bytes of its file) for *pictures* of the source in *folder*, in the tar's order. Raises `ConfigError`."""
    path = os.path.join(folder, "images.tar")
    wanted = {picture.file: picture for picture in pictures}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name in wanted:
                    yield wanted.pop(member.name), tar.extractfile(member).read()
    except (OSError, tarfile.TarError) as error:
        raise ConfigError("{}: can't be read: {}".format(path, reason(error))) from error
    if wanted:
        raise ConfigError("{}: lacks {} of the pictures that labels.jsonl names, such as {}".format(path, len(wanted), min(wanted)))
