"""Renders planned canvases: one gather for the geometry, then light, weather, motion, compression and noise.

Works on any device; on a GPU a batch of 32 canvases takes a few milliseconds.
"""
import math

import torch
import torch.nn.functional as F

from network import HEIGHT, WIDTH
from paste import paste

GREY = 114.0


def quadrant(values, right, below):
    """Pick ``values`` ``[B, 4, ...]`` by quadrant for masks ``[B, H, W]``; returns ``[B, H, W]``."""
    v = values[:, :, None, None]
    return torch.where(below, torch.where(right, v[:, 3], v[:, 2]), torch.where(right, v[:, 1], v[:, 0]))


def gather(pixels, cut, affine, place):
    """Bilinear canvases ``[B, 3, 540, 960]`` float32, 0..255; grey where no picture is."""
    x = torch.arange(WIDTH, device=cut.device, dtype=torch.float32)[None, None, :]
    y = torch.arange(HEIGHT, device=cut.device, dtype=torch.float32)[None, :, None]
    right, below = x + 0.5 >= cut[:, 0, None, None], y + 0.5 >= cut[:, 1, None, None]
    right, below = torch.broadcast_tensors(right, below)
    a, b, c, d, e, f = [quadrant(affine[:, :, k], right, below) for k in range(6)]
    base, width, height = [quadrant(place[:, :, k], right, below) for k in range(3)]
    u, v = a * x + b * y + c, d * x + e * y + f
    inside = (u >= -0.5) & (v >= -0.5) & (u < width - 0.5) & (v < height - 0.5)
    u0, v0 = u.floor(), v.floor()
    fu, fv = (u - u0)[:, None], (v - v0)[:, None]

    def tap(du, dv):
        column = torch.minimum((u0.long() + du).clamp(min=0), width - 1)
        row = torch.minimum((v0.long() + dv).clamp(min=0), height - 1)
        word = pixels[base + row * width + column]
        return torch.stack([(word >> shift) & 255 for shift in (0, 8, 16)], 1).float()

    upper = tap(0, 0) * (1 - fu) + tap(1, 0) * fu
    lower = tap(0, 1) * (1 - fu) + tap(1, 1) * fu
    return torch.where(inside[:, None], upper * (1 - fv) + lower * fv, GREY)


def canvases(pixels, plan, gather=gather):
    """The plan's canvases, 0..255, with what is pasted on them and the pictures that shine through the first ones."""
    x = gather(pixels, plan["cut"], plan["affine"], plan["place"])
    if "patch_box" in plan:
        paste(pixels, x, plan)
    if "ghost_share" in plan:
        ghost = gather(pixels, plan["ghost_cut"], plan["ghost_affine"], plan["ghost_place"])
        x[:len(ghost)].lerp_(ghost, plan["ghost_share"][:, None, None, None])
    return x


class Dice(object):
    """Random numbers of one batch on one device, shaped ``[B, 1, 1, 1]``."""

    def __init__(self, count, device):
        self.count, self.device = count, device

    def uniform(self, low=0.0, high=1.0, channels=1):
        shape = (self.count, channels, 1, 1)
        return torch.rand(shape, device=self.device) * (high - low) + low

    def chance(self, share):
        return (self.uniform() < share).float()

    def normal(self, shape):
        return torch.randn(shape, device=self.device)


def colour(x, dice, strength):
    """Hue, brightness, contrast, saturation, white balance and gamma; ``x`` is 0..1."""
    x = hue(x, dice.uniform(-0.7, 0.7) * dice.chance(0.3 * strength))
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * dice.uniform(1 - 0.7 * strength, 1 + 0.5 * strength) * (1 - dice.chance(0.05))
    x = x * dice.uniform(1 - 0.08 * strength, 1 + 0.08 * strength, 3)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * dice.uniform(1 - 0.35 * strength, 1 + 0.3 * strength)
    x = x * dice.uniform(1 - 0.3 * strength, 1 + 0.3 * strength)
    return x.clamp(1e-4, 1) ** torch.exp2(dice.uniform(-0.6, 0.7) * strength)


def hue(x, angle):
    """Turn the colours by an angle (radians) about the axis of greys (Rodrigues' formula)."""
    grey, across = x.mean(1, keepdim=True), (x[:, [2, 0, 1]] - x[:, [1, 2, 0]]) * 3 ** -0.5
    return x * torch.cos(angle) + across * torch.sin(angle) + grey * (1 - torch.cos(angle))


def night(x, dice, strength):
    """Little light: dark, one tint, noise that grows in the dark (12 % of the canvases)."""
    on = dice.chance(0.12 * strength)
    tint = torch.cat([dice.uniform(0.75, 1.2), dice.uniform(0.8, 1.0), dice.uniform(0.6, 1.25)], 1)
    dark = (x ** dice.uniform(1.2, 2.2)) * dice.uniform(0.2, 0.7) * tint
    dark = dark + dice.normal(x.shape) * dice.uniform(0.0, 0.04)
    return torch.where(on > 0, dark, x)


def haze(x, dice, strength):
    """Airlight that thickens towards the top of the picture (8 %)."""
    on = dice.chance(0.08 * strength)
    rows = torch.linspace(1, 0, x.shape[2], device=x.device).view(1, 1, -1, 1)
    thick = (dice.uniform(0.1, 0.5) + dice.uniform(0.0, 0.35) * rows) * on
    return x * (1 - thick) + dice.uniform(0.6, 0.95) * thick


def blur_kernels(dice, size=9):
    """One ``[B, 1, size, size]`` kernel a canvas: a line (motion) or a Gaussian of random width."""
    axis = torch.arange(size, device=dice.device, dtype=torch.float32) - size // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angle, length = dice.uniform(0, math.pi), dice.uniform(1.0, size / 2.0)
    along, across = x * torch.cos(angle) + y * torch.sin(angle), y * torch.cos(angle) - x * torch.sin(angle)
    line = torch.exp(-(across / 0.6) ** 2) * torch.sigmoid((length - along.abs()) * 4)
    width = dice.uniform(0.4, 1.8)
    kernel = torch.where(dice.chance(0.6) > 0, line, torch.exp(-(x ** 2 + y ** 2) / (2 * width ** 2)))
    return kernel / kernel.sum((2, 3), keepdim=True)


def blur(x, strength):
    """Motion or focus blur on a part of the canvases; only that part is filtered."""
    count = int(round(x.shape[0] * 0.22 * strength))
    if count:
        some = Dice(count, x.device)
        kernels = blur_kernels(some).repeat_interleave(3, 0)
        flat = F.conv2d(F.pad(x[:count], (4,) * 4, "reflect").reshape(1, -1, x.shape[2] + 8, x.shape[3] + 8),
                        kernels, groups=count * 3)
        x = torch.cat([flat.reshape(count, 3, x.shape[2], x.shape[3]), x[count:]])
    return x


def cosine_basis(device):
    """The 8x8 DCT as one 64x64 matrix on flattened blocks."""
    k = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) * 0.5
    basis[0] *= math.sqrt(0.5)
    return torch.kron(basis, basis)


def block_code(plane, step):
    """Quantise ``[n, c, h, w]`` (0..255, h and w multiples of 8) in 8x8 DCT blocks; ``step``: ``[n, 64, 1, 1]``."""
    n, c, h, w = plane.shape
    basis = cosine_basis(plane.device)[:, :, None, None]
    blocks = F.pixel_unshuffle(plane.reshape(n * c, 1, h, w) - 128, 8)
    step = step.repeat_interleave(c, 0)
    coded = torch.round(F.conv2d(blocks, basis) / step) * step
    return F.pixel_shuffle(F.conv2d(coded, basis.transpose(0, 1)), 8).reshape(n, c, h, w) + 128


def compress(x, share):
    """Block compression with halved colour on the *last* ``share`` of the batch (the first part is blurred)."""
    count = int(round(x.shape[0] * share))
    if not count:
        return x
    some = Dice(count, x.device)
    part = F.pad(x[-count:] * 255, (0, -x.shape[3] % 16, 0, -x.shape[2] % 16), "replicate")
    luma = (part * torch.tensor([0.299, 0.587, 0.114], device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    chroma = F.avg_pool2d(torch.cat([part[:, 2:] - luma, part[:, :1] - luma], 1), 2)
    ramp = torch.arange(8, device=x.device, dtype=torch.float32)
    slope = 1 + (ramp[:, None] + ramp[None, :]) * some.uniform(0.1, 0.7)
    step = (slope * torch.exp(some.uniform(math.log(5.0), math.log(40.0)))).flatten(1)[:, :, None, None]
    luma = block_code(luma, step)
    chroma = F.interpolate(block_code(chroma + 128, step * 1.4) - 128, scale_factor=2.0, mode="bilinear")
    blue, red = chroma[:, :1] + luma, chroma[:, 1:] + luma
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    coded = torch.cat([red, green, blue], 1)[:, :, :x.shape[2], :x.shape[3]] / 255
    return torch.cat([x[:-count], coded])


def noise(x, dice, strength):
    """Sensor noise on a quarter of the canvases."""
    on = dice.chance(0.25 * strength)
    return x + dice.normal((x.shape[0], 1) + x.shape[2:]) * dice.uniform(0.0, 0.05) * on


def tone(x, strength):
    """Light, weather and noise, the part that fuses into few kernels; 0..255 -> about 0..1."""
    dice = Dice(x.shape[0], x.device)
    x = colour(x / 255, dice, strength)
    return noise(haze(night(x, dice, strength), dice, strength), dice, strength)


def weather(x, strength, fused_tone=tone):
    """Canvases 0..255 -> canvases 0..255 after light, weather, blur, compression and noise.

    ``strength`` reaches ``fused_tone`` as a tensor, so that a compiled one serves all strengths.
    """
    x = fused_tone(x, torch.tensor(strength, device=x.device))
    x = compress(blur(x, strength).clamp(0, 1), 0.35 * strength)
    return (x * 255).clamp(0, 255)


def enlarged(x, scale):
    """Canvases ``scale`` times as large."""
    return x if scale == 1 else F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False).clamp(0, 255)


def to_device(plan, device):
    """A plan's tensors on ``device``, without waiting."""
    return {name: value.to(device, non_blocking=True) for name, value in plan.items()}
