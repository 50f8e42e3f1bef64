"""Persons and two-wheelers from other pictures, pasted beside those of a canvas: more variety than the pictures hold.

A patch is a box of some picture with a margin that fades out.  It is as large as a neighbour of its group, so that the
scale stays true, and whatever the source labels inside it is labelled on the canvas too.  A quarter of the patches are
taken beside their object: without them a soft rim would mean "person".  Arrays of a plan, for P patches:

``patch_canvas`` ``[P]`` int64        the canvas it belongs on
``patch_box``    ``[P, 4]`` float32   x1, y1, x2, y2 of what is fully shown, canvas pixels; empty where there is no patch
``patch_affine`` ``[P, 6]`` float32, ``patch_place`` ``[P, 3]`` int64: as for tiles
"""
import numpy as np
import torch

PASTED = (0, 2)                         # groups
FADE = 0.15                             # of the longer edge, on every side
EDGE = 96                               # px: largest patch with its rim
SMALLEST_SOURCE = (12.0, 5.0)           # px of the picture: height, width of a box worth copying
LARGEST_ZOOM = 1.6                      # of a source's own scale
MOST_COVERED = 0.2                      # of an object that is there already
BESIDE = 0.25                           # of the patches show no object of their own
SEAM_GAIN, SEAM_LIMIT = 0.7, 45.0


def sources(pictures, indices):
    """{group: int64 [n, 2] of (picture, box)} of what can be copied."""
    found = {group: [] for group in PASTED}
    for index in indices:
        picture = pictures[index]
        if picture.straight_down:
            continue
        edges = picture.boxes[:, 2:] - picture.boxes[:, :2]
        good = ~picture.ignore & (edges[:, 1] >= SMALLEST_SOURCE[0]) & (edges[:, 0] >= SMALLEST_SOURCE[1])
        for number in np.flatnonzero(good & np.isin(picture.group, PASTED)):
            found[int(picture.group[number])].append((index, number))
    return {group: np.array(rows, np.int64).reshape(-1, 2) for group, rows in found.items()}


class Paster(object):
    """Draws patches for canvases; ``tools``: ``mapped_boxes`` and ``stored_copy`` of ``canvas.py``."""

    def __init__(self, pictures, indices, table, tools):
        self.pictures, self.table = pictures, table
        self.mapped_boxes, self.stored_copy = tools
        self.sources = sources(pictures, indices)

    def patches(self, random, canvas, most):
        """Up to ``most`` patches (box, affine, place) for one canvas; their boxes are added to it."""
        made, taken, boxes, cut = [], np.zeros((0, 4)), canvas[4], edges_of(canvas[0], canvas[1])
        shown = boxes[:, 6] == 0
        anchors = boxes[shown & np.isin(boxes[:, 4], [g for g in PASTED if len(self.sources[g])])]
        for _ in range(most if len(anchors) else 0):
            anchor = anchors[random.randint(len(anchors))]
            drawn = self.drawn(random, anchor)
            box = drawn and self.spot(random, anchor, drawn[2], cut, np.concatenate([taken, canvas[4][:, :4]]))
            if box is None:
                continue
            taken = np.concatenate([taken, box[None]])
            rows, affine, place = self.placed(random, drawn, box)
            made.append((box, affine, place))
            canvas[4] = np.concatenate([canvas[4], rows])
        return made

    def drawn(self, random, anchor):
        """(picture index, source rectangle, size on the canvas) of something of the anchor's group, or None."""
        rows = self.sources[int(anchor[4])]
        index, number = rows[random.randint(len(rows))]
        rectangle = self.pictures[index].boxes[number].astype(float)
        size = rectangle[2:] - rectangle[:2]
        zoom = (anchor[3] - anchor[1]) * random.uniform(0.8, 1.25) / size[1]
        room = EDGE - 2 - 2 * FADE * (size * zoom).max()
        if zoom > LARGEST_ZOOM or (size * zoom).max() > room or (size * zoom).min() < 3:
            return None
        if random.rand() < BESIDE:
            rectangle = rectangle + np.array([1, 0, 1, 0]) * random.choice([-1, 1]) * random.uniform(1.5, 4) * size[0]
            if rectangle[0] < 0 or rectangle[2] > self.pictures[index].size[0]:
                return None
        return int(index), rectangle, size * zoom

    def spot(self, random, anchor, size, cut, boxes):
        """A free rectangle near the anchor, its foot at about the same height and in the same tile; or None."""
        height = anchor[3] - anchor[1]
        centre = (anchor[0] + anchor[2]) / 2
        for _ in range(4):
            x = centre + random.choice([-1, 1]) * random.uniform(0.7, 3.5) * height
            foot = anchor[3] + random.uniform(-0.25, 0.25) * height
            box = np.array([x - size[0] / 2, foot - size[1], x + size[0] / 2, foot])
            if box[0] < 0 or box[1] < 0 or box[2] > 960 or box[3] > 540 or crosses(box, cut):
                continue
            if (box[0] < cut[0]) != (centre < cut[0]) or (box[3] <= cut[1]) != (anchor[3] <= cut[1]):
                continue
            if free(box, boxes):
                return box
        return None

    def placed(self, random, drawn, box):
        """(box rows, affine row, place row) of a drawn patch that goes to ``box``; mirrored half of the time."""
        index, rectangle, _ = drawn
        picture = self.pictures[index]
        matrix = np.diag((box[2:] - box[:2]) / (rectangle[2:] - rectangle[:2]))
        if random.rand() < 0.5:
            matrix = matrix @ np.diag([-1.0, 1.0])
        offset = (box[:2] + box[2:]) / 2 - matrix @ ((rectangle[:2] + rectangle[2:]) / 2)
        affine, place = self.stored_copy(picture, self.table[0, index], matrix, offset)
        rows = self.mapped_boxes(picture, matrix, offset, box)
        unknown = [list(box) + [g, -1, 1] for g in range(len(picture.closed)) if not picture.background[g]]
        return np.concatenate([rows, np.array(unknown, np.float32).reshape(-1, 7)]), affine, place


def edges_of(cut, affine):
    """x and y where one tile ends and the next begins; -1 where nothing does."""
    return np.where([(affine[0] != affine[1]).any(), (affine[0] != affine[2]).any()], cut, -1.0)


def crosses(box, cut):
    """Whether a rectangle lies on an edge between quadrants."""
    return box[0] < cut[0] < box[2] or box[1] < cut[1] < box[3]


def free(box, boxes):
    """Whether a patch hides little of each object and region that is there."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:4], box[2:])
    hidden = (high - low).clip(0).prod(1)
    area = np.minimum((boxes[:, 2:4] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod())
    return not (hidden > MOST_COVERED * np.maximum(area, 1e-6)).any()


def collate(patches, count):
    """List of (canvas number, box, affine, place) -> the plan's tensors, exactly ``count`` rows."""
    plan = {"patch_canvas": torch.zeros(count, dtype=torch.int64), "patch_box": torch.zeros(count, 4),
            "patch_affine": torch.zeros(count, 6), "patch_place": torch.ones(count, 3, dtype=torch.int64)}
    for row, (number, box, affine, place) in enumerate(patches[:count]):
        plan["patch_canvas"][row] = number
        plan["patch_box"][row] = torch.from_numpy(box)
        plan["patch_affine"][row] = torch.tensor(affine)
        plan["patch_place"][row] = torch.from_numpy(place)
    return plan


def paste(pixels, x, plan):
    """Add the plan's patches to the canvases ``x`` ``[B, 3, H, W]``, 0..255, in place."""
    height, width = x.shape[2:]
    box, device = plan["patch_box"], x.device
    rim = (box[:, 2:] - box[:, :2]).amax(1, keepdim=True) * FADE
    first = (box[:, :2] - rim).floor()
    steps = torch.arange(EDGE, device=device, dtype=torch.float32)
    px, py = first[:, 0, None, None] + steps[None, None, :], first[:, 1, None, None] + steps[None, :, None]
    fade = ramp(px + 0.5, box[:, 0], box[:, 2], rim) * ramp(py + 0.5, box[:, 1], box[:, 3], rim)
    fade = fade * (px >= 0) * (py >= 0) * (px < width) * (py < height)
    colour = sampled(pixels, plan, px, py)
    column, row = px.long().clamp(0, width - 1), py.long().clamp(0, height - 1)
    base = plan["patch_canvas"][:, None, None] * (3 * height * width) + row * width + column
    index = base[:, None] + (torch.arange(3, device=device) * (height * width))[None, :, None, None]
    flat = x.view(-1)
    under = flat[index]
    seam = (fade * (1 - fade))[:, None]
    shift = ((under - colour) * seam).sum((2, 3), keepdim=True) / seam.sum((2, 3), keepdim=True).clamp(min=1e-3)
    colour = (colour + SEAM_GAIN * shift.clamp(-SEAM_LIMIT, SEAM_LIMIT)).clamp(0, 255)
    flat.index_add_(0, index.reshape(-1), (fade[:, None] * (colour - under)).reshape(-1))
    return x


def ramp(at, low, high, rim):
    """1 between ``low`` and ``high``, falling to 0 at ``rim`` outside; 0 everywhere where the range is empty."""
    outside = torch.maximum(low[:, None, None] - at, at - high[:, None, None]).clamp(min=0)
    share = 1 - outside / rim[:, :, None].clamp(min=1e-3)
    return share.clamp(0, 1) * (high > low)[:, None, None]


def sampled(pixels, plan, px, py):
    """Bilinear colours ``[P, 3, EDGE, EDGE]`` of the patches at canvas pixels; the edge repeats outside the picture."""
    a, b, c, d, e, f = [plan["patch_affine"][:, k, None, None] for k in range(6)]
    base, width, height = [plan["patch_place"][:, k, None, None] for k in range(3)]
    u = torch.minimum((a * px + b * py + c).clamp(min=0), width - 1.0)
    v = torch.minimum((d * px + e * py + f).clamp(min=0), height - 1.0)
    u0, v0 = u.floor(), v.floor()
    fu, fv = (u - u0)[:, None], (v - v0)[:, None]

    def tap(du, dv):
        column, row = torch.minimum(u0.long() + du, width - 1), torch.minimum(v0.long() + dv, height - 1)
        word = pixels[base + row * width + column]
        return torch.stack([(word >> shift) & 255 for shift in (0, 8, 16)], 1).float()

    upper, lower = tap(0, 0) * (1 - fu) + tap(1, 0) * fu, tap(0, 1) * (1 - fu) + tap(1, 1) * fu
    return upper * (1 - fv) + lower * fv
