"""What a score is worth: detectors differ, so scores are compared with the detector's own.

One network gives its people 0.85, another 0.99. Instead of absolute thresholds the
tracker learns the usual score of detections that continued confirmed tracks, and judges
each detection by how many log odds it lies below that.
"""
import numpy as np

START = 2.5         # log odds of 0.92, before anything was seen
SLOWEST = 0.02      # share of a new frame in the usual score
EARLY = 10          # matches after which the first impression counts half


class UsualScore:
    """A running median of the log odds of confirmed detections."""

    def __init__(self):
        self.value, self._seen = START, 0

    def relative(self, scores):
        """Return how far *scores* (0 to 1) lie above the usual one, in log odds."""
        scores = np.clip(scores, 0.001, 0.999)
        return np.log(scores / (1 - scores)) - self.value

    def learn(self, relative):
        """Take in the relative scores of detections that continued confirmed tracks."""
        n = len(relative)
        if n:
            self._seen += n
            share = max(SLOWEST, 1 / (1 + self._seen / EARLY)) * n ** 0.5
            middle = np.partition(relative, n // 2)[n // 2]
            self.value += min(share, 0.5) * min(max(middle, -2.0), 2.0)
