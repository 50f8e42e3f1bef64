"""What a model fails at, in pictures: ``python failures.py MODEL --data DATA --sources vn_cctv nepal -o failures.jpg``.

The strongest false boxes and the largest missed objects of the validation split, at most one of a kind from a picture and
few from a scene, cut out and laid side by side.  Red: a false box; yellow: an object that nobody found; green: true boxes.
Name only sources whose licence lets you show their pictures.
"""
import argparse
import json
import os
import sys

import cv2
import numpy as np

import pictures  # noqa: F401  (its path makes edgecam importable)
from refused import run
from edgecam import load_config, open_detector
from edgecam.detect.evaluation.labelled import GROUPS, find_sources, group_of, read_labels, read_pictures
from edgecam.detect.evaluation.precision import area, match, overlaps
from edgecam.detect.evaluation.split import scene_of
from edgecam.detect.stills import decode_still, still_frame

FALSE, MISSED, TRUE = (60, 60, 255), (0, 220, 255), (90, 210, 90)      # BGR
TILE, LEAST_CUT, AROUND = (240, 180), (160, 120), 2.6


def judged(picture, detections, group):
    """(false boxes with scores, missed boxes, true boxes) of one group; each a list of rows."""
    truth = picture.truth(group)
    if truth is None:
        return [], [], []
    mine = sorted((d for d in detections if group_of(d.label)[0] == group), key=lambda d: -d.score)
    boxes = np.array([d.box.corners for d in mine], float).reshape(-1, 4)
    overlap = overlaps(boxes, truth)
    hits, skips = match(overlap, truth.ignore, truth.ignore)
    false = [(boxes[i], mine[i].score) for i in np.flatnonzero(~hits[0] & ~skips[0])]
    reached = overlap.max(axis=0, initial=0) >= 0.5
    real = ~truth.ignore
    return false, list(truth.boxes[real & ~reached]), list(truth.boxes[real])


def cut(image, box):
    """(left, top, zoom) of the tile's part of the picture around ``box``, and that part."""
    height, width = image.shape[:2]
    reach = max(AROUND * (box[2] - box[0]), AROUND * (box[3] - box[1]) * TILE[0] / TILE[1], LEAST_CUT[0])
    size = min(int(reach), width), min(int(reach * TILE[1] / TILE[0]), height)
    left, top = (int(min(max(0, (box[k] + box[k + 2]) / 2 - size[k] / 2), edge - size[k])) for k, edge in ((0, width), (1, height)))
    part = cv2.resize(image[top:top + size[1], left:left + size[0]], TILE, interpolation=cv2.INTER_AREA)
    return (left, top), np.array([TILE[0] / size[0], TILE[1] / size[1]] * 2), part


def tile(image, box, colour, true, caption):
    """The surroundings of ``box`` as a tile with a caption under it."""
    (left, top), zoom, part = cut(image, box)
    for corners, shade in [(other, TRUE) for other in true] + [(box, colour)]:
        x1, y1, x2, y2 = ((corners - np.array([left, top, left, top])) * zoom).astype(int).tolist()
        cv2.rectangle(part, (x1, y1), (x2, y2), shade, 1, cv2.LINE_AA)
    strip = np.full((18, TILE[0], 3), 30, np.uint8)
    cv2.putText(strip, caption, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return np.vstack([part, strip])


def gathered(detector, folder, names, threshold):
    """(badness, kind, scene, tile) of the worst false box and the worst miss of every picture."""
    rows = []
    for source, place in find_sources(folder).items():
        if source not in names:
            continue
        with open(os.path.join(place, "labels.jsonl"), encoding="utf-8") as lines:
            scenes = {record["file"]: scene_of(source, record["src"]) for record in map(json.loads, lines)}
        for picture, content in read_pictures(place, read_labels(source, place, "val")):
            image = decode_still(content, picture.file)
            found = detector.detect(still_frame(image), threshold=threshold)
            scene = source, scenes[picture.file]
            scale = min(960.0 / picture.size[0], 540.0 / picture.size[1])
            for group in GROUPS:
                false, missed, true = judged(picture, found, group)
                if false:
                    box, score = max(false, key=lambda row: row[1])
                    rows.append((score, "false " + group, scene, tile(image, box, FALSE, true, "%s %.2f, %s" % (group, score, source))))
                if missed:
                    box = max(missed, key=lambda b: area(b[None])[0])
                    side = area(box[None])[0] ** 0.5 * scale
                    rows.append((side, "missed " + group, scene, tile(image, box, MISSED, true, "missed %s, %d px, %s" % (group, side, source))))
    return rows


def picked(rows, kind, count, per_scene=2):
    """The worst tiles of a kind, few of one scene."""
    answer, seen = [], {}
    for badness, _, scene, image in sorted((r for r in rows if r[1] == kind), key=lambda r: -r[0]):
        if seen.get(scene, 0) < per_scene and len(answer) < count:
            seen[scene] = seen.get(scene, 0) + 1
            answer.append(image)
    return answer


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a model's name or path")
    parser.add_argument("--data", required=True, help="the folder that holds train/")
    parser.add_argument("--sources", nargs="+", required=True, help="only these")
    parser.add_argument("--threshold", type=float, default=0.3)
    parser.add_argument("--columns", type=int, default=5, help="tiles of a kind, one row for each kind")
    parser.add_argument("-o", "--output", default="failures.jpg")
    options = parser.parse_args(argv)
    with open_detector(load_config(overrides=["detect.model=" + options.model]).detect) as detector:
        rows = gathered(detector, options.data, options.sources, options.threshold)
    lines = []
    for kind in [word + group for group in GROUPS for word in ("false ", "missed ")]:
        tiles = picked(rows, kind, options.columns)
        if tiles:
            tiles += [np.full_like(tiles[0], 30)] * (options.columns - len(tiles))
            lines.append(np.hstack(tiles))
    if not lines:
        parser.error("nothing went wrong in these sources, or they label nothing")
    cv2.imwrite(options.output, np.vstack(lines), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
