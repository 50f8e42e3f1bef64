"""What OpenCV's HOG people detector finds: ``python hog.py --data DATA -o hog.npz``, then ``evaluate.py --detections hog.npz``.

The yardstick of before deep learning, on the pictures that the networks are measured on, at the size that they see.
"""
import argparse
import sys

import cv2
import numpy as np

from canvas import letterbox_scale
from evaluate import MEAN_OVER, save_detections
from pictures import encoded, read_all
from refused import run
from store import decode


def people(hog, rgb, picture):
    """Rows (x1, y1, x2, y2, score, group 0, fine 0) in the picture's own pixels; the score is squeezed to 0..1."""
    zoom = letterbox_scale(picture.size)
    size = tuple(int(round(edge * zoom)) for edge in picture.size)
    found, weights = hog.detectMultiScale(cv2.cvtColor(cv2.resize(rgb, size), cv2.COLOR_RGB2GRAY), hitThreshold=-0.5, winStride=(8, 8), scale=1.05)
    if not len(found):
        return np.zeros((0, 7))
    boxes = np.asarray(found, float)
    boxes += np.column_stack([boxes[:, 2] * 0.15, boxes[:, 3] * 0.125, boxes[:, 2] * -0.3, boxes[:, 3] * -0.25])     # its windows have a margin
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1) / zoom
    scores = 1 / (1 + np.exp(-np.ravel(weights)))
    return np.column_stack([corners, scores, np.zeros((len(boxes), 2))])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the folder that holds train/")
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args(argv)
    pictures = [p for p in read_all(options.data, part="val") if p.domain in MEAN_OVER["person"]]
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    found = [None] * len(pictures)
    for index, data in encoded(options.data, pictures):
        found[index] = people(hog, decode(data), pictures[index])
    save_detections(options.output, pictures, found)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
