"""The motion of a picture from the displacements of many points, some of which lie on moving objects.

Points are complex numbers x + iy: a similarity (shift, turn, zoom) is then one
multiplication and one addition, and hundreds of hypotheses are tried at once.
"""
import numpy as np

from edgecam.track.motion import STILL

HYPOTHESES = 48         # pairs of points tried; with half of the points on objects, all are bad once in a million
LEAST = 8               # points that must agree
AGREEMENT = 0.35        # and their share of all points
AFFINE_FROM = 24        # points from which on shear is looked at
SPREAD = 0.18           # of the picture's size, over which points must be spread for that
_PICKS = np.random.RandomState(12).uniform(size=(2, HYPOTHESES))      # always the same: runs can be repeated


def fit_motion(points, moved, size, noise, weights=None):
    """Return (2x3 matrix, confidence 0..1) that takes *points* to *moved*, or None where they don't agree.

    *points*, *moved* are float arrays (n, 2) in pixels of a picture of *size* (width, height);
    *noise* is the spread of a good displacement, in pixels; *weights* (n) say how much each counts.
    """
    n = len(points)
    if n < LEAST:
        return None
    weights = np.ones(n) if weights is None else np.asarray(weights, float)
    p = points[:, 0] + 1j * points[:, 1]
    q = moved[:, 0] + 1j * moved[:, 1]
    good, still = consensus(p, q, weights, noise)
    support = weights[good].sum() / weights.sum()
    if good.sum() < LEAST or support < AGREEMENT:
        return None
    if still:
        return STILL.copy(), float(support)
    affine = refine(points, moved, good, weights, size, noise)
    error = np.abs(points @ affine[:, :2].T + affine[:, 2] - moved).max(axis=1)
    confidence = weights[error < 3 * noise].sum() / weights.sum()
    return affine, float(confidence)


def consensus(p, q, weights, noise):
    """Return (which points agree with the best similarity, whether that is no motion at all)."""
    n = len(p)
    first = (_PICKS[0] * n).astype(int)
    second = (first + 1 + (_PICKS[1] * (n - 1)).astype(int)) % n
    apart = p[second] - p[first]
    apart = np.where(np.abs(apart) < 1, 1, apart)
    turn = (q[second] - q[first]) / apart
    turn = np.concatenate((np.where(np.abs(np.abs(turn) - 1) < 0.2, turn, 1), [1, 1]))
    shift = np.append(q[first] - turn[:-2] * p[first], [np.median((q - p).real) + 1j * np.median((q - p).imag), 0])
    error = np.abs(turn[:, None] * p + shift[:, None] - q)
    votes = (weights * np.maximum(1 - np.square(error / (3 * noise)), 0)).sum(axis=1)
    best = int(votes.argmax())
    if votes[-1] > 0.97 * votes[best]:          # what fits as well without motion is noise
        return error[-1] < 3 * noise, True
    return error[best] < 3 * noise, False


def refine(points, moved, good, weights, size, noise):
    """Fit the points that agree by least squares, three rounds, the last ones affine where they are spread enough."""
    centre = np.array(size) / 2.0
    affine = STILL
    for turn in range(3):
        shear = good.sum() >= AFFINE_FROM and (points[good].std(axis=0) > SPREAD * np.array(size)).all()
        solve = solve_affine if shear and turn else solve_similarity
        w = np.sqrt(weights[good])[:, None]
        affine = solve((points[good] - centre), (moved[good] - centre), w)
        affine[:, 2] += centre - affine[:, :2] @ centre
        error = np.abs(points @ affine[:, :2].T + affine[:, 2] - moved).max(axis=1)
        nearer = error < 2.5 * noise
        if nearer.sum() < LEAST:
            break
        good = nearer
    return affine


def solve_similarity(points, moved, w):
    n = len(points)
    x, y, one, nil = points[:, :1] * w, points[:, 1:] * w, w, np.zeros((n, 1))
    rows = np.concatenate((np.hstack((x, -y, one, nil)), np.hstack((y, x, nil, one))))
    a, b, dx, dy = np.linalg.lstsq(rows, (moved * w).T.ravel(), rcond=None)[0]
    return np.array([[a, -b, dx], [b, a, dy]])


def solve_affine(points, moved, w):
    rows = np.hstack((points * w, w))
    return np.linalg.lstsq(rows, moved * w, rcond=None)[0].T.copy()
