"""Following the picture with numpy alone: one shift for all of it, then one step of Lucas-Kanade in each block.

Arrays of more than about 100 KB come from the operating system anew at each use, page by
page, and that costs more than the sums: so large ones are kept (`Spare`), and so is what
is known of a picture for the next one.
"""
import numpy as np

from edgecam.spare import Spare

BLOCK = 16              # side of a block, small pixels
TEXTURE = 4.0           # least mean squared gradient of a block, along its weaker direction
FARTHEST = 1.5          # small pixels beyond which one step can't be trusted
ROWS = 6                # one row of so many is compared where two shifts compete
SMOOTH = 8              # pictures are transformed with sides that are multiples of it
LANES, LANE, EIGHT, SIXTEEN = (np.uint32(number) for number in (0x00ff00ff, 0xffff, 8, 16))
_TO_BLOCKS, _FADES = {}, {}     # by size; there are few


class BlockFollower:
    """Says where the blocks of a picture went. *noise* is the spread of a good displacement, small pixels."""

    noise = 0.2

    def __init__(self):
        self._spare = Spare()

    def look(self, luma, factor):
        """Return the `Look` at *luma*, uint8 (height, width), made *factor* times smaller."""
        return Look(shrink(luma, factor, self._spare))

    def follow(self, before, after):
        """Return (points, moved), (n, 2) each, small pixels: where the middles of the blocks with texture went."""
        dx, dy = common_shift(before, after)
        h, w = before.shape
        top, left = max(-dy, 0), max(-dx, 0)
        rows, columns = (h - abs(dy)) // BLOCK * BLOCK, (w - abs(dx)) // BLOCK * BLOCK
        a = before.picture[top:top + rows, left:left + columns]
        b = after.picture[top + dy:top + dy + rows, left + dx:left + dx + columns]
        flow, good = block_flow(a, b, self._spare)
        points = np.array(good.nonzero()[::-1], float)              # x, y
        points *= BLOCK
        points += [[(BLOCK - 1) / 2.0 + left], [(BLOCK - 1) / 2.0 + top]]
        return points.T, (points + flow[:, good] + [[dx], [dy]]).T


class Look:
    """A small picture, float32, and what its comparison with the next one will need again."""

    def __init__(self, picture):
        self.picture, self.shape = picture, picture.shape
        half = halve(picture)
        self.half_shape, self.spectrum = half.shape, np.fft.rfft2(half).astype(np.complex64)


def shrink(luma, factor, spare):
    """Return *luma* with each *factor* x *factor* pixels made one, float32: the average of their two middle rows."""
    h, w = (side // factor for side in luma.shape)
    if factor == 4 and luma.shape[1] % 4 == 0:
        return quarter(np.ascontiguousarray(luma).view(np.uint32)[:h * 4].reshape(h, 4, w), spare)
    rows = np.add(*(luma[row:h * factor:factor, :w * factor] for row in ((factor - 1) // 2, factor // 2)), dtype=np.uint16)
    small = np.zeros((h, w), np.float32)
    for column in range(factor):
        small += rows[:, column::factor]
    small /= 2 * factor
    return small


def quarter(words, spare):
    """`shrink` by 4 of (height, 4 rows, width) words of four pixels: they are added up in two lanes of 16 bits."""
    shape = 2, len(words), words.shape[2]
    odd, even = spare.get("odd", shape, np.uint32), spare.get("even", shape, np.uint32)
    np.copyto(odd, words[:, 1:3].swapaxes(0, 1))
    np.bitwise_and(odd, LANES, out=even)
    np.right_shift(odd, EIGHT, out=odd)
    np.bitwise_and(odd, LANES, out=odd)
    even += odd
    lanes = np.add(even[0], even[1], out=even[0])
    lanes += np.right_shift(lanes, SIXTEEN, out=odd[0])             # the lower lane is the sum of eight pixels now
    small = np.bitwise_and(lanes, LANE, out=lanes).astype(np.float32)
    small *= 1 / 8.0
    return small


def block_flow(a, b, spare):
    """Return ((2, rows, columns) displacements of the blocks from *a* to *b*, which of them have texture).

    Every second row is looked at: neighbours tell nearly the same.
    """
    both = np.add(a, b, out=spare.get("both", a.shape))
    gx, gy, gt = (spare.get(name, (a.shape[0] // 2, a.shape[1])) for name in ("gx", "gy", "gt"))
    inner = slice(None, -1), slice(1, -1)                           # the rest stays zero
    np.subtract(both[1:-1:2, 2:], both[1:-1:2, :-2], out=gx[inner])  # four times the gradient: central, of the mean
    np.subtract(both[2::2, 1:-1], both[:-2:2, 1:-1], out=gy[inner])
    np.subtract(a[1:-1:2, 1:-1], b[1:-1:2, 1:-1], out=gt[inner])
    xx, yy, xy, xt, yt = blocks(((gx, gx), (gy, gy), (gx, gy), (gx, gt), (gy, gt)))
    det = xx * yy - xy * xy
    weaker = (xx + yy) / 2 - np.sqrt(np.square(xx - yy) / 4 + xy * xy)
    good = weaker > 16 * TEXTURE
    det = np.where(good, det, 1) / 4
    flow = np.array(((yy * xt - xy * yt) / det, (xx * yt - xy * xt) / det))
    near_x, near_y = np.abs(flow) < FARTHEST
    return flow, good & near_x & near_y


def blocks(products):
    """Return the means of the *products* over blocks: over rows first, then along them by a product of matrices."""
    rows, columns = products[0][0].shape
    shape = 2 * rows // BLOCK, BLOCK // 2, columns
    sums = np.array([np.einsum("brc,brc->bc", one.reshape(shape), other.reshape(shape)) for one, other in products])
    return sums @ columns_to_blocks(columns // BLOCK)


def columns_to_blocks(columns):
    if columns not in _TO_BLOCKS:
        _TO_BLOCKS[columns] = np.repeat(np.eye(columns, dtype=np.float32) * 2 / BLOCK ** 2, BLOCK, axis=0)
    return _TO_BLOCKS[columns]


def common_shift(before, after):
    """Return the whole (dx, dy), small pixels, by which *after* is shifted: phase correlation, at half the size."""
    cross = np.conj(before.spectrum) * after.spectrum
    cross *= 1 / (np.abs(cross) + np.float32(1e-6))
    h, w = before.half_shape
    y, x = divmod(int(np.fft.irfft2(cross, s=(h, w)).argmax()), w)
    dy, dx = (y - h if y > h // 2 else y), (x - w if x > w // 2 else x)
    if abs(dy) > h // 3 or abs(dx) > w // 3:
        return 0, 0
    return best_near(before, after, 2 * dx, 2 * dy)


def best_near(before, after, dx, dy):
    """Choose the shift with the least difference: around (dx, dy), along x and then along y, or none at all."""
    def best(*shifts):
        return min((difference(before.picture, after.picture, *shift), shift) for shift in shifts)

    along = best((dx, dy), (dx - 1, dy), (dx + 1, dy))
    dx = along[1][0]
    return min(along, best((dx, dy - 1), (dx, dy + 1), (0, 0)))[1]


def difference(before, after, dx, dy):
    """Return the mean squared difference of the pictures, one shifted against the other, in some rows."""
    h, w = before.shape
    a = before[max(-dy, 0):h - max(dy, 0):ROWS, max(-dx, 0):w - max(dx, 0)]
    b = after[max(dy, 0):h + min(dy, 0):ROWS, max(dx, 0):w + min(dx, 0)]
    apart = (a - b).ravel()
    return float(apart @ apart) / apart.size


def fade(h, w):
    """Return the window that takes the picture's edges out of its spectrum."""
    if (h, w) not in _FADES:
        _FADES[h, w] = np.outer(np.hanning(h), np.hanning(w)).astype(np.float32)
    return _FADES[h, w]


def halve(picture):
    """Return the picture at half its size, faded out at its edges, cut to sides that a Fourier transform likes."""
    h, w = (max(side // (2 * SMOOTH), 1) * SMOOTH for side in picture.shape)
    rows = picture[:2 * h:2, :2 * w] + picture[1:2 * h:2, :2 * w]
    small = rows[:, ::2] + rows[:, 1::2]
    small -= small.sum() / small.size
    small *= fade(h, w)
    return small
