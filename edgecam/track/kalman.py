"""The motion of many boxes at once: a Kalman filter of constant velocity for each of four numbers.

The numbers are the centre's x and y, the width and the height, in pixels, filtered
independently: each has a value, a rate (pixels per second) and a symmetric 2x2 covariance
whose three entries are kept in three arrays. All arrays have the shape (n, 4). What is
unknown grows with time and with the height of the box: a large box is near, and moves
over more pixels. A rate that nobody confirms fades (an Ornstein-Uhlenbeck process),
so that a prediction over a long gap comes to rest instead of leaving the picture.
"""
import numpy as np


class Boxes:
    """The filters of n boxes. Its arrays are replaced, never changed in place, unless it says so."""

    __slots__ = ("value", "rate", "var", "cov", "rate_var")

    def __init__(self, value, rate, var, cov, rate_var):
        self.value, self.rate = value, rate
        self.var, self.cov, self.rate_var = var, cov, rate_var

    @classmethod
    def empty(cls):
        return cls(*(np.zeros((0, 4)) for _ in cls.__slots__))

    @classmethod
    def at_rest(cls, measured, noise, rate_spread):
        """Found filters on boxes seen once; *noise* are variances, *rate_spread* in pixels per second."""
        nothing = np.zeros_like(measured)
        return cls(measured, nothing, noise, nothing.copy(), rate_spread ** 2)

    def __len__(self):
        return len(self.value)

    def take(self, rows):
        return Boxes(self.value[rows], self.rate[rows], self.var[rows], self.cov[rows], self.rate_var[rows])

    def copy(self):
        return Boxes(*(getattr(self, name).copy() for name in self.__slots__))

    def join(self, other):
        return Boxes(*(np.concatenate((getattr(self, name), getattr(other, name))) for name in self.__slots__))

    def moved(self, affine):
        """Carry the boxes along with the picture: *affine* is a 2x3 matrix in pixels."""
        turn = affine[:, :2]
        zoom = np.sqrt(abs(turn[0, 0] * turn[1, 1] - turn[0, 1] * turn[1, 0]))
        value, rate = self.value * zoom, self.rate * zoom
        value[:, :2] = self.value[:, :2] @ turn.T + affine[:, 2]
        rate[:, :2] = self.rate[:, :2] @ turn.T
        return Boxes(value, rate, self.var * zoom ** 2, self.cov * zoom ** 2, self.rate_var * zoom ** 2)


class MotionModel:
    """How boxes go on, and what a measurement teaches."""

    def __init__(self, constants, size=None):
        c, self._size = constants, size
        self._glide = np.array([c.glide, c.glide, c.growth_glide, c.growth_glide])
        self._accel = np.array([c.accel, c.accel, c.growth_accel, c.growth_accel]) ** 2
        self._spread = np.array([c.speed, c.speed, c.growth, c.growth])
        self._cut_accel, self._touch, self._enter = c.accel ** 2, c.touch, c.enter
        self._noise = np.array([c.place_noise, c.place_noise, c.size_noise, c.size_noise]) ** 2

    def noise(self, measured, widening):
        """Variances of measured boxes, (n, 4); *widening* (n) multiplies the spread."""
        return self._noise * np.square(measured[:, 3] * widening)[:, None]

    def found(self, measured, noise, entering=False):
        """Return filters for boxes seen for the first time; *entering*: they were not in the picture before.

        A box that the picture's edge cuts shows a part of its object: as that drives in, the
        part grows by the object's speed, and its centre moves at half of that.
        """
        boxes = Boxes.at_rest(measured, noise, self._spread * measured[:, 3:])
        side = cut(measured, self._size, self._touch)
        if side is not None:
            speed = self._spread[0] * longer(measured[:, 2:])
            inward = self._enter if entering else 0.0
            boxes.rate = inward * speed * np.concatenate((-side / 2, np.abs(side)), axis=1)
            unsure = (1 - inward ** 2) * speed ** 2
            boxes.rate_var = np.where(np.tile(side != 0, 2), unsure * (0.25, 0.25, 1, 1), boxes.rate_var)
        return boxes

    def where(self, boxes, dt):
        """Return the values only, *dt* seconds on: a new (n, 4) array."""
        if dt == 0:
            return np.maximum(boxes.value, (-np.inf, -np.inf, 1.0, 1.0))
        value = boxes.value + boxes.rate * (self._glide * -np.expm1(-dt / self._glide))
        np.maximum(value[:, 2:], 1.0, out=value[:, 2:])
        return value

    def spread(self, boxes, dt):
        """Return the variance of the values, *dt* seconds on: an (n, 4) array."""
        if dt == 0:
            return boxes.var
        gone = self._glide * -np.expm1(-dt / self._glide)
        return (boxes.var + 2 * gone * boxes.cov + gone ** 2 * boxes.rate_var
                + self._push(boxes) * abs(dt) ** 3 / 3)

    def predict(self, boxes, dt):
        """Return the filters *dt* seconds on."""
        keep = np.exp(-dt / self._glide)
        gone = self._glide * (1 - keep)
        push = self._push(boxes)
        far = gone * boxes.rate_var
        value = boxes.value + gone * boxes.rate
        np.maximum(value[:, 2:], 1.0, out=value[:, 2:])
        return Boxes(value, boxes.rate * keep,
                     boxes.var + gone * (2 * boxes.cov + far) + push * (dt ** 3 / 3),
                     keep * (boxes.cov + far) + push * (dt ** 2 / 2),
                     keep ** 2 * boxes.rate_var + push * dt)

    def correct(self, boxes, rows, measured, noise):
        """Teach the filters of *rows*, in place, what was measured for them."""
        var, cov = boxes.var[rows], boxes.cov[rows]
        total = var + noise
        gain, rate_gain = var / total, cov / total
        error = measured - boxes.value[rows]
        boxes.value[rows] += gain * error
        boxes.rate[rows] += rate_gain * error
        boxes.rate_var[rows] -= rate_gain * cov
        boxes.cov[rows] = cov - gain * cov
        boxes.var[rows] = var - gain * var

    def _push(self, boxes):
        push = self._accel * np.square(boxes.value[:, 3:])
        side = cut(boxes.value, self._size, self._touch)
        if side is not None:
            free = self._cut_accel * np.square(longer(boxes.value[:, 2:]))
            push[:, 2:] = np.where(side != 0, free, push[:, 2:])
        return push


def cut(value, size, touch):
    """Return (n, 2): -1 where the picture's left or top edge cuts a box, 1 where the right or bottom one does, else 0.

    None where there is none. An edge is reached within *touch* of the box's longer side.
    """
    if size is None or not len(value):
        return None
    centre, sides = value[:, :2], value[:, 2:]
    half = sides / 2 + touch * longer(sides)
    side = (centre + half > size).astype(float) - (centre < half)
    return side if side.any() else None


def longer(sides):
    """Return (n, 1): the longer of two *sides*, (n, 2); `max` over an axis of two takes three times as long."""
    return np.maximum(sides[:, :1], sides[:, 1:])
