"""The motion of a picture from the displacements of many points, some of which lie on moving objects.

Points are complex numbers x + iy: a similarity (shift, turn, zoom) is then one
multiplication and one addition, and hundreds of hypotheses are tried at once.
"""
import numpy as np

from edgecam.track.motion import STILL

HYPOTHESES = 48         # pairs of points tried; with half of the points on objects, all are bad once in a million
VOTERS = 64             # points, about, that say which pair is best
LEAST = 8               # points that must agree
AGREEMENT = 0.35        # and their share of all points
AFFINE_FROM = 24        # points from which on shear is looked at
NEAR = 2.8              # spreads of a displacement within which a point agrees
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
    p, q = as_complex(points), as_complex(moved)
    good, still = consensus(p, q, weights, noise)
    support = weights[good].sum() / weights.sum()
    if np.count_nonzero(good) < LEAST or support < AGREEMENT:
        return None
    if still:
        return STILL.copy(), float(support)
    affine, fits = refine(p, q, good, weights, size, noise)
    return (affine, fits) if fits >= AGREEMENT else None        # the best fit of those that agreed may suit fewer of them


def as_complex(points):
    return np.ascontiguousarray(points, float).view(complex)[:, 0]


def consensus(p, q, weights, noise):
    """Return (which points agree with the best similarity, whether that is no motion at all)."""
    n = len(p)
    first = (_PICKS[0] * n).astype(int)
    second = (first + 1 + (_PICKS[1] * (n - 1)).astype(int)) % n
    start, apart = p[first], p[second] - p[first]
    apart[np.abs(apart) < 1] = 1
    turn, shift, step = np.ones(HYPOTHESES + 2, complex), np.zeros(HYPOTHESES + 2, complex), q - p
    turn[:-2] += (step[second] - step[first]) / apart
    turn[np.abs(np.abs(turn) - 1) >= 0.2] = 1
    shift[:-2] = q[first] - turn[:-2] * start
    shift[-2] = complex(*np.partition(step.view(float).reshape(n, 2), n // 2, axis=0)[n // 2])      # their median, nearly
    some = slice(None, None, 1 + n // VOTERS)
    votes = np.maximum(1 - misses(turn, shift, p[some], q[some], noise), 0) @ weights[some].astype(np.float32)
    best, still = int(votes.argmax()), len(votes) - 1
    if votes[still] > 0.97 * votes[best]:       # what fits as well without motion is noise
        best = still
    return misses(turn[best:best + 1], shift[best:best + 1], p, q, noise)[0] < 1, best == still


def misses(turn, shift, p, q, noise):
    """Return (hypotheses, points) squared misses in three spreads; single precision is plenty."""
    miss = np.multiply.outer(turn.astype(np.complex64), p.astype(np.complex64))
    miss += shift.astype(np.complex64)[:, None]
    miss -= q.astype(np.complex64)
    error = np.square(miss.real)
    error += np.square(miss.imag)
    error *= np.float32(1 / (3 * noise) ** 2)
    return error


def refine(p, q, good, weights, size, noise):
    """Fit the points that agree by least squares, three rounds, the last ones affine where they are spread enough.

    Returns the 2x3 matrix and the share of the points that it fits. An affine map is
    turn p + shear conj(p) + shift, a similarity one without shear.
    """
    for number in range(3):
        turn, shear, shift = least_squares(p[good], q[good], weights[good], size if number else None)
        error = np.abs(turn * p + shear * p.conj() + shift - q)
        nearer = error < NEAR * noise
        if np.count_nonzero(nearer) < LEAST or number and (nearer == good).all():
            break
        good = nearer
    fits = weights[error < NEAR * noise].sum() / weights.sum()
    return matrix(turn, shear, shift), float(fits)


def least_squares(p, q, weights, size):
    """Return (turn, shear, shift); no shear without *size*, or where the points are not spread over it."""
    total = weights.sum()
    p_middle, q_middle = (p * weights).sum() / total, (q * weights).sum() / total
    p, q = p - p_middle, q - q_middle
    weighed = p * weights
    own, along, shear = np.vdot(p, weighed).real, np.vdot(weighed, q), 0j
    if size is not None and spread(p, size):
        double, across = weighed @ p, weighed @ q
        own, along, shear = (own * own - abs(double) ** 2, own * along - double.conjugate() * across,
                             own * across - double * along)
    turn, shear = along / max(own, 1e-9), shear / max(own, 1e-9)
    return turn, shear, q_middle - turn * p_middle - shear * p_middle.conjugate()


def spread(p, size):
    """Return whether there are enough points, spread wide enough, to tell shear."""
    n, apart = len(p), p - p.sum() / len(p)
    x, y = apart.real, apart.imag
    return n >= AFFINE_FROM and x @ x > n * (SPREAD * size[0]) ** 2 and y @ y > n * (SPREAD * size[1]) ** 2


def matrix(turn, shear, shift):
    """Return turn p + shear conj(p) + shift as a 2x3 matrix."""
    return np.array([[turn.real + shear.real, shear.imag - turn.imag, shift.real],
                     [turn.imag + shear.imag, turn.real - shear.real, shift.imag]])
