"""The labelled pictures: what every source says about the three groups, and the pixels in one large buffer.

Reads the data folder's format (``train/<source>/images.tar`` and ``labels.jsonl``).  A group that a source does not
label, or labels in part, is *open* in its pictures: its boxes train, but nothing there counts as background.
"""
import json
import os
import sys
import tarfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from edgecam.detect.evaluation.split import split_of, scene_of  # noqa: E402

GROUP_OF = {"person": 0, "car": 1, "bus": 1, "truck": 1, "bicycle": 2, "motorcycle": 2}
FINE_OF = {"car": 0, "bus": 1, "truck": 2}
MEMBERS = ({"person"}, {"car", "bus", "truck"}, {"bicycle", "motorcycle"})
ANY_VEHICLE = {"topview_highway"}               # its "car" is any vehicle
THREE_WHEELERS = {"three wheelers -CNG-", "auto rickshaw", "auto_rickshaw", "e-rickshaw", "tempo"}
DOUBTFUL = {"vn_cctv", "dhaka", "nepal", "indo_road", "topview_highway", "atl_highway", "human_v2"}
DOUBTFUL_WEIGHT = 0.7                           # their background holds objects that nobody boxed
SAMPLING = {"kit_ais": 3.0, "coco_train": 2.75, "coco_extra": 2.75, "atl_highway": 1.5, "visdrone": 1.9, "human_v2": 1.4,
            "bdd100k": 1.25, "dhaka": 0.7, "nepal": 0.7, "topview_highway": 0.7}
DOMAINS = {"coco_train": "coco", "coco_extra": "coco"}


class Picture(object):
    """One labelled picture; boxes are ``[n, 4]`` float32 x1, y1, x2, y2 in its own pixels."""

    def __init__(self, source, record):
        self.source, self.file = source, record["file"]
        self.domain = DOMAINS.get(source, source)
        self.size = record["w"], record["h"]
        self.part = split_of(source, record)
        self.scene = scene_of(source, record["src"])
        self.straight_down = source == "kit_ais" or record.get("group") == "-n-"
        labelled = set(record["labelled"])
        self.closed = np.array([m <= labelled or (g == 1 and source in ANY_VEHICLE) for g, m in enumerate(MEMBERS)])
        self.background = np.where(self.closed, DOUBTFUL_WEIGHT if source in DOUBTFUL else 1.0, 0.0).astype(np.float32)
        self.take(read_boxes(source, record))

    def take(self, rows):
        """Set the boxes from rows of (x1, y1, x2, y2, group, fine or -1, ignore)."""
        table = np.array(rows, np.float32).reshape(-1, 7)
        self.boxes, self.group, self.fine = table[:, :4], table[:, 4].astype(np.int64), table[:, 5].astype(np.int64)
        self.ignore = table[:, 6] > 0

    def rows(self):
        """The boxes as ``take`` wants them."""
        return np.column_stack([self.boxes, self.group, self.fine, self.ignore]).tolist()

    @property
    def key(self):
        return self.source + "/" + self.file


def read_boxes(source, record):
    """Rows of a picture's boxes; the six copies of an ignored region become one for each group."""
    rows, seen = [], set()
    for name, x, y, w, h, ignore, original in record["boxes"]:
        group, fine = GROUP_OF[name], FINE_OF.get(name, -1)
        if source in ANY_VEHICLE:
            fine = -1
        ignore = bool(ignore) or original in THREE_WHEELERS
        row = (x, y, x + w, y + h, group, -1 if ignore else fine, float(ignore))
        if not ignore or row not in seen:
            rows.append(row)
        seen.add(row)
    return rows


def read_all(folder, sources=None, part=None):
    """All pictures below ``folder`` (which holds ``train/``), in a fixed order; ``part`` is "train", "val" or None."""
    found = []
    base = os.path.join(folder, "train")
    for source in sorted(sources or os.listdir(base)):
        with open(os.path.join(base, source, "labels.jsonl")) as lines:
            found += [Picture(source, json.loads(line)) for line in lines]
    return [p for p in found if part in (None, p.part)]


def encoded(folder, pictures):
    """Yield (index, bytes of the JPEG or WebP) of every picture."""
    by_source = {}
    for index, picture in enumerate(pictures):
        by_source.setdefault(picture.source, {})[picture.file] = index
    for source, wanted in by_source.items():
        with tarfile.open(os.path.join(folder, "train", source, "images.tar")) as tar:
            for member in tar:
                if member.name in wanted:
                    yield wanted[member.name], tar.extractfile(member).read()


def fill(pictures, path):
    """Add boxes that ``selftrain.py`` found for open groups; the group then counts as labelled, with care."""
    with open(path) as lines:
        found = {row["picture"]: row for row in map(json.loads, lines)}
    for picture in pictures:
        if picture.part == "train" and picture.key in found:
            extra = found[picture.key]
            picture.take(picture.rows() + extra["boxes"])
            picture.background = np.maximum(picture.background, np.where(picture.closed, 0, extra["background"]))
