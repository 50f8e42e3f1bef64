"""The Bjontegaard delta rate: how many percent more bits one encoder needs than another for the same quality.

VCEG-M33 (Bjontegaard, 2001) with Akima's piecewise cubic between the points, as in JVET's newer
common test conditions: a single polynomial through five points may swing between them.
"""
import math

import numpy as np

from edgecam.errors import BackendUnavailable


def bd_rate(reference, test):
    """Return the percentage by which *test* needs more bits than *reference*; negative is a saving.

    Both are lists of (bits per second, quality in dB), four points at least, in any order. The
    average is taken over the qualities that both reach; None where there are none, or where
    quality does not grow with the rate or was not measured.
    """
    if any(quality is None for points in (reference, test) for _, quality in points):
        return None
    curves = [prepared(points) for points in (reference, test)]
    if not all(rising(values) for curve in curves for values in curve):
        return None
    low = max(quality[0] for quality, _ in curves)
    high = min(quality[-1] for quality, _ in curves)
    if high <= low:
        return None
    before, after = (mean_between(curve, low, high) for curve in curves)
    return 100 * (10 ** (after - before) - 1)


def prepared(points):
    """Return (qualities, logarithms of the rates), rising in quality."""
    points = sorted((quality, math.log10(rate)) for rate, quality in points)
    return [quality for quality, _ in points], [rate for _, rate in points]


def rising(values):
    return len(values) >= 4 and all(np.diff(values) > 0)


def mean_between(curve, low, high):
    """Return the average of the logarithm of the rate over the qualities *low* to *high*."""
    try:
        from scipy.interpolate import Akima1DInterpolator
    except ImportError as error:
        raise BackendUnavailable("the BD-rate needs SciPy: pip install scipy") from error
    return float(Akima1DInterpolator(*curve).integrate(low, high)) / (high - low)
