"""The built-in scene: a street whose every object, and the camera's own motion, is known exactly.

A frame is a function of its number alone, so that the same URL gives the same pictures on
every machine, and `Street.truth` is the answer to what a detector and a tracker should say.
"""
import math
from typing import NamedTuple

import numpy as np

from edgecam.capture import drawing
from edgecam.vocabulary import Box

MARGIN = 48             # pixels that a shaking or turning camera may look beyond the picture, at 540 lines
MARKER = 32             # side of the marker, pixels
STRIP = 64              # rows that are made at a time: they stay in the processor's cache, and Ctrl-C gets in between


class TruthBox(NamedTuple):
    """One object as it stands in one frame."""

    id: int
    label: str
    box: Box            # clipped to the picture
    visible: float      # share of the object inside the picture, 0 to 1; objects in front are not subtracted


class Actor(NamedTuple):
    """An object of the scene; it crosses the world again and again, as somebody else each time."""

    label: str
    phases: tuple       # of ((y, u, v), (alpha, alpha at half size)) to be shown in turn
    start: float        # x in the world at time 0, pixels
    foot: int           # y of its lowest row in the picture
    speed: float        # pixels per second


class Street:
    """A street of *width* x *height* pixels at *fps*, seen by a camera that may pan, shake and turn.

    *objects*: how many; *pan*: pixels per second; *shake*: amplitude in pixels; *rotate*:
    amplitude in degrees; *noise*: standard deviation of the luma noise, 8-bit steps;
    *marker*: a square whose place tells the frame's number (see `marker_box`). A large street with
    many objects takes seconds to draw: once *stopping()* is true, the objects that are left are left out.
    """

    def __init__(self, width=960, height=540, fps=30.0, objects=8, pan=0.0, shake=0.0, rotate=0.0,
                 noise=1.0, marker=False, seed=1, stopping=lambda: False):
        self.width, self.height, self.fps = width, height, float(fps)
        self.pan, self.shake, self.rotate, self.marker = pan, shake, rotate, marker
        rng = np.random.default_rng(seed)
        self._margin = 2 * int(math.ceil(MARGIN * max(height, width * 9 / 16) / 540 / 2)) if shake or rotate else 0
        self.world = 2 * (width + 2 * self._margin)
        self._ground = self._paint_ground(rng)
        self._actors = self._cast(rng, objects, stopping)
        self._noise = self._make_noise(rng, noise)

    # -- making the pieces, once ------------------------------------------------------------------

    def _paint_ground(self, rng):
        tall = self.height + 2 * self._margin
        rgb = drawing.street(rng, tall + tall % 2, self.world, int(tall * 0.45))
        strips = [[np.clip(plane + 0.5, 0, 255).astype(np.uint8) for plane in drawing.to_yuv(rgb[top:top + STRIP])]
                  for top in range(0, len(rgb), STRIP)]
        planes = [np.concatenate(parts) for parts in zip(*strips)]
        return [np.concatenate([plane, plane], axis=1) for plane in planes]      # any window is one slice

    def _cast(self, rng, count, stopping):
        unit = self.height / 540.0
        actors = [self._actor(rng, n, count, unit) for n in range(count) if not stopping()]
        return sorted(actors, key=lambda actor: actor.foot)                       # far ones are painted first

    def _actor(self, rng, n, count, unit):
        label = ("car", "person", "person", "car", "person", "bus")[n % 6]
        near = rng.uniform(0, 1)
        start = self.world * (n + rng.uniform(-.3, .3)) / max(count, 1)
        colour = rng.uniform(60, 215, 3)
        forward = bool(rng.uniform() < 0.5)
        if label == "person":
            tall = even((78 + 44 * near) * unit)
            coats = rng.uniform(30, 200, 3), rng.uniform(25, 110, 3)
            shapes = [drawing.person(tall, even(tall * 0.42), *coats, stride=s) for s in (-1, -.4, .4, 1, .4, -.4)]
            foot, speed = (300 + 60 * near) * unit, rng.uniform(28, 60) * unit
        elif label == "car":
            tall = even((52 + 40 * near) * unit)
            shapes = [drawing.car(tall, even(tall * 2.7), colour)]
            foot, speed = (400 + 110 * near) * unit, rng.uniform(90, 230) * unit
        else:
            tall = even((120 + 30 * near) * unit)
            shapes = [drawing.bus(tall, even(tall * 2.6), colour)]
            foot, speed = (410 + 50 * near) * unit, rng.uniform(70, 120) * unit
        shapes = shapes if forward else [drawing.mirrored(shape) for shape in shapes]
        return Actor(label, tuple(prepare(shape) for shape in shapes), start, int(foot), speed if forward else -speed)

    def _make_noise(self, rng, sigma):
        """A pool of noise planes as uint8 that wrap: the luma of the scene stays far from both ends."""
        if not sigma:
            return None
        pool = np.empty((4, self.height, self.width), np.int8)
        for rows in (plane[top:top + STRIP] for plane in pool for top in range(0, self.height, STRIP)):
            rough = rng.standard_normal(rows.shape)
            rough *= sigma
            rows[...] = np.clip(np.rint(rough, out=rough), -12, 12, out=rough)
        return pool.view(np.uint8)

    # -- where things are -------------------------------------------------------------------------

    def seconds(self, number):
        return number / self.fps

    def camera(self, number):
        """Return the camera's (x, y, angle): pixels in the world, radians; smooth, without repeating soon."""
        t = self.seconds(number)
        sway = math.sin(5.1 * t) * 0.6 + math.sin(11.7 * t + 1) * 0.3 + math.sin(23.9 * t + 2) * 0.1
        heave = math.sin(6.3 * t + 3) * 0.6 + math.sin(13.1 * t + 4) * 0.3 + math.sin(21.7 * t + 5) * 0.1
        angle = math.radians(self.rotate) * (math.sin(1.9 * t) * 0.8 + math.sin(4.3 * t + 1) * 0.2)
        return self.pan * t + self.shake * sway, self.shake * heave, angle

    def affine(self, number):
        """Return the (2, 3) matrix that takes world pixels to pixels of frame *number*.

        World pixels are those of a camera at rest; the camera turns about the picture's centre.
        """
        x, y, angle = self.camera(number)
        cx, cy = self.width / 2.0, self.height / 2.0
        cos, sin = math.cos(angle), math.sin(angle)
        shift_x, shift_y = (x, y) if angle else (round(x), round(y))
        return np.array([[cos, -sin, cx - cos * (cx + shift_x) + sin * (cy + shift_y)],
                         [sin, cos, cy - sin * (cx + shift_x) - cos * (cy + shift_y)]])

    def _place(self, actor, number):
        """Return (x in the world 0..world, lap) of an actor's left edge."""
        lap, x = divmod(actor.start + actor.speed * self.seconds(number), self.world)
        return int(x), int(lap)

    def truth(self, number):
        """Return the list of `TruthBox` of frame *number*, far ones first."""
        found = []
        for index, actor in enumerate(self._actors):
            world_x, lap = self._place(actor, number)
            (luma, _, _), _ = actor.phases[0]
            tall, wide = luma.shape
            for shift in self._copies(number):
                box = turned(Box(world_x + shift, actor.foot - tall, wide, tall), self.affine(number))
                seen = box.clip(self.width, self.height)
                if seen.area >= 0.05 * box.area and seen.w >= 2:
                    found.append(TruthBox(self._identity(index, lap, shift), actor.label, seen, seen.area / box.area))
        if self.marker:
            found.append(TruthBox(0, "marker", self.marker_box(number), 1.0))
        return found

    def _copies(self, number):
        """Shifts by whole worlds at which an object could be in the picture."""
        base = math.floor(self.camera(number)[0] / self.world)
        return [(base + n) * self.world for n in (-1, 0, 1)]

    def _identity(self, index, lap, shift):
        """A number from 1 for this crossing of the world."""
        turns = lap - int(round(shift / self.world))
        return 1 + index + len(self._actors) * (2 * turns if turns >= 0 else -2 * turns - 1)

    def marker_box(self, number):
        """Where the marker stands: 3 pixels to the right a frame, a row down when it reaches the edge."""
        columns = (self.width - 2 * MARKER) // 3
        rows = max((self.height - 2 * MARKER) // MARKER, 1)
        row, column = divmod(number, columns)
        return Box(MARKER // 2 + 3 * column, MARKER // 2 + MARKER * (row % rows), MARKER, MARKER)

    # -- painting ---------------------------------------------------------------------------------

    def render(self, number):
        """Return the I420 planes of frame *number*: uint8 (h, w), (h/2, w/2), (h/2, w/2)."""
        x, y, angle = self.camera(number)
        planes = self._window(round(x), round(y), number)
        if angle:
            planes = self._turn(planes, number, round(x), round(y))
        planes = [np.ascontiguousarray(self._centre(plane, n)) for n, plane in enumerate(planes)]
        if self._noise is not None:
            pool = self._noise[number % 4]
            roll = (number * 7919) % self.height                 # the same four planes, never in the same place
            planes[0][roll:] += pool[:self.height - roll]
            planes[0][:roll] += pool[self.height - roll:]
        if self.marker:
            self._paint_marker(planes, number)
        return planes

    def _window(self, x, y, number):
        """The picture with its margin, camera at (x, y), not turned."""
        m, left = self._margin, x % self.world
        tall, wide = self.height + 2 * m, self.width + 2 * m
        luma, u, v = self._ground
        rows = slice(0, tall)
        planes = [luma[rows, left:left + wide].copy(), u[:(tall + 1) // 2, left // 2:left // 2 + (wide + 1) // 2].copy(),
                  v[:(tall + 1) // 2, left // 2:left // 2 + (wide + 1) // 2].copy()]
        if y:
            planes = [np.roll(plane, -(y if n == 0 else y // 2), axis=0) for n, plane in enumerate(planes)]
        for actor in self._actors:
            self._paint_actor(planes, actor, number, x, y)
        return planes

    def _paint_actor(self, planes, actor, number, x, y):
        world_x, _ = self._place(actor, number)
        phase = actor.phases[int(self.seconds(number) * 8) % len(actor.phases)]
        tall = phase[0][0].shape[0]
        for shift in self._copies(number):
            left = world_x + shift - x + self._margin
            paste(planes, phase, left, actor.foot - tall - y + self._margin)

    def _centre(self, plane, n):
        m = self._margin if n == 0 else self._margin // 2
        h, w = (self.height, self.width) if n == 0 else ((self.height + 1) // 2, (self.width + 1) // 2)
        return plane[m:m + h, m:m + w]

    def _turn(self, planes, number, x, y):
        """Turn the picture about its centre; the shift left over by rounding goes in as well."""
        wanted = self.affine(number)
        placed = np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])                    # picture -> world
        matrix = np.vstack([wanted, [0, 0, 1]]).dot(placed)
        return [warp(plane, matrix, self._margin if n == 0 else self._margin // 2, 1 if n == 0 else 2)
                for n, plane in enumerate(planes)]

    def _paint_marker(self, planes, number):
        box = self.marker_box(number)
        x, y = int(box.x), int(box.y)
        planes[0][y:y + MARKER, x:x + MARKER] = 16
        planes[0][y + 4:y + MARKER - 4, x + 4:x + MARKER - 4] = 235
        for plane in planes[1:]:
            plane[y // 2:(y + MARKER + 1) // 2, x // 2:(x + MARKER + 1) // 2] = 128


def even(value):
    return max(2 * int(round(value / 2)), 4)


def prepare(shape):
    """(rgb, alpha) -> ((y, u, v) float32, (alpha, alpha at half size))."""
    rgb, alpha = shape
    planes = tuple(plane.astype(np.float32) for plane in drawing.to_yuv(rgb))
    return planes, (alpha.astype(np.float32), drawing.halve(alpha).astype(np.float32))


def paste(planes, phase, left, top):
    """Blend a prepared sprite into I420 planes at (left, top), which may lie outside."""
    colours, alphas = phase
    for n, (plane, colour) in enumerate(zip(planes, colours)):
        alpha, step = alphas[min(n, 1)], 1 if n == 0 else 2
        x, y = left // step, top // step
        h, w = colour.shape
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, plane.shape[1]), min(y + h, plane.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        part = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
        under = plane[y0:y1, x0:x1]
        under[...] = (under + (colour[part] - under) * alpha[part] + 0.5).astype(np.uint8)


def turned(box, affine):
    """Return the upright box around *box* moved by the (2, 3) matrix *affine*."""
    left, top, right, bottom = box.corners
    corners = affine.dot(np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]], float))
    return Box.from_corners(*(float(v) for v in (corners[0].min(), corners[1].min(), corners[0].max(), corners[1].max())))


def warp(plane, matrix, margin, step):
    """Return *plane* (which has *margin* pixels around the picture) moved by the 3x3 *matrix* of luma pixels."""
    scale = np.diag([step, step, 1.0])
    scale[0, 2] = scale[1, 2] = (step - 1) / 2.0            # centres of 2x2 blocks
    inset = np.array([[1.0, 0, -margin], [0, 1, -margin], [0, 0, 1]])
    change = np.linalg.inv(scale.dot(inset)).dot(matrix).dot(scale.dot(inset))
    try:
        import cv2
    except ImportError:
        return warp_nearest(plane, np.linalg.inv(change))
    return cv2.warpAffine(plane, change[:2], (plane.shape[1], plane.shape[0]), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)


def warp_nearest(plane, back):
    """The same without OpenCV, to the nearest pixel; *back* takes targets to sources."""
    h, w = plane.shape
    ys, xs = np.mgrid[0:h, 0:w]
    x = np.rint(back[0, 0] * xs + back[0, 1] * ys + back[0, 2]).astype(np.int32).clip(0, w - 1)
    y = np.rint(back[1, 0] * xs + back[1, 1] * ys + back[1, 2]).astype(np.int32).clip(0, h - 1)
    return plane[y, x]
