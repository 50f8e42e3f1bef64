"""Who else follows boxes: each gives (ids, boxes) for the detections of a frame, an array (n, 5)."""
import logging

import numpy as np

from edgecam.bench.track_score import ious

log = logging.getLogger(__name__)


class Greedy:
    """The last box of each object against the new ones, best overlap first; a miss ends an object."""

    name = "greedy IoU"
    LEAST = 0.3

    def __init__(self):
        self._boxes, self._ids, self._next = np.zeros((0, 4)), [], 1

    def update(self, seen):
        boxes, ids = seen[:, :4], [0] * len(seen)
        overlap = ious(self._boxes, boxes)
        while overlap.size and overlap.max() >= self.LEAST:
            i, j = np.unravel_index(overlap.argmax(), overlap.shape)
            ids[j] = self._ids[i]
            overlap[i], overlap[:, j] = 0, 0
        for j, known in enumerate(ids):
            if not known:
                ids[j], self._next = self._next, self._next + 1
        self._boxes, self._ids = boxes, ids
        return ids, boxes


class Packaged:
    """A tracker of the package `trackers`, with its defaults."""

    def __init__(self, kind):
        self._tracker = kind()

    def update(self, seen):
        import supervision
        corners = np.concatenate((seen[:, :2], seen[:, :2] + seen[:, 2:4]), axis=1)
        found = self._tracker.update(supervision.Detections(
            xyxy=corners.astype(np.float32), confidence=seen[:, 4].astype(np.float32), class_id=np.zeros(len(seen), int)))
        known = found.tracker_id >= 0 if found.tracker_id is not None else np.zeros(0, bool)
        boxes = found.xyxy[known] if len(known) else np.zeros((0, 4))
        ids = found.tracker_id[known] + 1 if len(known) else []
        return ids, np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def rivals():
    """Return {name: a function that makes one}; what can't be had is logged and left out."""
    found = {Greedy.name: Greedy}
    try:
        import supervision                                      # noqa: F401
        import trackers
    except ImportError as error:
        log.warning("SORT, ByteTrack and OC-SORT are left out: %s (try: pip install trackers)", error)
        return found
    for name, kind in (("SORT", "SORTTracker"), ("ByteTrack", "ByteTrackTracker"), ("OC-SORT", "OCSORTTracker")):
        if hasattr(trackers, kind):
            found[name] = lambda kind=getattr(trackers, kind): Packaged(kind)
    return found
