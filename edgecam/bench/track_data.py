"""What `edgecam bench track` plays: MOTChallenge folders, and videos or the scene with exact truth."""
import configparser
import operator
import os
from typing import Any, NamedTuple

import numpy as np

from edgecam.bench.track_rivals import Greedy
from edgecam.capture import open_camera
from edgecam.config import load_config
from edgecam.errors import UsageError
from edgecam.json_lines import read_lines
from edgecam.vocabulary import Box, Detection

SCENE_SECONDS = 20      # of test:// that are played
MISSES = 0.1            # share of the objects that the played detector does not see in a frame
JITTER = 0.03           # spread of its boxes' edges, box sizes
EXAMPLE = '{"frame": 0, "boxes": [["car", x, y, w, h, id]]}'
MOST_FRAMES = 10 ** 6   # of a video with true boxes
SMALLEST = 4            # pixels, sides of objects that it can see


class Sequence(NamedTuple):
    """One recording; `truth` and `detections` hold an array for each frame."""

    name: str
    rate: float         # frames per second
    size: tuple         # (width, height) in pixels
    truth: list         # rows of identity, left, top, width, height, flag, class
    detections: list    # rows of left, top, width, height, score
    labels: Any = None  # lists of labels of the detections, None: all the same
    open: Any = None    # opens the camera, where there are pictures
    motion: Any = None  # exact motion of the camera: frame number -> 2x3 matrix from the frame before, where known

    def seen(self, frame):
        """Return the list of `Detection` of a frame."""
        labels = self.labels[frame] if self.labels else ["object"] * len(self.detections[frame])
        return [Detection(label, row[4], Box(*row[:4])) for label, row in zip(labels, self.detections[frame].tolist())]


def load(path):
    """Return (sequences, whether they have pictures) of a folder or a test:// URL. Raises `UsageError`."""
    if path.startswith("test://"):
        return [scene(path)], True
    if not os.path.isdir(path):
        raise UsageError("{}: there is no such folder".format(path))
    folders = [path] + [os.path.join(path, name) for name in sorted(os.listdir(path))]
    for wanted, read, pictures in (("seqinfo.ini", mot_folder, False), ("gt.jsonl", video_folder, True)):
        found = [read(folder) for folder in folders if os.path.isfile(os.path.join(folder, wanted))]
        if found:
            return found, pictures
    raise UsageError("{}: neither MOTChallenge sequences (seqinfo.ini, det.txt, gt.txt) nor videos with gt.jsonl "
                     "are in it or in its folders".format(path))


# -- MOTChallenge -------------------------------------------------------------------------------------


def mot_folder(folder):
    info = configparser.ConfigParser()
    try:
        info.read(os.path.join(folder, "seqinfo.ini"))
        about = info["Sequence"]
        length, rate = int(about["seqLength"]), float(about["frameRate"])
        size = int(about["imWidth"]), int(about["imHeight"])
        truth, seen = rows(os.path.join(folder, "gt.txt"), 8), rows(os.path.join(folder, "det.txt"), 7)
    except (KeyError, ValueError, OSError, configparser.Error) as error:
        raise UsageError("{}: not a MOTChallenge sequence: {}".format(folder, error)) from error
    if rate <= 0 or length <= 0:
        raise UsageError("{}: frameRate and seqLength must be above zero".format(folder))
    return Sequence(os.path.basename(os.path.abspath(folder)), rate, size,
                    [part[:, 1:] for part in by_frame(truth, length)],
                    [part[:, 2:] for part in by_frame(seen, length)])


def rows(path, columns):
    """Read the first *columns* numbers of each line."""
    if os.path.getsize(path) == 0:
        return np.zeros((0, columns))
    return np.loadtxt(path, delimiter=",", ndmin=2, usecols=range(columns))


def by_frame(table, length):
    """Split *table*, whose first column counts frames from 1, into one part for each frame."""
    table = table[np.argsort(table[:, 0], kind="stable")]
    edges = np.searchsorted(table[:, 0], np.arange(1, length + 2))
    return [table[start:end] for start, end in zip(edges, edges[1:])]


# -- videos and the scene -----------------------------------------------------------------------------


def video_folder(folder):
    names = sorted(name for name in os.listdir(folder) if name.endswith((".mp4", ".mkv", ".h264")))
    if not names:
        raise UsageError("{}: gt.jsonl stands there without a video".format(folder))
    video = os.path.join(folder, names[0])

    frames = read_truth(os.path.join(folder, "gt.jsonl"))
    if any(identity < 0 for boxes in frames for _, identity, _ in boxes):
        frames = identified(frames)
    with opener(video)() as camera:
        rate, size = float(camera.format.rate), (camera.format.width, camera.format.height)
    return played(os.path.basename(os.path.abspath(folder)), rate, size, frames, opener(video))


def read_truth(path):
    """Return [(label, identity, box)] for each frame up to the last that *path* names; a frame without a line has no box. Raises `UsageError`."""
    def read(entry):
        return operator.index(entry["frame"]), [(box[0], int(box[5]), Box(*map(float, box[1:5]))) for box in entry["boxes"]]
    known = dict(read_lines(path, read, EXAMPLE, UsageError))
    if any(not 0 <= frame < MOST_FRAMES for frame in known):
        raise UsageError("{}: frames are counted from 0, to {} at most".format(path, MOST_FRAMES - 1))
    return [known.get(frame, []) for frame in range(max(known, default=-1) + 1)]


def identified(frames):
    """Give boxes without identities (-1) those of a chain of overlaps; for scenes of few objects."""
    chain = Greedy()
    numbered = []
    for boxes in frames:
        ids, _ = chain.update(np.array([box for _, _, box in boxes]).reshape(-1, 4))
        numbered.append([(label, identity, box) for (label, _, box), identity in zip(boxes, ids)])
    return numbered


def scene(url):
    with opener(url)() as camera:
        street = camera.scene
    count = int(SCENE_SECONDS * street.fps)
    frames = [[(box.label, box.id, box.box) for box in street.truth(number)] for number in range(count)]
    sequence = played(url, street.fps, (street.width, street.height), frames, opener(url))
    return sequence._replace(motion=lambda number: between(street.affine(number - 1), street.affine(number)))


def opener(source):
    return lambda: open_camera(load_config(overrides=["capture.input=" + source]).capture)


def between(first, second):
    """Return the 2x3 matrix from pixels of one picture to those of another, both given from the world."""
    whole = np.vstack([second, [0, 0, 1]]) @ np.linalg.inv(np.vstack([first, [0, 0, 1]]))
    return whole[:2]


def played(name, rate, size, frames, open_pictures):
    """Make a sequence of exact boxes, with the detections of a detector that errs as real ones do."""
    rng = np.random.RandomState(5)
    truth, detections, labels = [], [], []
    for boxes in frames:
        boxes = [entry for entry in boxes if min(entry[2][2:]) >= SMALLEST]
        truth.append(np.array([(identity,) + tuple(box) + (1, 1) for _, identity, box in boxes]).reshape(-1, 7))
        draw = rng.uniform(size=len(boxes)), rng.normal(size=(len(boxes), 4)), rng.beta(8, 2, size=len(boxes))
        kept = [n for n in range(len(boxes)) if draw[0][n] >= MISSES]
        detections.append(np.array([blurred(boxes[n][2], draw[1][n]) + (draw[2][n],) for n in kept]).reshape(-1, 5))
        labels.append([boxes[n][0] for n in kept])
    return Sequence(name, rate, size, truth, detections, labels, open_pictures)


def blurred(box, draw):
    left, top, right, bottom = np.array(box.corners) + draw * JITTER * np.array([box.w, box.h, box.w, box.h])
    return left, top, max(right - left, 1.0), max(bottom - top, 1.0)
