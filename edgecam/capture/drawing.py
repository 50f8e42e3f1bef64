"""What the test scene is painted with: smooth shapes, cars, people and a street, in RGB.

Everything is drawn once when the scene opens, four times too large and averaged down, so
that edges are smooth as a lens makes them. No image file is needed, and no library but numpy.
"""
import numpy as np

OVERSAMPLING = 4


def polygon(height, width, corners):
    """Return the (height, width) bool mask of a polygon; *corners* (x, y) are fractions of the size."""
    xs, ys = centres(width), centres(height)
    inside = np.zeros((height, width), bool)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1]):
        if y1 == y2:
            continue
        rows = between(ys, min(y1, y2), max(y1, y2))        # only there a ray to the right may cross the edge
        inside[rows] ^= xs < ((x2 - x1) * (ys[rows] - y1) / (y2 - y1) + x1)[:, None]
    return inside


def ellipse(height, width, cx, cy, rx, ry):
    """Return the mask of an ellipse; centre and radii are fractions of the size."""
    xs, ys = centres(width), centres(height)
    inside = np.zeros((height, width), bool)
    rows, columns = between(ys, cy - 1.01 * ry, cy + 1.01 * ry), between(xs, cx - 1.01 * rx, cx + 1.01 * rx)
    inside[rows, columns] = (xs[columns] - cx) ** 2 / rx ** 2 + (ys[rows, None] - cy) ** 2 / ry ** 2 <= 1
    return inside


def centres(count):
    """Return where the middles of *count* pixels lie, as fractions of the size."""
    return (np.arange(count) + 0.5) / count


def between(places, low, high):
    """Return the slice of the sorted *places* that are at least *low* and less than *high*."""
    return slice(*np.searchsorted(places, (low, high)))


class Sprite:
    """A small RGBA picture, painted in flat colours one over the other.

    What is kept for each pixel is only which paint lies on top: colours are looked up when the
    sprite is shrunk, so that a bus of a picture of 4096 lines needs no gigabytes.
    """

    def __init__(self, height, width):
        self.size = height * OVERSAMPLING, width * OVERSAMPLING
        self._top = np.zeros(self.size, np.uint8)                           # 0: nothing
        self._paints = [np.zeros((self.size[0], 3), np.float32)]            # the colour of each row

    def fill(self, mask, colour, shade=0.0):
        """Paint *mask* with *colour*, darker towards the bottom by *shade* (0..1)."""
        fall = 1 - shade * np.linspace(0, 1, self.size[0], dtype=np.float32)[:, None]
        self._top[mask] = len(self._paints)
        self._paints.append(np.asarray(colour, np.float32) * fall)
        return self

    def shrink(self):
        """Return (rgb, alpha) at the real size: rgb (h, w, 3) float 0..255, alpha (h, w) float 0..1."""
        n, (h, w) = OVERSAMPLING, self.size
        blocks = self._top.reshape(h // n, n, w // n, n)
        alpha = sum_of((blocks[:, i, :, j] != 0).astype(np.float32) for i in range(n) for j in range(n)) / (n * n)
        rgb = self._sums(blocks)
        rgb /= np.maximum(alpha * n * n, 1e-6)[..., None]
        return rgb, alpha

    def _sums(self, blocks):
        """Return the (h, w, 3) sums of the colours in each of the *blocks*: most are of one paint, only edges are added up in full."""
        paints = np.stack(self._paints, 1).reshape(len(blocks), OVERSAMPLING, -1, 3)
        first = blocks[:, 0, :, 0]
        mixed = np.zeros(first.shape, bool)
        for row in range(OVERSAMPLING):
            for column in range(OVERSAMPLING):
                mixed |= blocks[:, row, :, column] != first
        even = sum_of(paints[:, i] for i in range(OVERSAMPLING) for _ in range(OVERSAMPLING))
        sums = even[np.arange(len(blocks))[:, None], first]
        row, column = mixed.nonzero()
        sums[mixed] = sum_of(paints[row, i, blocks[row, i, column, j]] for i in range(OVERSAMPLING) for j in range(OVERSAMPLING))
        return sums


def sum_of(arrays):
    """Add up one after the other, left to right, as the pictures that were ever recorded have been."""
    total = 0
    for array in arrays:
        total = total + array
    return total


def mirrored(parts):
    rgb, alpha = parts
    return rgb[:, ::-1].copy(), alpha[:, ::-1].copy()


def car(height, width, colour):
    """A car seen from the side, driving to the right."""
    sprite = Sprite(height, width)
    h, w = sprite.size
    dark = np.asarray(colour) * 0.55
    body = [(.01, .62), (.03, .45), (.20, .38), (.32, .08), (.66, .06), (.80, .38), (.96, .46), (.99, .62), (.98, .80), (.02, .80)]
    sprite.fill(polygon(h, w, body), colour, 0.45)
    sprite.fill(polygon(h, w, [(.02, .70), (.98, .70), (.98, .82), (.02, .82)]), dark)
    sprite.fill(polygon(h, w, [(.25, .37), (.34, .13), (.47, .12), (.47, .37)]), (62, 78, 92), 0.3)
    sprite.fill(polygon(h, w, [(.50, .37), (.50, .12), (.64, .11), (.75, .37)]), (70, 88, 104), 0.3)
    sprite.fill(polygon(h, w, [(.93, .48), (.98, .50), (.98, .57), (.93, .56)]), (240, 235, 200))
    sprite.fill(polygon(h, w, [(.02, .47), (.05, .47), (.05, .56), (.02, .56)]), (170, 30, 30))
    for cx in (.21, .79):
        sprite.fill(ellipse(h, w, cx, .80, .20 * h / w, .19), (22, 22, 24))
        sprite.fill(ellipse(h, w, cx, .80, .11 * h / w, .10), (150, 152, 158))
    return sprite.shrink()


def bus(height, width, colour):
    """A bus seen from the side."""
    sprite = Sprite(height, width)
    h, w = sprite.size
    sprite.fill(polygon(h, w, [(.01, .06), (.97, .04), (.99, .50), (.99, .88), (.01, .88)]), colour, 0.35)
    for n in range(7):
        left = .04 + n * .125
        sprite.fill(polygon(h, w, [(left, .16), (left + .105, .16), (left + .105, .48), (left, .48)]), (58, 72, 84), 0.4)
    sprite.fill(polygon(h, w, [(.92, .14), (.975, .14), (.985, .50), (.92, .50)]), (90, 112, 128), 0.3)
    for cx in (.17, .80):
        sprite.fill(ellipse(h, w, cx, .88, .12 * h / w, .12), (20, 20, 22))
        sprite.fill(ellipse(h, w, cx, .88, .06 * h / w, .06), (140, 142, 148))
    return sprite.shrink()


def person(height, width, coat, trousers, stride):
    """A walking person from the side; *stride* -1..1 is where in the step the legs are."""
    sprite = Sprite(height, width)
    h, w = sprite.size
    for swing, shade in ((stride, .75), (-stride, 1.0)):
        foot = .5 + .28 * swing
        leg = [(.40, .50), (.60, .50), (foot + .09, .97), (foot - .11, .97)]
        sprite.fill(polygon(h, w, leg), np.asarray(trousers) * shade)
        sprite.fill(polygon(h, w, [(foot - .12, .95), (foot + .20, .95), (foot + .20, .995), (foot - .12, .995)]), (30, 26, 24))
    sprite.fill(polygon(h, w, [(.30, .19), (.42, .155), (.60, .155), (.72, .20), (.68, .54), (.34, .54)]), coat, 0.5)
    hand = .5 - .30 * stride
    arm = [(.42, .20), (.60, .20), (hand + .10, .50), (hand - .06, .52)]
    sprite.fill(polygon(h, w, arm), np.asarray(coat) * 0.7)
    sprite.fill(ellipse(h, w, hand + .02, .525, .07, .022), (208, 160, 130))
    sprite.fill(ellipse(h, w, .53, .085, .16, .075), (214, 168, 138), 0.3)
    sprite.fill(ellipse(h, w, .49, .060, .17, .058), (48, 34, 26))
    return sprite.shrink()


def texture(rng, height, width, octaves=5):
    """Return a (height, width) pattern of mean 0 with detail at every scale, which repeats sideways."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        step = 2 ** (octaves - octave)
        rough = rng.standard_normal((height // step + 2, max(width // step, 1))) * step ** 0.6
        for row, line in enumerate(rough):
            total[row * step:(row + 1) * step] += np.resize(np.repeat(line, step), width)
    return total / total.std()


def street(rng, height, width, horizon):
    """Return the (height, width, 3) background: sky, houses, pavement, road; it repeats sideways."""
    picture = np.zeros((height, width, 3), np.float32)
    sky = np.linspace(0, 1, horizon)[:, None, None]
    picture[:horizon] = np.array([150, 180, 212]) * (1 - sky) + np.array([205, 212, 216]) * sky
    houses(rng, picture, horizon)
    kerb = horizon + (height - horizon) // 3
    picture[horizon:kerb] = (148, 143, 136)
    picture[kerb:] = (92, 93, 96)
    picture[kerb:kerb + 4] = (178, 176, 170)
    middle = (kerb + height) // 2
    for x in range(0, width, 120):
        picture[middle:middle + 5, x:x + 64] = (214, 212, 204)
    for row, grain in enumerate(texture(rng, height, width)):
        picture[row] += (grain.astype(float) * (1.5 if row < horizon // 2 else 5.0))[:, None]
    return np.clip(picture, 18, 236, out=picture)


def houses(rng, picture, horizon):
    """Paint a row of houses with windows on the horizon."""
    left, width = 0, picture.shape[1]
    while left < width:
        right = min(left + int(rng.integers(90, 200)), width)
        top = int(horizon * rng.uniform(0.15, 0.6))
        wall = rng.uniform(95, 190) * np.array([1.0, rng.uniform(.85, .95), rng.uniform(.70, .88)])
        picture[top:horizon, left:right] = wall
        for y in range(top + 12, horizon - 22, 34):
            for x in range(left + 12, right - 20, 30):
                picture[y:y + 20, x:x + 14] = wall * rng.uniform(.35, .6)
                picture[y + 9:y + 10, x:x + 14] = wall * 1.15
        left = right


def to_yuv(rgb):
    """RGB (h, w, 3) 0..255 -> float (y, u, v) of BT.601, limited range, u and v at half size (ITU-R BT.601-7)."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y = 16 + 0.2568 * r + 0.5041 * g + 0.0979 * b
    u = 128 - 0.1482 * r - 0.2910 * g + 0.4392 * b
    v = 128 + 0.4392 * r - 0.3678 * g - 0.0714 * b
    return y, halve(u), halve(v)


def halve(plane):
    """Average 2x2 blocks; odd edges are repeated."""
    h, w = plane.shape
    if h % 2 or w % 2:
        plane = np.pad(plane, ((0, h % 2), (0, w % 2)), "edge")
    upper, lower = plane[::2], plane[1::2]
    return ((upper[:, ::2] + upper[:, 1::2]) + (lower[:, ::2] + lower[:, 1::2])) / 4        # ten times as fast as `mean`
