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
    miss = turn[:, None] * p + shift[:, None] - q
    error = (np.square(miss.real) + np.square(miss.imag)) / (3 * noise) ** 2
    votes = np.maximum(1 - error, 0) @ weights
    best = int(votes.argmax())
    if votes[-1] > 0.97 * votes[best]:          # what fits as well without motion is noise
        return error[-1] < 1, True
    return error[best] < 1, False


def refine(points, moved, good, weights, size, noise):
    """Fit the points that agree by least squares, three rounds, the last ones affine where they are spread enough."""
    centre = np.array(size) / 2.0
    affine = STILL
    for turn in range(3):
        shear = good.sum() >= AFFINE_FROM and (points[good].std(axis=0) > SPREAD * np.array(size)).all()
        solve = solve_affine if shear and turn else solve_similarity
        affine = solve((points[good] - centre), (moved[good] - centre), weights[good])
        affine[:, 2] += centre - affine[:, :2] @ centre
        error = np.abs(points @ affine[:, :2].T + affine[:, 2] - moved).max(axis=1)
        nearer = error < 2.5 * noise
        if nearer.sum() < LEAST:
            break
        good = nearer
    return affine


def solve_similarity(points, moved, weights):
    """Least squares of a turn and a shift, by complex numbers."""
    p, q = (at[:, 0] + 1j * at[:, 1] for at in (points, moved))
    total = weights.sum()
    middle, target = weights @ p / total, weights @ q / total
    p = p - middle
    turn = weights @ (np.conj(p) * (q - target)) / max(weights @ (p * np.conj(p)).real, 1e-9)
    shift = target - turn * middle
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def solve_affine(points, moved, weights):
    """Least squares by the normal equations: the points are spread wide, and three unknowns are few."""
    rows = np.column_stack((points, np.ones(len(points))))
    weighed = (rows * weights[:, None]).T
    return np.linalg.solve(weighed @ rows, weighed @ moved).T.copy()
