"""From tracks to the few rectangles that the encoder shall treat better."""
from functools import reduce

from edgecam.roi.grid import SIDE, box_of, cells_of, grid_size, holds, union
from edgecam.roi.merge import Group, join, merge, total_area
from edgecam.vocabulary import CONFIRMED, Plan, Region

DOUBT = 0.5         # a tentative or lost track is wanted so much less than a confirmed one
SLACK = 1.15        # regions stay merged as they are until another way saves this factor of their area


class RoiPlanner:
    """Plans the regions of frames of one *size* (width, height); *settings* is the section ``roi``.

    Regions lie on the macroblock grid, inside the picture, most wanted first. Each covers the
    boxes of its tracks plus a margin for what is uncertain. Regions stay as they are while they
    still fit, so that they don't flicker; that memory is the planner's only state, and time is an
    argument. *left_out* holds the ids of the tracks that the latest plan does not cover: stale
    ones, classes without weight, boxes outside the picture, and the least wanted ones where
    covering all would take more than ``roi.max_area`` of the picture.
    """

    def __init__(self, settings, size):
        self._settings, self._size = settings, size
        columns, rows = grid_size(*size)
        self._room = settings.max_area * columns * rows
        self._cells = {}        # of each track's part in the latest plan, by its id
        self._together = ()     # ids that shared a region
        self.left_out = ()

    def plan(self, tracks, time):
        """Return the `Plan` for a frame at *time* (seconds) with the *tracks* as they are then, in any order."""
        made_at = max([track.seen for track in tracks], default=float("-inf"))
        if not self._settings.enabled:
            return Plan(made_at)
        wants = sorted(filter(None, [self._want(track, time) for track in tracks]))
        self._cells = {want.ids[0]: want.cells for want in wants}
        groups = sorted(self._steady(wants), key=lambda group: (-group.weight, group))
        self._together = [group.ids for group in groups]
        kept = {id_ for ids in self._together for id_ in ids}
        self.left_out = tuple(sorted({track.id for track in tracks} - kept))
        return Plan(made_at, tuple(Region(box_of(group.cells, *self._size), group.qp) for group in groups))

    def _want(self, track, time):
        """Return the `Group` of one track, or None for one that needs no region."""
        settings, late = self._settings, max(0.0, time - track.seen)
        weight = settings.weights.get(track.label, 1.0)
        cells = cells_of(track.box, *self._size)
        if weight <= 0 or late > settings.stale_after or cells is None:
            return None
        qp = round(settings.qp * min(1.0, weight))
        weight *= track.score ** settings.score_power * (track.box.area or 1.0) ** (settings.size_power / 2)
        return Group(self._steady_cells(track, cells, self._margin(track, late)),
                     weight if track.state == CONFIRMED else weight * DOUBT, qp, (track.id,))

    def _margin(self, track, late):
        """Return (dx, dy), the pixels by which the object may stick out of its predicted box."""
        settings, most = self._settings, max(track.box.w, track.box.h)
        return [min(most, settings.margin + settings.sigmas * sigma + settings.drift * abs(speed) * late)
                for sigma, speed in zip(track.sigma, track.velocity)]

    def _steady_cells(self, track, touched, margin):
        """Return the cells of *track*: the ones it had, while they hold half the margin and are one cell too large at most."""
        wanted = union(touched, nearest(track.box, margin[0], margin[1], self._size))
        before = self._cells.get(track.id)
        if before is None or before == wanted:
            return wanted
        least = union(touched, nearest(track.box, margin[0] / 2, margin[1] / 2, self._size))
        grown = wanted[0] - 1, wanted[1] - 1, wanted[2] + 1, wanted[3] + 1
        return before if holds(before, least) and holds(grown, before) else wanted

    def _steady(self, wants):
        """Return the groups that get a region: joined as they were, until another way is clearly better."""
        fresh, dropped = merge(wants, self._settings.max_regions, self._room)
        if not any(len(ids) > 1 for ids in self._together):
            return fresh
        kept, kept_dropped = merge(self._as_before(wants), self._settings.max_regions, self._room)
        loses_more = sum(group.weight for group in kept_dropped) > sum(group.weight for group in dropped)
        return fresh if loses_more or total_area(kept) > SLACK * total_area(fresh) else kept

    def _as_before(self, wants):
        """Return *wants* joined as they were in the latest plan; new ones alone."""
        alone = {want.ids[0]: want for want in wants}
        together = [[alone.pop(id_) for id_ in ids if id_ in alone] for ids in self._together]
        return [reduce(join, members) for members in together if members] + list(alone.values())


def nearest(box, dx, dy, size):
    """Return the cells whose edges are nearest to those of *box* with a margin, inside the picture."""
    columns, rows = grid_size(*size)
    return (max(0, int((box.x - dx) / SIDE + 0.5)), max(0, int((box.y - dy) / SIDE + 0.5)),
            min(columns, int((box.right + dx) / SIDE + 0.5)), min(rows, int((box.bottom + dy) / SIDE + 0.5)))
