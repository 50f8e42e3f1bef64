"""From tracks to the few rectangles that the encoder shall treat better."""
from functools import reduce

from edgecam.roi.grid import SIDE, box_of, grid_size
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
        self._size, self._grid = size, grid_size(*size)
        self.configure(settings)
        self._cells = {}        # of each track that wanted a region in the latest plan, by its id
        self._together = ()     # ids that shared a region
        self._loose = 1.0       # area of the regions over the tracks' own, when they were last merged anew
        self.left_out = ()

    def configure(self, settings):
        """Plan by other *settings* from the next frame on; may be called from any thread."""
        self._room = settings.max_area * self._grid[0] * self._grid[1]
        self._settings = settings

    def plan(self, tracks, time):
        """Return the `Plan` for a frame at *time* (seconds) with the *tracks* as they are then, in any order."""
        made_at = max([track.seen for track in tracks], default=float("-inf"))
        if not self._settings.enabled:
            return Plan(made_at)
        wants = [want for want in [self._want(track, time) for track in tracks] if want is not None]
        groups = sorted(self._steady(wants), key=by_weight)
        self._cells = {want.ids[0]: want.cells for want in wants}
        self._together = [group.ids for group in groups]
        kept = {id_ for ids in self._together for id_ in ids}
        self.left_out = tuple(sorted([track.id for track in tracks if track.id not in kept]))
        return Plan(made_at, tuple([Region(box_of(group.cells, *self._size), group.qp) for group in groups]))

    def _want(self, track, time):
        """Return the `Group` of one track, or None for one that gets no region."""
        settings, late, box = self._settings, max(0.0, time - track.seen), track.box
        weight = settings.weights.get(track.label, 1.0)
        if weight <= 0 or late > settings.stale_after or not self._visible(box):
            return None
        cells = self._steady_cells(track, settings.margin + settings.grow * box.w + settings.drift * late * abs(track.velocity[0]),
                                   settings.margin + settings.grow * box.h + settings.drift * late * abs(track.velocity[1]))
        qp = settings.qp if weight >= 1 else round(settings.qp * weight)
        weight *= track.score ** settings.score_power
        if settings.size_power:
            weight *= box.area ** (settings.size_power / 2)
        return Group(cells, weight if track.state == CONFIRMED else weight * DOUBT, qp, (track.id,))

    def _visible(self, box):
        return box.w > 0 and box.h > 0 and -box.w < box.x < self._size[0] and -box.h < box.y < self._size[1]

    def _steady_cells(self, track, dx, dy):
        """Return the cells of *track* with a margin of (*dx*, *dy*) and its uncertainty.

        They stay as they were while they hold the box and half the margin, and are one macroblock
        too large at most on each side.
        """
        sigmas, (x, y, w, h) = self._settings.sigmas, track.box
        most = max(w, h)
        dx, dy = min(most, dx + sigmas * track.sigma[0]), min(most, dy + sigmas * track.sigma[1])
        wanted = cells_around(x, y, x + w, y + h, dx, dy, self._grid)
        before = self._cells.get(track.id)
        if before is None or before == wanted:
            return wanted
        least = cells_around(x, y, x + w, y + h, dx / 2, dy / 2, self._grid)
        fits = (wanted[0] - 1 <= before[0] <= least[0] and wanted[1] - 1 <= before[1] <= least[1]
                and least[2] <= before[2] <= wanted[2] + 1 and least[3] <= before[3] <= wanted[3] + 1)
        return before if fits else wanted

    def _steady(self, wants):
        """Return the groups that get a region: joined as they were, until another way is clearly better."""
        area, limit = total_area(wants), self._settings.max_regions
        kept, changed = self._as_before(wants)
        if not changed and total_area(kept) <= SLACK * self._loose * area:
            return kept
        fresh, left_out = merge(wants, limit, self._room)
        kept, kept_left_out = merge(kept, limit, self._room)
        if weight_of(kept_left_out) > weight_of(left_out) or total_area(kept) > SLACK * total_area(fresh):
            kept = fresh
        self._loose = total_area(kept) / area if area else 1.0
        return kept

    def _as_before(self, wants):
        """Return *wants* joined as they were in the latest plan, new ones alone, and whether any came or went."""
        fresh = {want.ids[0]: want for want in wants}
        changed = fresh.keys() != self._cells.keys()
        groups = [[fresh.pop(id_) for id_ in ids if id_ in fresh] for ids in self._together]
        groups = [reduce(join, members) for members in groups if members]
        return groups + list(fresh.values()) if changed else groups, changed


def by_weight(group):
    return -group.weight, group


def weight_of(groups):
    return sum([group.weight for group in groups])


def cells_around(left, top, right, bottom, dx, dy, grid):
    """Return the cells that a box touches and, with a margin, those up to the grid lines nearest to its edges."""
    half = SIDE / 2
    x0, y0 = min(left // SIDE, (left - dx + half) // SIDE), min(top // SIDE, (top - dy + half) // SIDE)
    x1, y1 = max(-(-right // SIDE), (right + dx + half) // SIDE), max(-(-bottom // SIDE), (bottom + dy + half) // SIDE)
    columns, rows = grid
    return (int(x0) if x0 > 0 else 0, int(y0) if y0 > 0 else 0,
            int(x1) if x1 < columns else columns, int(y1) if y1 < rows else rows)
