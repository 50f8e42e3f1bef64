"""The detector: a GoogleNet (Inception) trunk, a top-down neck, and coverage and box grids at stride 4 and 8.

Shapes are for a batch ``N`` of 960x540 pictures.  The picture enters as float RGB, 0..255, ``[N, 3, 540, 960]``,
and is padded to 544 rows by the first convolution.  Every grid gives raw values, in this order:

``cov``   ``[N, 3, H/s, W/s]``   logits of person, vehicle, two-wheeler
``box``   ``[N, 12, H/s, W/s]``  left, top, right, bottom for each group; distance in pixels = exp(z) * s
``fine``  ``[N, 3, H/s, W/s]``   logits of car, bus, truck inside the group vehicle
"""
import torch
import torch.nn.functional as F
from torch import nn

from refused import Refused

GROUPS = ("person", "vehicle", "two-wheeler")
FINE = ("car", "bus", "truck")
WIDTH, HEIGHT = 960, 540
STRIDES = (4, 8)
PIXEL_SCALE = 1.0 / 128

# GoogleNet's table: 1x1 / 3x3 reduce -> 3x3 / 5x5 reduce -> 5x5 / pool projection
STAGE3 = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64))
STAGE4 = ((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
          (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128))
STAGE5 = ((256, 160, 320, 32, 128, 128), (192, 112, 224, 32, 96, 96))


class Rows(object):
    """How GoogleNet's table becomes blocks.

    ``factor`` scales the table's channel counts, to multiples of ``step``: vector units and tensor cores like 8, eight-bit
    tensor cores fill up to 32.  ``pool_last`` puts a block's pool behind its 1x1 convolution: an eighth of the pooling,
    and the convolution is one with the other three.  No branch is wider than ``most``.
    """

    def __init__(self, factor, step=8, pool_last=False, most=1024):
        self.factor, self.step, self.pool_last, self.most = factor, step, pool_last, most

    def scale(self, row):
        """A row of the table, scaled; halves go up in eights, and to the even multiple in 32s (60 GFLOPs are the limit)."""
        steps = [channels * self.factor / self.step for channels in row]
        return [min(self.most, max(1, round(n) if self.step == 32 else int(n + 0.5)) * self.step) for n in steps]


# stem: channels at stride 2, 4, 4; rows: the trunk's blocks; neck: channels at stride 16, 8, 4;
# depth: 3x3 convolutions per head branch at stride 4, 8; refine: inner channels of the residual block at stride 4
VARIANTS = {
    "full": {"stem": (32, 64, 128), "rows": Rows(1.0, 32, pool_last=True, most=288), "neck": (192, 128, 64), "depth": (1, 2), "refine": 48},
    "full-eights": {"stem": (32, 64, 128), "rows": Rows(1.0), "neck": (192, 128, 64), "depth": (1, 2), "refine": 48},
    "light": {"stem": (16, 32, 64), "rows": Rows(0.5), "neck": (128, 64, 40), "depth": (1, 2), "refine": 16},
    "tiny": {"stem": (16, 24, 32), "rows": Rows(0.25), "neck": (64, 48, 24), "depth": (1, 1), "refine": 8},
}


class ConvBN(nn.Module):
    """Convolution, batch norm and (unless told otherwise) ReLU."""

    def __init__(self, cin, cout, kernel=1, stride=1, rectified=True):
        super().__init__()
        self.rectified = rectified
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return F.relu(x) if self.rectified else x


class Inception(nn.Module):
    """One Inception block; its 1x1 convolutions on the input are one while training."""

    def __init__(self, cin, row, rows):
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = rows.scale(row)
        self.parts = [one, reduce3, reduce5] + [pooled] * rows.pool_last
        self.entry = ConvBN(cin, sum(self.parts))
        self.three = ConvBN(reduce3, three, 3)
        self.five = ConvBN(reduce5, five, 5)
        self.pool = None if rows.pool_last else ConvBN(cin, pooled)
        self.widths = [one, three, five, pooled]

    def forward(self, x):
        one, three, five, *last = self.enter(x)
        pooled = F.max_pool2d(last[0] if last else x, 3, 1, 1)
        return torch.cat([one, self.three(three), self.five(five), pooled if last else self.pool(pooled)], 1)

    def enter(self, x):
        """The entry branches; ``entry`` is a list of them once the exporter has taken it apart."""
        if isinstance(self.entry, nn.ModuleList):
            return [branch(x) for branch in self.entry]
        return torch.split(self.entry(x), self.parts, 1)


class Context(nn.Module):
    """Three chained 5x5 max pools: a wide view for little work."""

    def __init__(self, cin, cout):
        super().__init__()
        self.enter = ConvBN(cin, cout // 2)
        self.leave = ConvBN(cout * 2, cout)

    def forward(self, x):
        views = [self.enter(x)]
        for _ in range(3):
            views.append(F.max_pool2d(views[-1], 5, 1, 2))
        return self.leave(torch.cat(views, 1))


class Refine(nn.Module):
    """A residual block that begins as the identity: a network without it can go on with it."""

    def __init__(self, channels, inner):
        super().__init__()
        self.enter = ConvBN(channels, inner, 3)
        self.leave = ConvBN(inner, channels, 3, rectified=False)
        nn.init.zeros_(self.leave.bn.weight)

    def forward(self, x):
        return F.relu(x + self.leave(self.enter(x)))


class Head(nn.Module):
    """Coverage, boxes and fine classes of one grid."""

    def __init__(self, channels, depth, stride):
        super().__init__()
        self.score = nn.Sequential(*[ConvBN(channels, channels, 3) for _ in range(depth)])
        self.shape = nn.Sequential(*[ConvBN(channels, channels, 3) for _ in range(depth)])
        self.cov = nn.Conv2d(channels, len(GROUPS), 1)
        self.box = nn.Conv2d(channels, 4 * len(GROUPS), 1)
        self.fine = nn.Conv2d(channels, len(FINE), 1)
        nn.init.constant_(self.cov.bias, -4.6 if stride == 8 else -6.0)
        nn.init.constant_(self.box.bias, 1.0)

    def forward(self, x):
        score = self.score(x)
        return self.cov(score), self.box(self.shape(x)), self.fine(score)


def stage(cin, table, rows):
    """A chain of Inception blocks and the channels it gives."""
    blocks = []
    for row in table:
        blocks.append(Inception(cin, row, rows))
        cin = sum(blocks[-1].widths)
    return nn.Sequential(*blocks), cin


class Trunk(nn.Module):
    """GoogleNet without pool4: features at stride 4, 8 and 16."""

    def __init__(self, stem, rows):
        super().__init__()
        self.conv1 = ConvBN(3, stem[0], 5, 2)
        self.conv2 = ConvBN(stem[0], stem[1], 3, 2)
        self.conv3 = ConvBN(stem[1], stem[2], 3)
        self.stage3, at8 = stage(stem[2], STAGE3, rows)
        self.stage45, at16 = stage(at8, STAGE4 + STAGE5, rows)
        self.channels = stem[2], at8, at16

    def stem(self, x):
        """Pictures -> features at stride 4."""
        x = F.pad(x * PIXEL_SCALE, (0, -x.shape[3] % 16, 0, -x.shape[2] % 16))
        return self.conv3(self.conv2(self.conv1(x)))

    def forward(self, x):
        at4 = self.stem(x)
        at8 = self.stage3(F.max_pool2d(at4, 3, 2, ceil_mode=True))
        at16 = self.stage45(F.max_pool2d(at8, 3, 2, ceil_mode=True))
        return at4, at8, at16


def cells(stride):
    """(rows, columns) of a grid, whose height is filled up to whole cells of stride 16."""
    return -(-HEIGHT // 16) * 16 // stride, WIDTH // stride


class DetectNet(nn.Module):
    """Trunk, top-down neck (sums, one 3x3 after each, a residual block at stride 4) and a head at stride 4 and at stride 8."""

    def __init__(self, stem, rows, neck, depth, refine):
        super().__init__()
        self.trunk = Trunk(stem, rows)
        at4, at8, at16 = self.trunk.channels
        self.context = Context(at16, neck[0])
        self.down8, self.side8 = ConvBN(neck[0], neck[1]), ConvBN(at8, neck[1])
        self.merge8 = ConvBN(neck[1], neck[1], 3)
        self.down4, self.side4 = ConvBN(neck[1], neck[2]), ConvBN(at4, neck[2])
        self.merge4 = ConvBN(neck[2], neck[2], 3)
        self.refine4 = Refine(neck[2], refine)
        self.head4, self.head8 = Head(neck[2], depth[0], 4), Head(neck[1], depth[1], 8)

    def forward(self, x):
        """Pictures ``[N, 3, 540, 960]`` -> ``(cov4, box4, fine4, cov8, box8, fine8)``."""
        at4, at8, at16 = self.trunk(x)
        deep = self.down8(self.context(at16))
        at8 = self.merge8(self.side8(at8) + F.interpolate(deep, scale_factor=2.0))
        at4 = self.merge4(self.side4(at4) + F.interpolate(self.down4(at8), scale_factor=2.0))
        return self.head4(self.refine4(at4)) + self.head8(at8)


class OriginalDetectNet(nn.Module):
    """The original recipe's shape: two 1x1 heads on the trunk's stride-16 end; boxes are corner offsets / 35 px."""

    def __init__(self):
        super().__init__()
        self.trunk = Trunk((32, 64, 128), Rows(1.0))
        self.cov = nn.Conv2d(self.trunk.channels[2], len(GROUPS), 1)
        self.box = nn.Conv2d(self.trunk.channels[2], 4 * len(GROUPS), 1)
        nn.init.constant_(self.cov.bias, -4.6)

    def forward(self, x):
        """Pictures -> ``(cov16 logits [N, 3, 34, 60], box16 [N, 12, 34, 60])``."""
        at16 = self.trunk(x)[2]
        return self.cov(at16), self.box(at16)


def build(variant):
    """A network with fresh weights: one of ``VARIANTS``, or ``original``."""
    if variant != "original" and variant not in VARIANTS:
        raise Refused("variant %s: there are %s, original" % (variant, ", ".join(sorted(VARIANTS))))
    return OriginalDetectNet() if variant == "original" else DetectNet(**VARIANTS[variant])


def count(network, size=(HEIGHT, WIDTH)):
    """(parameters, GFLOPs of one picture; a multiply-add counts two)."""
    flops = []

    def note(module, inputs, output):
        flops.append(2 * output.shape[2] * output.shape[3] * module.weight.numel())

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.Conv2d)]
    training = network.training
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, *size, device=next(network.parameters()).device))
    network.train(training)
    for hook in hooks:
        hook.remove()
    return sum(p.numel() for p in network.parameters()), sum(flops) / 1e9
