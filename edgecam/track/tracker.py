"""Objects followed over time: detections go in when they come, boxes come out for any time."""
import math

import numpy as np

from edgecam.track import pairs
from edgecam.track.book import Book, Seen
from edgecam.track.constants import Constants
from edgecam.track.kalman import LEAST, MotionModel
from edgecam.track.match import camera_step, candidates, match
from edgecam.track.motion import MotionHistory
from edgecam.track.scores import UsualScore
from edgecam.vocabulary import CONFIRMED, LOST, TENTATIVE, Box, Track

MEMORY = 1.5            # seconds, where no settings are given: track.memory of default.yaml
STALE = 4.0             # memories without any update after which nothing is left
MOST_BACKING = 5.0      # votes that a label can save up
FARTHEST = 1e6          # pixels: no picture is so large, and squares of squares of larger numbers overflow in the end
STATES = (TENTATIVE, CONFIRMED, LOST)


class Tracker:
    """Follows objects by their boxes and scores; *settings* is the section ``track``.

    *size* (width, height) of the picture in pixels is optional: with it the tracker knows which
    boxes the picture's edge cuts, and that what appears there is coming in.
    `update` and `reset` belong to one thread, the detector's. `at` and `move` may be called
    from any other and never wait for it: `update` works on arrays of its own and publishes
    them whole. Positions are pixels; times are seconds of one clock, which may jump.
    """

    def __init__(self, settings=None, size=None, constants=Constants()):
        self._memory = settings.memory if settings is not None else MEMORY
        self._uses_boxes = settings is None or settings.motion != "off"
        self._constants = constants
        self._model = MotionModel(constants, size)
        self._names, self._numbers, self._next = [], {}, 1
        self.reset()

    def reset(self):
        """Forget all tracks; ids go on, none is given twice."""
        self._usual, self._motions, self._book = UsualScore(), MotionHistory(), Book.blank()
        self._usual.meet(len(self._names))

    def move(self, motion):
        """Take in the picture's `Motion` between two frames; None, where it is not known, changes nothing."""
        if motion is not None:
            self._motions.add(motion)

    def update(self, detections, time):
        """Take in all *detections* of the frame of *time*; return the list of `Track` at that time.

        A *time* a little before the latest one counts as the latest; one far before it means
        that the source began anew.
        """
        seen = self._read(detections)
        book, told = self._carry(self._book, time)
        near = candidates(book, seen)
        if self._uses_boxes and not told and self._follow_step(book, near, book.time - self._book.time):
            near = candidates(book, seen)
        choice, free = match(book, seen, near, self._constants)
        book = self._correct(book, seen, choice)
        book = self._bury(book)
        watched = 0 < book.time - self._book.time <= self._memory
        self._book = self._bear(book, seen, self._founders(book, seen, free), watched)
        return self.at(self._book.time)

    def at(self, time):
        """Return the list of every `Track`, lost ones too, as it is expected at *time*.

        None at a *time* far before the latest update: the source began anew, as `update` will find.
        """
        book, motions = self._book, self._motions
        dt = time - book.time if len(book.id) else 0.0
        if not len(book.id) or not -self._memory <= dt <= STALE * self._memory:
            return []
        affine = motions.between(book.time, time)
        boxes = book.boxes if affine is None else book.boxes.moved(affine)
        box, sigma = self._model.where(boxes, dt), np.sqrt(self._model.spread(boxes, dt)[:2])
        box[:2] -= box[2:] / 2
        lost = (book.time - book.seen > self._constants.coast + 1e-6) | (dt > self._memory)
        state = book.confirmed * (1 + lost)
        names = self._names
        return list(map(
            Track, book.id.tolist(), [names[label] for label in book.label.tolist()], book.score.tolist(),
            map(Box, *box.tolist()), zip(*boxes.rate[:2].tolist()), np.maximum(book.time + dt - book.first, 0).tolist(),
            [STATES[number] for number in state.tolist()], book.seen.tolist(), zip(*sigma.tolist())))

    # -- one update, step by step -------------------------------------------------------------------

    def _read(self, detections):
        """Turn detections into arrays, best first; what is no box (`is_box`) and hopeless scores are left out."""
        ordered = sorted(filter(is_box, detections), key=lambda one: (-one.score, one.box, one.label))
        label = np.array([self._number(one.label) for one in ordered], np.intp)
        score = np.array([one.score for one in ordered], float)
        box = np.array([one.box for one in ordered], float).reshape(-1, 4).T.copy()
        relative = self._usual.relative(score, label)
        fit = relative > self._constants.unseen
        box[:2] += box[2:] / 2
        np.maximum(box, LEAST, out=box)
        widening = np.exp(np.minimum(np.maximum(-relative, 0), 4) * self._constants.doubt)
        seen = Seen(box, score, relative, label, self._model.noise(box, widening))
        return seen if fit.all() else seen.take(fit.nonzero()[0])

    def _number(self, label):
        """Return the number of a *label*, a new one at its first time."""
        number = self._numbers.get(label)
        if number is None:
            number = self._numbers[label] = len(self._names)
            self._names.append(label)
            self._usual.meet(len(self._names))
        return number

    def _carry(self, book, time):
        """Predict all tracks to *time*; return them and whether the camera's motion is known."""
        if time < book.time - self._memory:
            return Book.blank(time), False
        dt = max(time - book.time, 0.0)
        if not len(book.id) or dt == 0:
            return book._replace(time=max(time, book.time), boxes=book.boxes.copy()), False
        longest = max(self._memory, dt) if dt <= STALE * self._memory else self._memory     # who was just seen stays
        alive = time - book.seen <= longest
        book = book if alive.all() else book.take(alive.nonzero()[0])
        affine = self._motions.between(book.time, time)
        boxes = book.boxes if affine is None else book.boxes.moved(affine)
        proof = book.proof - self._constants.absence * dt
        return book._replace(time=time, boxes=self._model.predict(boxes, dt), proof=proof), affine is not None

    def _follow_step(self, book, near, dt):
        """Move all tracks, in place, by the step that their detections have in common, if there is one."""
        step = camera_step(book, near)
        if step is None:
            return False
        book.boxes.value[:2] += step[:, None]
        book.boxes.rate[:2] += step[:, None] / (dt + self._constants.lasting)
        return True

    def _correct(self, book, seen, choice):
        """Let every track learn from its detection: place, reality, label."""
        rows = (choice >= 0).nonzero()[0]
        if not len(rows):
            return book
        c, hits = self._constants, seen.take(choice[rows])
        self._model.correct(book.boxes, rows, hits.box, hits.noise)
        fresh = -np.expm1((book.seen[rows] - book.time) / c.repeat)
        proof, when, score = book.proof.copy(), book.seen.copy(), book.score.copy()
        proof[rows] = np.minimum(proof[rows] + (hits.relative + c.worth) * fresh, c.ceiling)
        when[rows], score[rows] = book.time, hits.score
        confirmed = book.confirmed | (proof > c.proof)
        sure = confirmed[rows]
        self._usual.learn(hits.relative[sure], hits.label[sure])
        label, backing = vote(book, rows, hits)
        return book._replace(proof=proof, seen=when, score=score, confirmed=confirmed, label=label, backing=backing)

    def _bury(self, book):
        """Drop tentative tracks that waited too long; `_carry` drops the forgotten ones."""
        gone = ~book.confirmed & (book.time - book.seen > self._constants.patience)
        return book.take((~gone).nonzero()[0]) if gone.any() else book

    def _founders(self, book, seen, free):
        """Return which detections found a track: strong, taken by nobody, no twin of a track just seen."""
        new = (free & (seen.relative > self._constants.birth)).nonzero()[0]
        if not len(new):
            return new
        box, current = seen.box.take(new, axis=1), book.boxes.value[:, book.seen == book.time]
        i, j = pairs.near(box, current, box[2:])
        return np.delete(new, i[pairs.iou(box[:, i], current[:, j]) > self._constants.twin])

    def _bear(self, book, seen, founders, watched):
        """Add a track for each of the *founders*, rows of *seen*; *watched*: a moment ago they were not there."""
        n = len(founders)
        if n == 0:
            return book
        c, now, seen = self._constants, np.full(n, book.time), seen.take(founders)
        proof = np.minimum(seen.relative + c.worth, c.ceiling)
        ids = np.arange(self._next, self._next + n)
        self._next += n
        return book.join(Book(book.time, self._model.found(seen.box, seen.noise, watched), ids, seen.label, seen.score, seen.score,
                              proof, proof > c.proof, now, now))


def is_box(detection):
    """Return whether a detection has an area, a score, and numbers that are a place; nan is none. What has not teaches no score either."""
    x, y, w, h = detection.box
    return 0 < w < FARTHEST and 0 < h < FARTHEST and -FARTHEST < x < FARTHEST and -FARTHEST < y < FARTHEST and math.isfinite(detection.score)


def vote(book, rows, hits):
    """Return (label, backing): a label falls to the next one when its votes are used up (Boyer and Moore 1981)."""
    label, backing = book.label.copy(), book.backing.copy()
    votes = backing[rows] + np.where(label[rows] == hits.label, hits.score, -hits.score)
    fallen = votes < 0
    label[rows[fallen]] = hits.label[fallen]
    backing[rows] = np.minimum(np.abs(votes), MOST_BACKING)
    return label, backing
