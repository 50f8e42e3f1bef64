"""From tracks to the few rectangles that the encoder shall treat better."""
from functools import reduce

from edgecam.roi.grid import SIDE, box_of, grid_size
from edgecam.roi.merge import Group, join, merge, total_area
from edgecam.vocabulary import CONFIRMED, Plan, Region

DOUBT = 0.5         # a tentative or lost track is wanted so much less than a confirmed one
SLACK = 1.15        # regions stay merged as they are until another way saves this factor of their area, or covers so much more that is wanted


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
        self._covered = set()   # all of them
        self._loose = 1.0       # area of the regions over the tracks' own, when they were last merged anew
        self._merged_by = None  # the settings of that time
        self.left_out = ()

    def configure(self, settings):
        """Plan by other *settings* from the next frame on; may be called from any thread."""
        self._settings = settings

    def plan(self, tracks, time):
        """Return the `Plan` for a frame at *time* (seconds) with the *tracks* as they are then, in any order."""
        made_at = max([track.seen for track in tracks], default=float("-inf"))
        settings = self._settings
        if not settings.enabled:
            self.left_out = tuple(sorted([track.id for track in tracks]))
            return Plan(made_at)
        wants = [want for want in [self._want(settings, track, time) for track in tracks] if want is not None]
        groups = sorted(self._steady(settings, wants), key=by_weight)
        self._cells = {want.ids[0]: want.cells for want in wants}
        self._together = [group.ids for group in groups]
        self._covered = {id_ for ids in self._together for id_ in ids}
        self.left_out = tuple(sorted([track.id for track in tracks if track.id not in self._covered]))
        return Plan(made_at, tuple([Region(box_of(group.cells, *self._size), group.qp) for group in groups]))

    def _want(self, settings, track, time):
        """Return the `Group` of one track, or None for one that gets no region."""
        late, box = max(0.0, time - track.seen), track.box
        weight = settings.weights.get(track.label, 1.0)
        if weight <= 0 or late > settings.stale_after or not self._visible(box):
            return None
        dx, dy = (settings.margin + settings.grow * side + settings.drift * late * abs(speed) + settings.sigmas * sigma
                  for side, speed, sigma in zip(box[2:], track.velocity, track.sigma))
        cells = self._steady_cells(track, dx, dy)
        qp = settings.qp if weight >= 1 else round(settings.qp * weight)
        weight *= track.score ** settings.score_power
        if settings.size_power:
            weight *= box.area ** (settings.size_power / 2)
        return Group(cells, weight if track.state == CONFIRMED else weight * DOUBT, qp, (track.id,))

    def _visible(self, box):
        return box.w > 0 and box.h > 0 and -box.w < box.x < self._size[0] and -box.h < box.y < self._size[1]

    def _steady_cells(self, track, dx, dy):
        """Return the cells of *track* with a margin of (*dx*, *dy*).

        They stay as they were while they hold the box and half the margin, and are one macroblock
        too large at most on each side.
        """
        x, y, w, h = track.box
        most = max(w, h)
        dx, dy = min(most, dx), min(most, dy)
        wanted = cells_around(x, y, x + w, y + h, dx, dy, self._grid)
        before = self._cells.get(track.id)
        if before is None or before == wanted:
            return wanted
        least = cells_around(x, y, x + w, y + h, dx / 2, dy / 2, self._grid)
        fits = (wanted[0] - 1 <= before[0] <= least[0] and wanted[1] - 1 <= before[1] <= least[1]
                and least[2] <= before[2] <= wanted[2] + 1 and least[3] <= before[3] <= wanted[3] + 1)
        return before if fits else wanted

    def _steady(self, settings, wants):
        """Return the groups that get a region: joined as they were, until another way is clearly better."""
        area, limit, room = total_area(wants), settings.max_regions, settings.max_area * self._grid[0] * self._grid[1]
        before, alone, changed = self._as_before(wants)
        fits = settings is self._merged_by and total_area(before) <= SLACK * self._loose * area
        if fits and not changed and not room_for(alone, before, limit, room):
            return before
        # Who had a region is a little more wanted here: of two that are wanted alike the same one has it each time.
        fresh, left_out = merge([held(want) if want.ids[0] in self._covered else want for want in wants], limit, room)
        kept, kept_left_out = merge([held(group) for group in before] + alone, limit, room)
        missed, kept_missed, wide = weight_of(left_out), weight_of(kept_left_out), total_area(kept)
        # A smaller area is no gain where it leaves out whom the larger one has, unless that is too large.
        narrower = wide > SLACK * total_area(fresh) and (wide > room or missed <= SLACK * kept_missed)
        if kept_missed > SLACK * missed or narrower:
            kept = fresh
        self._loose, self._merged_by = total_area(kept) / area if area else 1.0, settings
        return weighed(kept, {want.ids[0]: want.weight for want in wants})

    def _as_before(self, wants):
        """Return (*wants* joined as they were in the latest plan, those that were not in it, whether any came or went)."""
        fresh = {want.ids[0]: want for want in wants}
        changed = fresh.keys() != self._cells.keys()
        groups = [[fresh.pop(id_) for id_ in ids if id_ in fresh] for ids in self._together]
        return [reduce(join, members) for members in groups if members], list(fresh.values()), changed


def room_for(alone, groups, limit, room):
    """Return whether some of the groups *alone* would clearly fit beside the *groups* or join them."""
    if not alone or SLACK * total_area(groups) >= room:
        return False
    return weight_of(merge(groups + alone, limit, room / SLACK)[1]) < weight_of(alone) / SLACK


def held(group):
    return group._replace(weight=SLACK * group.weight)


def weighed(groups, weights):
    """Return *groups* with the sums of their members' *weights*, by id."""
    return [group._replace(weight=sum([weights[id_] for id_ in group.ids])) for group in groups]


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
