"""Camera motion from the detections alone, when nothing else tells it.

When the camera jerks, all tracks miss their detections by the same step. Each track
offers its steps to the detections near it; the step that most of them agree on wins.
"""
import numpy as np

RESOLUTION = 0.15       # heights within which two steps are the same
LIKE = 0.25            # largest difference of log heights of a track and its detection
LEAST = 3               # tracks that must agree
MOST = 200              # pairs that vote


def common_step(there, here, trusted):
    """Return the (dx, dy) that most pairs of a track, *there*, and a detection, *here*, agree on, or None.

    Both are boxes (4, n); only the *trusted* pairs (a mask) are asked.
    """
    alike = trusted & (np.abs(np.log(here[3] / there[3])) < LIKE)
    asked = alike.nonzero()[0]
    n = len(asked)
    if n < LEAST:
        return None
    if n > MOST:                        # each pair votes on each: a sample is enough
        asked, n = asked[np.linspace(0, n - 1, MOST).astype(int)], MOST
    step = np.zeros((n + 1, 2))         # the last one is no step at all
    step[:n] = (here[:2] - there[:2]).take(asked, axis=1).T
    height = there[3][asked]
    dx, dy = step.T                     # two tables: sums over an axis of two are slow
    apart = np.square(dx[:n, None] - dx) + np.square(dy[:n, None] - dy)
    votes = np.exp(apart / np.square(height * RESOLUTION)[:, None] * -0.5)
    support = votes.sum(axis=0)
    best = int(support[:n].argmax())
    if support[best] < max(LEAST, support[n] + 0.5):
        return None
    weight = votes[:, best] / height
    return (step[:n] * weight[:, None]).sum(axis=0) / weight.sum()
