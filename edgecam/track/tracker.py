"""Objects followed over time: detections go in when they come, boxes come out for any time."""
import threading
from typing import Any, NamedTuple, Tuple

import numpy as np

from edgecam.track import pairs, sway
from edgecam.track.assignment import assign
from edgecam.track.constants import Constants
from edgecam.track.kalman import Boxes, MotionModel
from edgecam.track.motion import MotionHistory
from edgecam.track.scores import UsualScore
from edgecam.vocabulary import CONFIRMED, LOST, TENTATIVE, Box, Track


class Seen(NamedTuple):
    """The detections of one frame as arrays, in an order of our own."""

    box: Any            # (n, 4) centre x, centre y, width, height
    score: Any          # (n,)
    relative: Any       # (n,) log odds against the usual score
    label: Any          # (n,) indices
    noise: Any          # (n, 4) variances of the box


class Book(NamedTuple):
    """All tracks at one time, as arrays of n; never changed once it is made."""

    time: float
    boxes: Boxes
    id: Any
    label: Any          # index into the tracker's names
    backing: Any        # votes for that label
    score: Any
    proof: Any          # log odds that the object is real
    confirmed: Any      # bool
    first: Any          # times of the first and the latest detection
    seen: Any

    def take(self, rows):
        return self._replace(boxes=self.boxes.take(rows), **{name: getattr(self, name)[rows] for name in COLUMNS})

    def join(self, other):
        return self._replace(boxes=self.boxes.join(other.boxes), **{
            name: np.concatenate((getattr(self, name), getattr(other, name))) for name in COLUMNS})


COLUMNS = ("id", "label", "backing", "score", "proof", "confirmed", "first", "seen")
MEMORY = 1.5


def blank(time=float("-inf")):
    whole, real = np.zeros(0, np.intp), np.zeros(0)
    return Book(time, Boxes.empty(), whole, whole, real, real, real, np.zeros(0, bool), real, real)


class Tracker:
    """Follows objects by their boxes and scores.

    `update` belongs to one thread, the detector's. `at` and `move` may be called from any
    other and never wait for it: `update` works on arrays of its own and publishes them whole.
    """

    def __init__(self, settings=None, constants=Constants()):
        self._memory = settings.memory if settings is not None else MEMORY
        self._sways = settings is None or settings.motion in ("auto", "detections")
        self._constants = constants
        self._model = MotionModel(constants)
        self._names, self._next = [], 1
        self.reset()

    def reset(self):
        """Forget all tracks; ids go on."""
        self._usual = UsualScore()
        self._motions = MotionHistory()
        self._book = blank()

    def move(self, motion):
        """Take in the picture's motion between two frames, None where it is not known."""
        if motion is not None:
            self._motions.add(motion)

    def update(self, detections, time):
        """Take in all detections of the frame of *time*, and return the tracks at that time."""
        book = self._carry(self._book, time)
        seen = self._read(detections)
        match, free = self._match(book, seen)
        book = self._correct(book, seen, match)
        book = self._bury(book, match)
        self._book = self._bear(book, seen, free)
        return self.at(self._book.time)

    def at(self, time):
        """Return every track as it is expected at *time*, lost ones too."""
        book, dt = self._book, 0.0
        if len(book.id) == 0:
            return []
        boxes = book.boxes
        dt = time - book.time
        affine = self._motions.between(book.time, time)
        if affine is not None:
            boxes = boxes.moved(affine)
        spread = np.sqrt(self._model.spread(boxes, dt)[:, :2])
        value = self._model.where(boxes, dt)
        value[:, :2] -= value[:, 2:] / 2
        return self._tracks(book, value, boxes.rate, spread, dt)

    def _tracks(self, book, value, rate, spread, dt):
        lost = book.time - book.seen > self._constants.coast + 1e-6
        states = np.where(book.confirmed, np.where(lost, 2, 1), 0).tolist()
        words = (TENTATIVE, CONFIRMED, LOST)
        return [Track(id, self._names[label], score, Box(*box), (vx, vy), age, words[state], at, (sx, sy))
                for id, label, score, box, (vx, vy, _, _), age, state, at, (sx, sy)
                in zip(book.id.tolist(), book.label.tolist(), book.score.tolist(), value.tolist(), rate.tolist(),
                       (book.time + dt - book.first).tolist(), states, book.seen.tolist(), spread.tolist())]

    # One update, step by step

    def _carry(self, book, time):
        """Predict all tracks to *time*, and drop those that nobody can remember."""
        alive = time - book.seen <= self._memory
        if not alive.all():
            book = book.take(alive)
        dt = time - book.time
        if len(book.id) == 0 or dt <= 0:
            return book._replace(time=max(time, book.time))
        boxes = book.boxes
        affine = self._motions.between(book.time, time)
        if affine is not None:
            boxes = boxes.moved(affine)
        return book._replace(time=time, boxes=self._model.predict(boxes, dt),
                             proof=book.proof - self._constants.absence * dt)

    def _read(self, detections):
        rows = sorted((-d.score,) + tuple(d.box) + (self._name(d.label),) for d in detections)
        table = np.array(rows, float).reshape(-1, 6)
        return self._weigh(table)

    def _name(self, label):
        if label not in self._names:
            self._names.append(label)
        return self._names.index(label)

    def _weigh(self, table):
        relative = self._usual.relative(-table[:, 0])
        keep = relative > self._constants.hopeless
        if not keep.all():
            table, relative = table[keep], relative[keep]
        box = table[:, 1:5].copy()
        box[:, :2] += box[:, 2:] / 2
        widening = np.exp(np.clip(-relative, 0, 4) * self._constants.doubt)
        return Seen(box, -table[:, 0], relative, table[:, 5].astype(np.intp), self._model.noise(box, widening))

    def _match(self, book, seen):
        """Return (match, free): the detection of each track or -1, and which detections are left."""
        c = self._constants
        match, free = np.full(len(book.id), -1), np.ones(len(seen.box), bool)
        if not len(match) or not len(free):
            return match, free
        value = book.boxes.value
        i, j = self._near(book, seen)
        if self._sways and self._step(book, seen, i, j):
            value = book.boxes.value
            i, j = self._near(book, seen)
        var = book.boxes.var[i]
        error = seen.box[j] - value[i]
        distance = (error * error / (var + seen.noise[j])).sum(axis=1)
        a, b = value[i], seen.box[j]
        if c.reach:
            a, b = a.copy(), b.copy()
            extra = 2 * c.reach * np.sqrt(var[:, :2]); a[:, 2:] += extra; b[:, 2:] += extra
        overlap = pairs.iou(a, b)
        cost = 1 - overlap + c.distance_weight * distance + c.other_label * (book.label[i] != seen.label[j])
        fits = (distance < c.gate) & (overlap > c.overlap)
        known, weak = book.confirmed[i], seen.relative[j] <= c.weak
        for stage in (known & ~weak, known & weak & (overlap > c.weak_overlap), ~known):
            self._stage(np.flatnonzero(fits & stage & (match[i] < 0) & free[j]), i, j, cost, match, free)
        return match, free

    def _stage(self, at, i, j, cost, match, free):
        at = at[assign(i[at], j[at], cost[at])]
        match[i[at]] = j[at]
        free[j[at]] = False

    def _near(self, book, seen):
        value = book.boxes.value
        r=7*np.sqrt(book.boxes.var[:, :2]) +.5* value[:, 3:]
        return pairs.near(value, seen.box, r[:, 0], r[:, 1])

    def _step(self, book, seen, i, j):
        known = book.time - book.seen[i] < 0.5
        step = sway.common_step(book.boxes.value, seen.box, i[known], j[known])
        if step is None:
            return False
        book.boxes.value[:, :2] += step
        return True

    def _correct(self, book, seen, match):
        c = self._constants
        rows = np.flatnonzero(match >= 0)
        if not len(rows):
            return book
        hits = match[rows]
        self._model.correct(book.boxes, rows, seen.box[hits], seen.noise[hits])
        fresh = -np.expm1(-(book.time - book.seen[rows]) / c.repeat)
        proof, when, score = book.proof.copy(), book.seen.copy(), book.score.copy()
        # the price of absence was for nothing where the track was found
        proof[rows] = np.minimum(proof[rows] + (seen.relative[hits] + c.worth) * fresh, c.ceiling)
        when[rows], score[rows] = book.time, seen.score[hits]
        confirmed = book.confirmed | (proof > c.proof)
        self._usual.learn(seen.relative[hits[confirmed[rows]]])
        label, backing = self._vote(book, rows, seen.label[hits], seen.score[hits])
        return book._replace(proof=proof, seen=when, score=score, confirmed=confirmed, label=label, backing=backing)

    def _vote(self, book, rows, labels, scores):
        """Majority vote with one counter (Boyer and Moore): a label falls when its backing is used up."""
        label, backing = book.label.copy(), book.backing.copy()
        same = label[rows] == labels
        backing[rows] = np.minimum(backing[rows] + np.where(same, scores, -scores), 5.0)
        fallen = rows[backing[rows] < 0]
        if len(fallen):
            label[rows[backing[rows] < 0]] = labels[backing[rows] < 0]
            backing[fallen] = -backing[fallen]
        return label, backing

    def _bury(self, book, match):
        silent = book.time - book.seen
        gone = ~book.confirmed & ((silent > self._constants.patience))
        return book.take(~gone) if gone.any() else book

    def _bear(self, book, seen, free):
        """Found tracks on strong detections that are left and are no twin of a track just seen."""
        c = self._constants
        new = np.flatnonzero(free & (seen.relative > c.birth))
        if not len(new):
            return book
        current = book.boxes.value[book.seen == book.time]
        if len(current):
            i, j = pairs.near(seen.box[new], current, seen.box[new, 2], seen.box[new, 3])
            twin = pairs.iou(seen.box[new[i]], current[j]) > c.twin
            keep = np.ones(len(new), bool); keep[i[twin]] = False
            new = new[keep]
        n = len(new)
        if not n: return book
        proof = np.minimum(seen.relative[new] + c.worth, c.ceiling)
        young = Book(book.time, self._model.found(seen.box[new], seen.noise[new]), np.arange(self._next, self._next + n),
                     seen.label[new], seen.score[new], seen.score[new], proof, proof > c.proof,
                     np.full(n, book.time), np.full(n, book.time))
        self._next += n
        return book.join(young)
