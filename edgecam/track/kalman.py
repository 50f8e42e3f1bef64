"""The motion of many boxes at once: a Kalman filter of constant velocity for each of four numbers.

The numbers are the centre's x and y, the width and the height, in pixels, filtered
independently: each has a value, a rate (pixels per second) and a symmetric 2x2 covariance
whose three entries are kept in three arrays. All arrays have the shape (4, n), so that what
is done to the centres or the sides of all boxes runs through memory in one go. What is
unknown grows with time and with the height of the box: a large box is near, and moves
over more pixels. A rate that nobody confirms fades (an Ornstein-Uhlenbeck process),
so that a prediction over a long gap comes to rest instead of leaving the picture.
"""
import math

import numpy as np

LEAST = np.array([[-np.inf], [-np.inf], [1.0], [1.0]])      # no side is shorter than a pixel


class Boxes:
    """The filters of n boxes: `state` is (5, 4, n), for one call of numpy costs as much as another, however small.

    `value`, `rate`, `var`, `cov` and `rate_var` are views of it.
    """

    def __init__(self, state):
        self.state = state

    @classmethod
    def empty(cls):
        return cls(np.zeros((5, 4, 0)))

    @classmethod
    def at_rest(cls, measured, noise, rate_spread):
        """Found filters on boxes seen once; *noise* are variances, *rate_spread* in pixels per second."""
        nothing = np.zeros_like(measured)
        return cls(np.array((measured, nothing, noise, nothing, rate_spread ** 2)))

    def __len__(self):
        return self.state.shape[2]

    value = property(lambda self: self.state[0])
    rate = property(lambda self: self.state[1])
    var = property(lambda self: self.state[2])
    cov = property(lambda self: self.state[3])
    rate_var = property(lambda self: self.state[4])

    def take(self, rows):
        """Return the boxes of *rows* (indices) only."""
        return Boxes(self.state.take(rows, axis=2))

    def copy(self):
        return Boxes(self.state.copy())

    def join(self, other):
        return Boxes(np.concatenate((self.state, other.state), axis=2))

    def moved(self, affine):
        """Carry the boxes along with the picture: *affine* is a 2x3 matrix in pixels."""
        turn = affine[:, :2]
        zoom = np.sqrt(abs(turn[0, 0] * turn[1, 1] - turn[0, 1] * turn[1, 0]))
        state = self.state * np.array((zoom, zoom, zoom ** 2, zoom ** 2, zoom ** 2))[:, None, None]
        state[:2, :2] = turn @ self.state[:2, :2]
        state[0, :2] += affine[:, 2:]
        return Boxes(state)


class MotionModel:
    """How boxes go on, and what a measurement teaches."""

    def __init__(self, constants, size=None):
        c, self._size = constants, None if size is None else np.array(size, float)[:, None]
        self._glide = column(c.glide, c.growth_glide)
        self._accel = column(c.accel, c.growth_accel) ** 2
        self._spread = column(c.speed, c.growth)
        self._cut_accel, self._touch, self._enter = c.accel ** 2, c.touch, c.enter
        self._noise = column(c.place_noise, c.size_noise) ** 2

    def noise(self, measured, widening):
        """Variances of measured boxes, (4, n); *widening* (n) multiplies the spread."""
        return self._noise * np.square(measured[3] * widening)

    def found(self, measured, noise, entering=False):
        """Return filters for boxes seen for the first time; *entering*: they were not in the picture before.

        A box that the picture's edge cuts shows a part of its object: as that drives in, the
        part grows by the object's speed, and its centre moves at half of that.
        """
        boxes = Boxes.at_rest(measured, noise, self._spread * measured[3])
        side = cut(measured, self._size, self._touch)
        if side is not None:
            speed = self._spread[0] * longer(measured[2:])
            inward = self._enter if entering else 0.0
            boxes.rate[:] = inward * speed * np.concatenate((-side / 2, np.abs(side)))
            unsure = (1 - inward ** 2) * speed ** 2
            np.copyto(boxes.rate_var, unsure * column(0.25, 1), where=np.tile(side != 0, (2, 1)))
        return boxes

    def where(self, boxes, dt):
        """Return the values only, *dt* seconds on, or back where that is negative: a new (4, n) array."""
        if dt == 0:
            return np.maximum(boxes.value, LEAST)
        value = boxes.value + boxes.rate * self._gone(dt)
        return np.maximum(value, LEAST, out=value)

    def spread(self, boxes, dt):
        """Return the variance of the values, *dt* seconds on: a (4, n) array."""
        if dt == 0:
            return boxes.var
        gone = self._gone(dt)
        return (boxes.var + 2 * gone * boxes.cov + gone ** 2 * boxes.rate_var
                + self._push(boxes) * abs(dt) ** 3 / 3)

    def predict(self, boxes, dt):
        """Return the filters *dt* seconds on."""
        keep = np.exp(-dt / self._glide)
        gone = self._glide * (1 - keep)
        push = self._push(boxes)
        value, rate, var, cov, rate_var = boxes.state
        far = gone * rate_var
        ahead = np.array((value + gone * rate, rate * keep,
                          var + gone * (2 * cov + far), keep * (cov + far), keep ** 2 * rate_var))
        np.maximum(ahead[0], LEAST, out=ahead[0])
        ahead[2:] += push * np.array((dt ** 3 / 3, dt ** 2 / 2, dt))[:, None, None]
        return Boxes(ahead)

    def correct(self, boxes, rows, measured, noise):
        """Teach the filters of *rows*, in place, what was measured for them."""
        state = boxes.state.take(rows, axis=2)
        known = state[2:4]                          # variance of the value, its covariance with the rate
        gains = known / (known[0] + noise)
        state[:2] += gains * (measured - state[0])
        state[4] -= gains[1] * known[1]
        known -= gains[0] * known
        boxes.state[:, :, rows] = state

    def _gone(self, dt):
        """Return the seconds, (4, 1), for which a rate that fades over *dt* would last undiminished; it fades into the past as well."""
        return math.copysign(1, dt) * self._glide * -np.expm1(-abs(dt) / self._glide)

    def _push(self, boxes):
        """Return how much a second adds to the variance of the rates, (4, n)."""
        value = boxes.value
        push = self._accel * np.square(value[3])
        if self._size is not None:
            long = longer(value[2:])
            before, beyond = reaching(value, self._size, self._touch * long)
            np.copyto(push[2:], self._cut_accel * np.square(long), where=before != beyond)
        return push


def column(place, size):
    """Return (4, 1): what holds for both numbers of the place, and for both of the size."""
    return np.array([[place], [place], [size], [size]], float)


def cut(value, size, touch):
    """Return (2, n): -1 where the picture's left or top edge cuts a box, 1 where the right or bottom one does, else 0.

    None where there is none. An edge is reached within *touch* of the box's longer side.
    """
    if size is None or not value.size:
        return None
    before, beyond = reaching(value, size, touch * longer(value[2:]))
    side = beyond.astype(float) - before
    return side if side.any() else None


def reaching(value, size, touch):
    """Return two masks (2, n): who comes within *touch* of the picture's left or top edge, who of its right or bottom one."""
    centre, half = value[:2], value[2:] / 2 + touch
    return centre < half, centre + half > size


def longer(sides):
    """Return (n): the longer of two *sides*, (2, n)."""
    return np.maximum(sides[0], sides[1])
