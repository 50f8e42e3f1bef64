"""How well a decoded picture shows the original: PSNR and SSIM of luma, inside a mask, outside and over all."""
import math

import numpy as np

PARTS = ("inside", "outside", "whole")
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2       # Wang et al. 2004


class Quality:
    """Adds up frames; *psnr* and *ssim* give {part: dB} over all of them, errors pooled over all pixels.

    SSIM comes from 8x8 windows every 4 pixels, as in x264, and in decibels, -10 log10(1 - SSIM),
    so that a BD-rate can be taken from it.
    """

    def __init__(self):
        self._error, self._pixels = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0)
        self._unlike, self._windows = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0)
        self.frames = []            # PSNR inside the mask, of each frame that has one

    def add(self, original, decoded, mask):
        """Take in the luma of a frame, uint8 (height, width); *mask* is a boolean picture or None."""
        squared = np.square(np.subtract(original, decoded, dtype=np.int16), dtype=np.int32)
        split(self._error, self._pixels, squared, mask)
        if mask is not None:
            self.frames.append(decibels(float(squared[mask].mean()) / 255 ** 2))
        windows = 1 - ssim_map(original, decoded)
        split(self._unlike, self._windows, windows, None if mask is None else window_mask(mask, windows.shape))

    @property
    def psnr(self):
        return {part: decibels(ratio(self._error, self._pixels, part, 255 ** 2)) for part in PARTS}

    @property
    def ssim(self):
        return {part: decibels(ratio(self._unlike, self._windows, part)) for part in PARTS}


def split(sums, counts, values, mask):
    """Add *values* to the sums of the three parts."""
    whole, inside, pixels = float(values.sum()), 0.0, 0
    if mask is not None:
        inside, pixels = float(values[mask].sum()), int(mask.sum())
    for part, value, count in (("inside", inside, pixels), ("outside", whole - inside, values.size - pixels),
                               ("whole", whole, values.size)):
        sums[part] += value
        counts[part] += count


def ratio(sums, counts, part, peak=1):
    """Return the mean of a part, against *peak*; None where it has no pixel."""
    return sums[part] / counts[part] / peak if counts[part] else None


def decibels(share):
    """Return -10 log10(share); nothing is better than 100 dB. None, of a part without pixels, stays None."""
    return None if share is None else -10 * math.log10(max(share, 1e-10))


def blocks(values):
    """Return the sums over squares of 4 pixels."""
    values = values[:values.shape[0] & ~3, :values.shape[1] & ~3]
    rows = values[0::4] + values[1::4] + values[2::4] + values[3::4]
    return rows[:, 0::4] + rows[:, 1::4] + rows[:, 2::4] + rows[:, 3::4]


def windows(values):
    """Return the means over squares of 8 pixels, one every 4."""
    sums = blocks(values)
    return (sums[:-1, :-1] + sums[1:, :-1] + sums[:-1, 1:] + sums[1:, 1:]) / 64.0


def ssim_map(original, decoded):
    """Return the structural similarity of each window."""
    a, b = original.astype(np.int32), decoded.astype(np.int32)
    mean_a, mean_b = windows(a), windows(b)
    spread = windows(a * a + b * b) - mean_a ** 2 - mean_b ** 2
    together = windows(a * b) - mean_a * mean_b
    return (2 * mean_a * mean_b + C1) * (2 * together + C2) / ((mean_a ** 2 + mean_b ** 2 + C1) * (spread + C2))


def window_mask(mask, shape):
    """Return which windows have their centre in the mask."""
    return mask[4::4, 4::4][:shape[0], :shape[1]]
