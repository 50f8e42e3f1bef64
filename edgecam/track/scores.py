"""What a score is worth: detectors differ, so scores are compared with the detector's own.

One network gives its people 0.85, another 0.99, a third 0.6 to people and 0.85 to cars.
Instead of absolute thresholds the tracker learns, for each label, the usual score of
detections that continued confirmed tracks, and judges each detection by how many log
odds it lies below that. Until there was one, the best detection so far is the yardstick.
"""
import numpy as np

START = 2.5         # log odds of 0.92: no best detection is a yardstick above it
FLOOR = 0.4         # log odds of 0.6: nor below it, for the first detection may well be a false one
SLOWEST = 0.02      # share of a new frame in the usual score
EARLY = 10          # matches after which the first impression counts half


class UsualScore:
    """A running median of the log odds of confirmed detections, for each label (a small whole number)."""

    def __init__(self):
        self._value, self._seen, self._all_seen = np.zeros(0), np.zeros(0), True

    def relative(self, scores, labels):
        """Return how far *scores* (0 to 1) lie above the usual ones of their *labels*, in log odds."""
        scores = np.minimum(np.maximum(scores, 0.001), 0.999)
        odds = np.log(scores / (1 - scores))
        if not self._all_seen:
            new = self._seen[labels] == 0
            np.maximum.at(self._value, labels[new], np.minimum(odds[new], START))
        return odds - self._value[labels]

    def meet(self, labels):
        """Get ready for so many *labels*."""
        missing = labels - len(self._value)
        if missing > 0:
            self._value = np.append(self._value, np.full(missing, FLOOR))
            self._seen = np.append(self._seen, np.zeros(missing))
            self._all_seen = False

    def learn(self, relative, labels):
        """Take in the relative scores of detections that continued confirmed tracks."""
        for label in set(labels.tolist()):
            mine = relative[labels == label]
            n, seen = len(mine), float(self._seen[label]) + len(mine)
            self._seen[label] = seen
            share = max(SLOWEST, 1 / (1 + seen / EARLY)) * n ** 0.5
            mine.partition(n // 2)
            self._value[label] += min(share, 0.5) * min(max(float(mine[n // 2]), -2.0), 2.0)
        self._all_seen = self._all_seen or bool(self._seen.all())
