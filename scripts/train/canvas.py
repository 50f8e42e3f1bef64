"""Plans training canvases on the CPU: which pictures, where, how large, and the boxes that this leaves.

A canvas is 960x540 and cut at one point into four quadrants; one, two or four *tiles* (true-scale crops of pictures)
lie in them.  A plan is numbers only, the pixels are gathered by ``render.py``.  Arrays of a plan, for a batch of B:

``cut``     ``[B, 2]`` float32       x, y where the quadrants meet
``affine``  ``[B, 4, 6]`` float32    quadrant -> stored copy: u = a x + b y + c, v = d x + e y + f
``place``   ``[B, 4, 3]`` int64      offset, width, height of the copy in the store
``weight``  ``[B, 4, 3]`` float32    how much background counts, by group (0: open)
``boxes``   ``[B, M, 7]`` float32    x1, y1, x2, y2, group, fine, ignore; group -1 where there is no box; M is the
            largest number of boxes on one canvas of the batch
``patch_...``: what is pasted on the canvases, see ``paste.py``
``ghost_cut``, ``ghost_affine``, ``ghost_place``, ``ghost_weight``: the same of K <= B canvases of one picture each that
            shine through the first K canvases, ``ghost_share`` ``[K]`` says how strongly; their boxes are in ``boxes``
"""
import os

import numpy as np
import torch

import paste
from network import HEIGHT, WIDTH
from pictures import SAMPLING, fill

MOST_BOXES = 512
SMALLEST = (6.0, 3.0)           # px of the canvas: (longer, shorter) edge of a box that must be found
LEAST_VISIBLE = 0.3
WORN_SHARE = 0.2
MOST_PATCHES = 8                # on a canvas


class Settings(object):
    """How wild the canvases are; ``calm`` is for the last part of a training."""

    def __init__(self, mosaic=0.6, scale=(0.5, 1.7), aspect=0.15, worn=WORN_SHARE, strength=1.0, ghosts=0.0,
                 pasted=0.0):
        self.mosaic, self.scale, self.aspect, self.worn, self.strength = mosaic, scale, aspect, worn, strength
        self.ghosts = ghosts            # share of the canvases that are two pictures in one (mixup)
        self.pasted = pasted            # patches of other pictures, a canvas (mean)

    @classmethod
    def calm(cls):
        return cls(mosaic=0.0, scale=(0.8, 1.3), aspect=0.06, worn=0.12, strength=0.5)

    @classmethod
    def original(cls):
        """What the original recipe did: shift, mild scale, flip, colour."""
        return cls(mosaic=0.0, scale=(0.8, 1.2), aspect=0.0, worn=0.0, strength=0.5)


def letterbox_scale(size):
    """Canvas pixels a picture pixel when the whole picture just fits."""
    return min(WIDTH / size[0], HEIGHT / size[1])


def orientation(random, straight_down):
    """2x2 matrix: a mirror image half of the time; any of the eight orientations seen from straight above."""
    matrix = np.eye(2)
    if straight_down and random.rand() < 0.5:
        matrix = np.array([[0.0, 1.0], [1.0, 0.0]])
    if straight_down and random.rand() < 0.5:
        matrix = matrix @ np.diag([1.0, -1.0])
    return matrix @ np.diag([-1.0, 1.0]) if random.rand() < 0.5 else matrix


def seen_area(random, picture, room):
    """Centre, in picture pixels, of what a tile of ``room`` (w, h, picture pixels) shows of a picture."""
    size = np.array(picture.size, float)
    if len(picture.boxes) and random.rand() < 0.5:
        box = picture.boxes[random.randint(len(picture.boxes))]
        wanted = (box[:2] + box[2:]) / 2 + (random.rand(2) - 0.5) * room * 0.6
    else:
        wanted = random.rand(2) * size
    half = room / 2
    low, high = np.minimum(half, size - half), np.maximum(half, size - half)
    return np.clip(wanted, low, high)


def forward_map(random, picture, tile, settings):
    """(2x2, offset): picture pixels -> canvas pixels for a tile x1, y1, x2, y2; large tiles shrink less, or stay empty."""
    turn = orientation(random, picture.straight_down)
    share = ((tile[2] - tile[0]) * (tile[3] - tile[1]) / (WIDTH * HEIGHT)) ** 0.5
    low = max(settings.scale[0], 0.8 * share)
    zoom = letterbox_scale(picture.size) * np.exp(random.uniform(np.log(low), np.log(settings.scale[1])))
    stretch = np.exp(random.uniform(-1, 1, 2) * settings.aspect / 2)
    matrix = turn @ np.diag(zoom * stretch)
    extent = np.array([tile[2] - tile[0], tile[3] - tile[1]])
    room = np.abs(np.linalg.inv(matrix)) @ extent
    centre = seen_area(random, picture, room)
    return matrix, (tile[:2] + tile[2:]) / 2 - matrix @ centre


def plain_map(picture):
    """(2x2, offset) of the centred letterbox that the network is used with."""
    zoom = letterbox_scale(picture.size)
    return np.eye(2) * zoom, (np.array([WIDTH, HEIGHT]) - zoom * np.array(picture.size)) / 2


def stored_copy(picture, places, matrix, offset):
    """(affine row, place row): canvas pixel centres -> pixel centres of the stored copy that fits the scale."""
    zoom = np.abs(np.linalg.det(matrix)) ** 0.5
    level = 0 if zoom > 0.7 else 1 if zoom > 0.35 else 2
    back = np.linalg.inv(matrix)
    shrink = places[level, 1:3] / np.array(picture.size, float)
    linear = np.diag(shrink) @ back
    shift = shrink * (back @ (0.5 - offset)) - 0.5
    return [linear[0, 0], linear[0, 1], shift[0], linear[1, 0], linear[1, 1], shift[1]], places[level]


def mapped_boxes(picture, matrix, offset, tile):
    """The picture's boxes on the canvas, cut to the tile: rows as in ``boxes``."""
    if not len(picture.boxes):
        return np.zeros((0, 7), np.float32)
    corners = np.stack([picture.boxes[:, :2] @ matrix.T + offset, picture.boxes[:, 2:] @ matrix.T + offset])
    low, high = corners.min(0), corners.max(0)
    clipped = np.concatenate([np.maximum(low, tile[:2]), np.minimum(high, tile[2:])], 1)
    edges = clipped[:, 2:] - clipped[:, :2]
    kept = (edges > 1).all(1)
    visible = edges.clip(0).prod(1) / np.maximum((high - low).prod(1), 1e-6)
    small = (edges.max(1) < SMALLEST[0]) | (edges.min(1) < SMALLEST[1])
    ignore = picture.ignore | (visible < LEAST_VISIBLE) | small
    rows = np.column_stack([clipped, picture.group, picture.fine, ignore])
    return rows[kept].astype(np.float32)


def tiles_of(random, mosaic):
    """(cut point, tile of every quadrant, tile rectangles): one, two or four tiles."""
    cut = np.array([random.uniform(0.3, 0.7) * WIDTH, random.uniform(0.3, 0.7) * HEIGHT])
    if random.rand() >= mosaic:
        return cut, (0, 0, 0, 0), [(0, 0, WIDTH, HEIGHT)]
    if random.rand() < 0.4:
        return cut, (0, 1, 0, 1), [(0, 0, cut[0], HEIGHT), (cut[0], 0, WIDTH, HEIGHT)]
    x, y = cut
    return cut, (0, 1, 2, 3), [(0, 0, x, y), (x, 0, WIDTH, y), (0, y, x, HEIGHT), (x, y, WIDTH, HEIGHT)]


class Planner(object):
    """Draws canvases from a list of pictures and the table of their store."""

    def __init__(self, pictures, indices, table, seed=0):
        self.pictures, self.indices, self.table = pictures, np.asarray(indices), table
        self.random = np.random.RandomState(seed)
        chance = np.array([SAMPLING.get(pictures[i].source, 1.0) for i in self.indices])
        self.reach = np.cumsum(chance / chance.sum())
        self.paster = paste.Paster(pictures, self.indices, table, (mapped_boxes, stored_copy))

    def draw(self):
        return self.indices[min(np.searchsorted(self.reach, self.random.rand()), len(self.indices) - 1)]

    def tile(self, index, rectangle, settings):
        """(affine, place, background weight, box rows) of one picture in one rectangle."""
        picture, rectangle = self.pictures[index], np.array(rectangle, float)
        version = int(len(self.table) > 1 and self.random.rand() < settings.worn)
        matrix, offset = forward_map(self.random, picture, rectangle, settings)
        affine, place = stored_copy(picture, self.table[version, index], matrix, offset)
        return affine, place, picture.background, mapped_boxes(picture, matrix, offset, rectangle)

    def canvas(self, settings):
        """One canvas as (cut, affine, place, weight, boxes)."""
        cut, quadrants, rectangles = tiles_of(self.random, settings.mosaic)
        tiles = [self.tile(self.draw(), r, settings) for r in rectangles]
        parts = [np.array([tiles[q][k] for q in quadrants]) for k in range(3)]
        return [cut] + parts + [np.concatenate([t[3] for t in tiles])]

    def batch(self, size, settings):
        """A plan for ``size`` canvases as tensors."""
        single = Settings(mosaic=0.0, scale=settings.scale, aspect=settings.aspect, worn=settings.worn)
        ghosts = [self.canvas(single) for _ in range(int(round(size * settings.ghosts)))]
        shares = self.random.uniform(0.35, 0.55, len(ghosts)).astype(np.float32)
        drawn = [self.canvas(settings) for _ in range(size)]
        patches = self.patches(drawn, int(round(size * settings.pasted)))
        return dict(collate(drawn, ghosts, shares), **patches)

    def patches(self, drawn, count):
        """Tensors of exactly ``count`` patches on the canvases ``drawn``, whose boxes grow; nothing for 0."""
        found, first = [], self.random.randint(len(drawn))
        for number in range(len(drawn)) if count else ():
            number = (first + number) % len(drawn)
            most = min(self.random.randint(0, MOST_PATCHES + 1), count - len(found))
            found += [(number,) + patch for patch in self.paster.patches(self.random, drawn[number], most)]
        return paste.collate(found, count) if count else {}

    def plain(self, indices, version=0):
        """A plan that shows whole pictures as the network is used: one centred letterbox each."""
        rows = []
        for index in indices:
            picture = self.pictures[index]
            matrix, offset = plain_map(picture)
            affine, place = stored_copy(picture, self.table[version, index], matrix, offset)
            boxes = mapped_boxes(picture, matrix, offset, np.array([0.0, 0.0, WIDTH, HEIGHT]))
            quad = [np.array([row] * 4) for row in (affine, place, picture.background)]
            rows.append([np.array([WIDTH, HEIGHT])] + quad + [boxes])
        return collate(rows)


def padded(boxes, count):
    """Box rows to exactly ``count``; what is more is left out (objects of very crowded canvases, at random places)."""
    full = np.zeros((count, 7), np.float32)
    full[:, 4] = -1
    full[:len(boxes)] = boxes[:count]
    return full


def collate(canvases, ghosts=(), shares=()):
    """List of canvases (and those that shine through the first of them) -> dictionary of tensors."""
    for canvas, ghost in zip(canvases, ghosts):
        canvas[4] = np.concatenate([canvas[4], ghost[4]])
    most = min(MOST_BOXES, max(1, max(len(c[4]) for c in canvases)))
    canvases = [c[:4] + [padded(c[4], most)] for c in canvases]
    names = (("cut", np.float32), ("affine", np.float32), ("place", np.int64), ("weight", np.float32), ("boxes", np.float32))
    plan = {name: torch.from_numpy(np.stack([c[k] for c in canvases]).astype(kind)) for k, (name, kind) in enumerate(names)}
    if len(ghosts):
        for k, (name, kind) in enumerate(names[:4]):
            plan["ghost_" + name] = torch.from_numpy(np.stack([g[k] for g in ghosts]).astype(kind))
        plan["ghost_share"] = torch.from_numpy(shares)
    return plan


class Plans(torch.utils.data.IterableDataset):
    """Endless batches of plans for a DataLoader's workers; ``calm`` is a shared flag that switches the settings.

    The boxes in the file ``filling`` (see ``selftrain.py``) are taken in as soon as it is there.
    """

    def __init__(self, planner, size, wild, calm_flag, seed, filling=None):
        self.planner, self.size, self.wild, self.calm_flag, self.seed = planner, size, wild, calm_flag, seed
        self.filling = filling

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        self.planner.random = np.random.RandomState(self.seed * 1000 + (info.id if info else 0))
        while True:
            if self.filling and os.path.exists(self.filling):
                fill(self.planner.pictures, self.filling)
                self.filling = None
            calm = bool(self.calm_flag.item())
            yield calm, self.planner.batch(self.size, Settings.calm() if calm else self.wild)
