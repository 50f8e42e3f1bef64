"""The MOTChallenge scores of tracks: CLEAR, Identity and HOTA by the package trackeval."""
import contextlib
import io

import numpy as np

from edgecam.errors import BackendUnavailable

DISTRACTORS = (2, 7, 8, 12)     # classes of gt.txt that are neither right nor wrong
IOU = 0.5                       # of CLEAR and Identity
COLUMNS = ("MOTA", "IDF1", "HOTA", "IDSW", "Frag", "FP", "FN")


def metrics():
    """Return the three metrics. Raises `BackendUnavailable` with what to install."""
    try:
        from scipy.optimize import linear_sum_assignment                # noqa: F401, trackeval needs it as well
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError as error:
        raise BackendUnavailable("bench track scores with the package trackeval: {} (try: pip install trackeval scipy)"
                                 .format(error)) from error
    options = {"THRESHOLD": IOU, "PRINT_CONFIG": False}
    with contextlib.redirect_stdout(io.StringIO()):
        return CLEAR(options), Identity(options), HOTA()


def score_sequence(measures, truth, results):
    """Return the raw scores of one sequence: *truth* rows and (ids, boxes) for each scored frame."""
    cleaned = [clean(rows, *found) for rows, found in zip(truth, results)]
    arranged = arrange(cleaned)
    return [measure.eval_sequence(arranged) for measure in measures]


def pool(measures, scored):
    """Return the figures of several sequences together, {column: number}; *scored* is {name: raw scores}."""
    clear, identity, hota = (measure.combine_sequences({name: raw[n] for name, raw in scored.items()})
                             for n, measure in enumerate(measures))
    return {"MOTA": 100 * float(clear["MOTA"]), "IDF1": 100 * float(identity["IDF1"]),
            "HOTA": 100 * float(np.mean(hota["HOTA"])), "IDSW": int(clear["IDSW"]), "Frag": int(clear["Frag"]),
            "FP": int(clear["CLR_FP"]), "FN": int(clear["CLR_FN"])}


def clean(truth, ids, boxes):
    """Drop results on distractors, then truth that does not count: (truth ids, truth boxes, ids, boxes)."""
    from scipy.optimize import linear_sum_assignment
    ids, boxes = np.asarray(ids, int), np.asarray(boxes, float).reshape(-1, 4)
    distracts = np.isin(truth[:, 6], DISTRACTORS)
    if len(ids) and distracts.any():
        overlap = ious(truth[:, 1:5], boxes)
        overlap[overlap < IOU - 1e-9] = 0
        i, j = linear_sum_assignment(-overlap)
        keep = np.ones(len(ids), bool)
        keep[j[(overlap[i, j] > 0) & distracts[i]]] = False
        ids, boxes = ids[keep], boxes[keep]
    counts = (truth[:, 5] != 0) & (truth[:, 6] == 1)
    return truth[counts, 0].astype(int), truth[counts, 1:5], ids, boxes


def arrange(frames):
    """Number identities from 0 and name everything as trackeval wants it."""
    truth_ids, found_ids = numbering(frame[0] for frame in frames), numbering(frame[2] for frame in frames)
    return {"num_timesteps": len(frames), "num_gt_ids": len(truth_ids), "num_tracker_ids": len(found_ids),
            "num_gt_dets": sum(len(frame[0]) for frame in frames),
            "num_tracker_dets": sum(len(frame[2]) for frame in frames),
            "gt_ids": [np.searchsorted(truth_ids, frame[0]) for frame in frames],
            "tracker_ids": [np.searchsorted(found_ids, frame[2]) for frame in frames],
            "similarity_scores": [ious(frame[1], frame[3]) for frame in frames]}


def numbering(identities):
    parts = list(identities)
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, int)


def ious(a, b):
    """Return the IoU of every box of *a* (n, 4) left, top, width, height with every one of *b* (m, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    whole = np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None] - shared
    return np.where(whole > 0, shared / np.maximum(whole, 1e-9), 0.0)


def coverage(truth, boxes):
    """Return the mean, over true objects, of the IoU with the box that covers each best: 0 to 1."""
    if not len(truth):
        return None
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    return float(ious(truth[:, 1:5], boxes).max(axis=1).mean()) if len(boxes) else 0.0
