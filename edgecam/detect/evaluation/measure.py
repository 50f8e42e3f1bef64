"""A detector run over labelled pictures, and what comes out of it."""
import hashlib
from typing import Any, Dict, NamedTuple

import numpy as np

from edgecam.detect.evaluation.labelled import FINE, GROUPS, group_of, read_labels, read_pictures
from edgecam.detect.evaluation.precision import EVERYTHING, SIZES, Tally
from edgecam.detect.stills import decode_still, still_frame

THRESHOLD = 0.01                # average precision needs the low scores: cut at 0.1 it loses 4 points
DRAWS = 400                     # of scenes, for what chance makes of a figure
REFERENCE = (960, 540)          # sizes are those of objects in a picture fitted into this

# The figure to compare models by is the mean over these domains: a pooled one says only how the data are mixed.
MEAN_OVER = {"person": ("bdd100k", "visdrone", "coco"), "vehicle": ("bdd100k", "visdrone", "coco", "vn_cctv"),
             "two-wheeler": ("bdd100k", "visdrone", "vn_cctv")}


class Result(NamedTuple):
    """Tallies of one run."""

    pictures: Dict[str, int]            # by source
    tallies: Dict[Any, Tally]           # by (group or class, domain, size)

    def score(self, name, domain, size="all"):
        """Return the `Score` of a group or class in a domain, or None where it has no objects."""
        tally = self.tallies.get((name, domain, size))
        return tally.score() if tally else None

    def domains(self, name):
        """Return the domains that have objects of a group or class, sorted."""
        return sorted(domain for kind, domain, size in self.tallies
                      if kind == name and size == "all" and self.tallies[kind, domain, size].objects)

    def mean(self, group, size="all"):
        """Return (AP50, AP) as the mean over the domains that count, or None where one of them was not measured."""
        scores = [self.score(group, domain, size) for domain in MEAN_OVER[group]]
        return None if None in scores else tuple(np.mean([score[:2] for score in scores], axis=0))

    def spread(self, group):
        """Return (low, high): in nine of ten sets of scenes like these the mean AP50 of *group* lies between. For a group that has a `mean`."""
        draws = [self.tallies[group, domain, "all"].redrawn(DRAWS, seed) for seed, domain in enumerate(MEAN_OVER[group])]
        return tuple(np.nanpercentile(np.mean(draws, axis=0), (5, 95)))


def choose(sources, part, limit=None):
    """Return {source: pictures} of the side *part* of the split (None: all); *limit* takes a fixed sample of so many."""
    chosen = {source: read_labels(source, folder, part) for source, folder in sources.items()}
    if limit:
        ranked = sorted((hashlib.md5((source + "/" + picture.file).encode()).hexdigest(), source, picture)
                        for source, pictures in chosen.items() for picture in pictures)[:limit]
        chosen = {source: [picture for _, name, picture in ranked if name == source] for source in chosen}
    return {source: pictures for source, pictures in chosen.items() if pictures}


def run(detector, sources, chosen, shown=iter):
    """Return the `Result` of *detector* on the pictures *chosen*; *shown* wraps the sequence of pictures, for progress."""
    result = Result({source: len(pictures) for source, pictures in chosen.items()}, {})
    for picture, content in shown(every_picture(sources, chosen)):
        frame = still_frame(decode_still(content, picture.file))
        add(result.tallies, picture, detector.detect(frame, threshold=THRESHOLD))
    return result


def every_picture(sources, chosen):
    for source, pictures in chosen.items():
        for item in read_pictures(sources[source], pictures):
            yield item


def add(tallies, picture, detections):
    """Count one picture's *detections* in every tally that it belongs to."""
    groups, classes = zip(*(group_of(found.label) for found in detections)) if detections else ((), ())
    boxes = np.array([found.box.corners for found in detections], float).reshape(-1, 4)
    scores = np.array([found.score for found in detections], float)
    scale = min(REFERENCE[0] / float(picture.size[0]), REFERENCE[1] / float(picture.size[1]))
    for name, labels in [(group, groups) for group in GROUPS] + [(name, classes) for name in FINE]:
        truth = picture.truth(name)
        if truth is None:
            continue
        mine = np.array([label == name for label in labels], bool)
        for size, area in dict(SIZES, all=EVERYTHING).items():
            tally = tallies.setdefault((name, picture.domain, size), Tally(area))
            tally.add(boxes[mine], scores[mine], truth, scale, picture.scene)
