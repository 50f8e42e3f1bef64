"""Camera motion from the detections alone, when nothing else tells it.

When the camera jerks, all tracks miss their detections by the same step. Each track
offers its steps to the detections near it; the step that most of them agree on wins.
"""
import numpy as np

RESOLUTION = 0.15       # heights within which two steps are the same
LIKE = 0.25            # largest difference of log heights of a track and its detection
LEAST = 3               # tracks that must agree
MOST = 200              # pairs that vote


def common_step(places, measured, i, j):
    """Return the (dx, dy) that most pairs (i, j) agree on, or None.

    *places* and *measured* are boxes (n, 4) of tracks and detections.
    """
    alike = np.abs(np.log(measured[j, 3] / places[i, 3])) < LIKE
    i, j = i[alike], j[alike]
    if len(i) < LEAST:
        return None
    if len(i) > MOST:                   # each pair votes on each: a sample is enough
        some = np.linspace(0, len(i) - 1, MOST).astype(int)
        i, j = i[some], j[some]
    step = measured[j, :2] - places[i, :2]
    height = places[i, 3]
    dx, dy = step.T                     # two tables of n x n: sums over an axis of two are slow
    same = np.square(height * RESOLUTION)
    apart = (np.square(dx[:, None] - dx) + np.square(dy[:, None] - dy)) / same[:, None]
    votes = np.exp(apart * -0.5)
    support = votes.sum(axis=0)
    still = np.exp(-(np.square(dx) + np.square(dy)) / same / 2).sum()
    best = int(support.argmax())
    if support[best] < max(LEAST, still + 0.5):
        return None
    weight = votes[:, best] / height
    return (step * weight[:, None]).sum(axis=0) / weight.sum()
