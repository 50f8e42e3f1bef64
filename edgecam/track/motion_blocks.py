"""Following the picture with numpy alone: one shift for all of it, then one step of Lucas-Kanade in each block.

Arrays of more than about 100 KB come from the operating system anew at each use, page by
page, and that costs more than the sums: so everything here works in small pieces, and what
is known of a picture is kept for the next one.
"""
import numpy as np

BLOCK = 16              # side of a block, small pixels
TEXTURE = 4.0           # least mean squared gradient of a block, along its weaker direction
FARTHEST = 1.5          # small pixels beyond which one step can't be trusted
ROWS = 6                # one row of so many is compared where two shifts compete
SMOOTH = 8              # pictures are transformed with sides that are multiples of it
LANES, EIGHT = np.uint64(0x00ff00ff00ff00ff), np.uint64(8)
LANE, SIXTEEN = np.uint32(0xffff), np.uint32(16)
_TO_BLOCKS, _FADES = {}, {}     # by size; there are few


class BlockFollower:
    """Says where the blocks of a picture went. *noise* is the spread of a good displacement, small pixels."""

    noise = 0.2

    def look(self, luma, factor):
        """Return the `Look` at *luma*, uint8 (height, width), made *factor* times smaller."""
        return Look(shrink(luma, factor))

    def follow(self, before, after):
        """Return (points, moved), (n, 2) each, small pixels: where the middles of the blocks with texture went."""
        dx, dy = common_shift(before, after)
        h, w = before.shape
        top, left = max(-dy, 0), max(-dx, 0)
        rows, columns = (h - abs(dy)) // BLOCK * BLOCK, (w - abs(dx)) // BLOCK * BLOCK
        a = before.picture[top:top + rows, left:left + columns]
        b = after.picture[top + dy:top + dy + rows, left + dx:left + dx + columns]
        flow, good = block_flow(a, b)
        ys, xs = np.nonzero(good)
        points = np.column_stack((xs, ys)) * float(BLOCK) + ((BLOCK - 1) / 2.0 + left, (BLOCK - 1) / 2.0 + top)
        return points, points + flow[ys, xs] + (dx, dy)


class Look:
    """A small picture, float32, and what its comparison with the next one will need again."""

    def __init__(self, picture):
        self.picture, self.shape = picture, picture.shape
        half = halve(picture)
        self.half_shape, self.spectrum = half.shape, np.fft.rfft2(half)


def shrink(luma, factor):
    """Return *luma* with each *factor* x *factor* pixels made one, float32: the average of their two middle rows."""
    h, w = (side // factor for side in luma.shape)
    middle = (factor - 1) // 2, factor // 2
    if factor == 4 and luma.shape[1] % 8 == 0:
        words = np.ascontiguousarray(luma).view(np.uint64)
        return quarter(*(words[row:h * 4:4] for row in middle))
    rows = np.add(*(luma[row:h * factor:factor, :w * factor] for row in middle), dtype=np.uint16)
    small = np.zeros((h, w), np.float32)
    for column in range(factor):
        small += rows[:, column::factor]
    small /= 2 * factor
    return small


def quarter(one, other):
    """`shrink` by 4 of two rows of eight pixels a word: they are added up in four lanes of 16 bits."""
    lanes, part = one & LANES, other & LANES
    lanes += part
    for row in (one, other):
        np.right_shift(row, EIGHT, out=part)
        lanes += np.bitwise_and(part, LANES, out=part)
    pairs = lanes.view(np.uint32)
    small = (pairs & LANE).astype(np.float32)
    small += pairs >> SIXTEEN
    small *= 1 / 8.0
    return small


def block_flow(a, b):
    """Return ((rows, columns, 2) displacements of the blocks from *a* to *b*, which of them have texture).

    Every second row is looked at: neighbours tell nearly the same.
    """
    both, gt = a + b, (a - b)[1:-1:2, 1:-1]
    gx = both[1:-1:2, 2:] - both[1:-1:2, :-2]                       # four times the gradient: central, of the mean
    gy = (both[2::2] - both[:-2:2])[:, 1:-1]
    xx, yy, xy, xt, yt = blocks(((gx, gx), (gy, gy), (gx, gy), (gx, gt), (gy, gt)), a.shape)
    det = xx * yy - xy * xy
    weaker = (xx + yy) / 2 - np.sqrt(np.square(xx - yy) / 4 + xy * xy)
    good = weaker > 16 * TEXTURE
    det = np.where(good, det, 1) / 4
    flow = np.stack(((yy * xt - xy * yt) / det, (xx * yt - xy * xt) / det), axis=-1)
    return flow, good & (np.abs(flow).max(axis=-1) < FARTHEST)


def blocks(products, shape):
    """Return the means of the *products* over blocks: over rows first, then along them by a product of matrices."""
    rows, columns = shape[0] // BLOCK, shape[1] // BLOCK
    table = np.zeros((len(products), rows * BLOCK // 2, columns * BLOCK), np.float32)
    for out, (one, other) in zip(table, products):
        np.multiply(one, other, out=out[:len(one), 1:-1])
    sums = np.add.reduce(table.reshape(-1, BLOCK // 2, columns * BLOCK), axis=1)
    return (sums @ columns_to_blocks(columns)).reshape(len(products), rows, columns)


def columns_to_blocks(columns):
    if columns not in _TO_BLOCKS:
        _TO_BLOCKS[columns] = np.repeat(np.eye(columns, dtype=np.float32) * 2 / BLOCK ** 2, BLOCK, axis=0)
    return _TO_BLOCKS[columns]


def common_shift(before, after):
    """Return the whole (dx, dy), small pixels, by which *after* is shifted: phase correlation, at half the size."""
    cross = np.conj(before.spectrum) * after.spectrum
    cross /= np.abs(cross) + 1e-6
    h, w = before.half_shape
    y, x = divmod(int(np.fft.irfft2(cross, s=(h, w)).argmax()), w)
    dy, dx = (y - h if y > h // 2 else y), (x - w if x > w // 2 else x)
    if abs(dy) > h // 3 or abs(dx) > w // 3:
        return 0, 0
    return best_near(before, after, 2 * dx, 2 * dy)


def best_near(before, after, dx, dy):
    """Choose among the nine shifts around (dx, dy) and none at all the one with the least difference."""
    tries = [(dx + i, dy + j) for i in (-1, 0, 1) for j in (-1, 0, 1)] + [(0, 0)]
    return min(tries, key=lambda shift: difference(before.picture, after.picture, *shift))


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
    small -= small.mean()
    small *= fade(h, w)
    return small
