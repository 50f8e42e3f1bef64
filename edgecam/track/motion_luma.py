"""Camera motion from the luma picture at a quarter of its size.

A grid of points is followed from frame to frame, by OpenCV's pyramidal Lucas-Kanade where
it is installed, else by numpy: phase correlation for the whole picture, then one step of
Lucas-Kanade in each block. Points without texture say nothing and are left out; points on
moving objects are outvoted in `fit_motion`.
"""
import numpy as np

from edgecam.track.fit import fit_motion
from edgecam.track.motion import Motion, MotionEstimator

try:
    import cv2
except ImportError:
    cv2 = None

WIDTH = 240             # of the small picture, about; the shrinking factor is a whole number
STEP = 18               # pixels of the small picture between grid points
WINDOW = (13, 13)       # pixels around a point that are compared
LEVELS = 2              # of the pyramid: steps of up to some 40 small pixels are found
TEXTURE = 2e-3          # least eigenvalue of the gradients, OpenCV's measure
NOISE = 0.08            # spread of a good displacement, small pixels
BLOCK_NOISE = 0.2       # the same of numpy's one step
BLOCK = 12              # side of numpy's blocks, small pixels
BLOCK_TEXTURE = 4.0     # least mean squared gradient of a block, along its weaker direction
SMOOTH = 8              # pictures are transformed with sides that are multiples of it
LONGEST = 0.5           # seconds after which two frames have too little in common
LANES = np.uint32(0x00ff00ff)
_TO_BLOCKS, _FADES = {}, {}     # by size; there are few


class LumaMotion(MotionEstimator):
    """Follows the picture itself. *follow* is `follow_cv2` or `follow_numpy`, the best one by default."""

    source = "luma"

    def __init__(self, follow=None):
        self._follow = follow or (follow_cv2 if cv2 is not None else follow_numpy)
        self._noise = BLOCK_NOISE if self._follow is follow_numpy else NOISE
        self._small, self._time = None, None

    def observe(self, frame):
        before, since = self._small, self._time
        factor = self.remember(frame)
        small, time = self._small, self._time
        self.confidence = 0.0
        if before is None or small is None or before.shape != small.shape or not 0 < time - since <= LONGEST:
            return None
        found = fit_motion(*self._follow(before, small), size=small.shape[::-1], noise=self._noise)
        if found is None:
            return None
        affine, self.confidence = found
        middle = (factor - 1) / 2.0                             # centre of the first small pixel
        affine[:, 2] = affine[:, 2] * factor + middle - affine[:, :2] @ (middle, middle)
        return Motion(since, time, affine, self.confidence)

    def remember(self, frame):
        """Keep *frame* as the one before the next, without an answer; returns how much smaller it is kept."""
        self._small, self._time = None, frame.time
        if not frame.planes:                                    # device memory only
            return 1
        luma = frame.planes[0]
        luma = luma[..., 0] if luma.ndim == 3 else luma         # YUYV
        factor = max(int(round(luma.shape[1] / float(WIDTH))), 1)
        self._small = shrink(luma, factor)
        return factor


def shrink(luma, factor):
    """Return *luma* with *factor* x *factor* pixels averaged into one, uint8."""
    h, w = (side // factor for side in luma.shape)
    luma = luma[:h * factor, :w * factor]
    if cv2 is not None:
        return cv2.resize(luma, (w, h), interpolation=cv2.INTER_AREA)
    if factor == 4:
        return quarter(np.ascontiguousarray(luma))
    rows = luma.reshape(h, factor, w * factor).sum(axis=1, dtype=np.uint16)
    return (rows.reshape(h, w, factor).sum(axis=2, dtype=np.uint32) // (factor * factor)).astype(np.uint8)


def quarter(luma):
    """`shrink` by 4, three times as fast: four pixels of a row are one word, added up in two lanes of 16 bits."""
    words = luma.view(np.uint32)
    lanes = (words & LANES) + ((words >> np.uint32(8)) & LANES)
    lanes = lanes[0::4] + lanes[1::4] + lanes[2::4] + lanes[3::4]
    return (((lanes & np.uint32(0xffff)) + (lanes >> np.uint32(16))) >> np.uint32(4)).astype(np.uint8)


def follow_cv2(before, after):
    """Return (points, moved), (n, 2) each: where the grid's points with texture went."""
    h, w = before.shape
    ys, xs = np.mgrid[STEP // 2:h:STEP, STEP // 2:w:STEP]
    points = np.stack((xs.ravel(), ys.ravel()), axis=1).astype(np.float32)[:, None]
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=WINDOW, maxLevel=LEVELS,
                                               criteria=(3, 8, 0.03), minEigThreshold=TEXTURE)
    found = found.ravel() == 1
    return points[found, 0].astype(float), moved[found, 0].astype(float)


def follow_numpy(before, after):
    """The same with numpy alone: one shift for all, then one step of its own for each block."""
    dx, dy = common_shift(before, after)
    h, w = before.shape
    top, left = max(-dy, 0), max(-dx, 0)
    rows, columns = (h - abs(dy)) // BLOCK * BLOCK, (w - abs(dx)) // BLOCK * BLOCK
    a = before[top:top + rows, left:left + columns].astype(np.float32)
    b = after[top + dy:top + dy + rows, left + dx:left + dx + columns].astype(np.float32)
    flow, good = block_flow(a, b)
    ys, xs = np.mgrid[:rows // BLOCK, :columns // BLOCK] * BLOCK + (BLOCK - 1) / 2.0
    points = np.stack((xs + left, ys + top), axis=-1)[good]
    return points, points + flow[good] + (dx, dy)


def block_flow(a, b):
    """Return ((rows, columns, 2) displacements of the blocks from *a* to *b*, which of them have texture)."""
    both, gt = a + b, a - b
    gx, gy = np.zeros_like(both), np.zeros_like(both)
    np.subtract(both[:, 2:], both[:, :-2], out=gx[:, 1:-1])         # four times the gradient: central, of the mean
    np.subtract(both[2:], both[:-2], out=gy[1:-1])
    xx, yy, xy, xt, yt = (blocks(one * other) for one, other in ((gx, gx), (gy, gy), (gx, gy), (gx, gt), (gy, gt)))
    det = xx * yy - xy * xy
    weaker = (xx + yy) / 2 - np.sqrt(np.square(xx - yy) / 4 + xy * xy)
    good = weaker > 16 * BLOCK_TEXTURE
    det = np.where(good, det, 1) / 4
    flow = np.stack(((yy * xt - xy * yt) / det, (xx * yt - xy * xt) / det), axis=-1)
    return flow, good & (np.abs(flow).max(axis=-1) < 1.5)


def blocks(values):
    """Return the means over squares of BLOCK pixels; first along the rows, as a product of matrices."""
    h, w = values.shape
    return (values @ columns_to_blocks(w)).reshape(h // BLOCK, BLOCK, w // BLOCK).sum(axis=1)


def columns_to_blocks(width):
    if width not in _TO_BLOCKS:
        _TO_BLOCKS[width] = np.repeat(np.eye(width // BLOCK, dtype=np.float32) / BLOCK ** 2, BLOCK, axis=0)
    return _TO_BLOCKS[width]


def common_shift(before, after):
    """Return the whole (dx, dy) by which *after* is shifted: phase correlation, at half the size."""
    a, b = (halve(picture) for picture in (before, after))
    h, w = a.shape
    window = fade(h, w)
    cross = np.conj(np.fft.rfft2(a * window)) * np.fft.rfft2(b * window)
    peak = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-6), s=a.shape)
    y, x = divmod(int(peak.argmax()), w)
    dy, dx = (y - h if y > h // 2 else y), (x - w if x > w // 2 else x)
    if abs(dy) > h // 3 or abs(dx) > w // 3:
        return 0, 0
    return best_near(before, after, 2 * dx, 2 * dy)


def fade(h, w):
    """Return the window that takes the picture's edges out of its spectrum."""
    if (h, w) not in _FADES:
        _FADES[h, w] = np.outer(np.hanning(h), np.hanning(w)).astype(np.float32)
    return _FADES[h, w]


def best_near(before, after, dx, dy):
    """Choose among the nine shifts around (dx, dy) and none at all the one with the least difference."""
    before, after = before.astype(np.int16), after.astype(np.int16)
    tries = [(dx + i, dy + j) for i in (-1, 0, 1) for j in (-1, 0, 1)] + [(0, 0)]
    return min(tries, key=lambda shift: difference(before, after, *shift))


def difference(before, after, dx, dy):
    h, w = before.shape
    a = before[max(-dy, 0):h - max(dy, 0):3, max(-dx, 0):w - max(dx, 0):3]
    b = after[max(dy, 0):h + min(dy, 0):3, max(dx, 0):w + min(dx, 0):3]
    return np.abs(a - b).mean()


def halve(picture):
    """Return the picture at half its size, without its mean, cut to sides that a Fourier transform likes."""
    h, w = (side // (2 * SMOOTH) * SMOOTH for side in picture.shape)
    picture = picture[:2 * h, :2 * w].astype(np.uint16)
    rows = picture[::2] + picture[1::2]
    small = (rows[:, ::2] + rows[:, 1::2]).astype(np.float32)
    return small - small.mean()
