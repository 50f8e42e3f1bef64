"""What the kernel `preprocess` is told about a picture and a tensor: preprocess.cu's structures, as numpy writes them."""
import numpy as np

from edgecam.detect.letterbox import FORMATS, place, recoding
from edgecam.errors import DetectorError

PLANE = np.dtype([("data", "u8"), ("pitch", "i4"), ("step", "i4"), ("width", "i4"), ("height", "i4"), ("factor", "i4"),
                  ("exact", "i4"), ("scale_x", "f4"), ("scale_y", "f4")], align=True)
PICTURE = np.dtype([("planes", PLANE, 3), ("packed", "i4"), ("plain", "i4"), ("left", "i4"), ("top", "i4"), ("width", "i4"), ("height", "i4"),
                    ("recode", "i4"), ("mixes", "i4"), ("luma", "f4", 3), ("mix", "f4", 3), ("new_u", "f4", 3),
                    ("new_v", "f4", 3)], align=True)
TARGET = np.dtype([("width", "i4"), ("height", "i4"), ("kind", "i4"), ("colour", "i4"), ("row", "i4"), ("column", "i4"),
                   ("channel", "i4"), ("scale", "f4", 3), ("offset", "f4", 3), ("bars", "f4", 3)], align=True)
KINDS = ("float32", "float16", "uint8")
COLOURS = ("RGB", "BGR", "GREY")
AXES = {"C": "channel", "H": "row", "W": "column"}


def target(spec, resize, tensor):
    """Return the `TARGET` record of *tensor*, a `TensorInfo` of what *spec* describes, between bars that *resize* describes."""
    record = np.zeros((), TARGET)
    record["width"], record["height"] = spec.width, spec.height
    record["kind"], record["colour"] = KINDS.index(tensor.dtype), COLOURS.index(spec.colour)
    for axis, stride in zip(spec.layout, tensor.strides):
        if axis in AXES:
            record[AXES[axis]] = stride
    mean, scale = (np.broadcast_to(np.float32(values), spec.channels) for values in (spec.mean, spec.scale))
    record["scale"][:spec.channels] = scale
    record["offset"][:spec.channels] = mean * scale
    record["bars"][:spec.channels] = (resize.fill - mean) * scale
    return record


class Geometry:
    """How pictures of one format come into the input; made once per format. Raises `DetectorError` for formats it can't read."""

    def __init__(self, video, spec, resize):
        if video.fourcc not in FORMATS or video.fourcc == "YUYV" and video.width % 2:
            raise DetectorError("frames of {}x{} {} can't be detected on: expected one of {}, and an even width for YUYV".format(
                video.width, video.height, video.fourcc, ", ".join(FORMATS)))
        self.video, self.placement = video, place(video.width, video.height, spec, resize)
        self.record = np.zeros((), PICTURE)
        self.record["packed"] = video.fourcc == "BGR3"
        for key in ("left", "top", "width", "height"):
            self.record[key] = getattr(self.placement, key)
        self._recode()
        self._samples = self._sample_planes()
        for plane, (_, _, step, size, wanted) in zip(self.record["planes"], self._samples):
            sampling(plane, step, size, wanted)
        used = self.record["planes"][:len(self._samples)]
        self.record["plain"] = video.fourcc in ("NV12", "I420", "GREY") and used["exact"].all() and (used["factor"] == 1).all()
        self.shapes = plane_shapes(video)
        self.size = sum(aligned(height * pitch) for height, pitch in self.shapes)

    def _sample_planes(self):
        """Return for each of Y, U, V (or R, G, B): its plane, first byte, step, (width, height), and the grid it is brought to."""
        width, height = self.video.width, self.video.height
        half = (width + 1) // 2, (height + 1) // 2
        full = self.placement.width, self.placement.height
        even = full[0] + full[0] % 2, full[1] + full[1] % 2
        small = even[0] // 2, even[1] // 2
        return {"I420": [(0, 0, 1, (width, height), even), (1, 0, 1, half, small), (2, 0, 1, half, small)],
                "NV12": [(0, 0, 1, (width, height), even), (1, 0, 2, half, small), (1, 1, 2, half, small)],
                "YUYV": [(0, 0, 2, (width, height), even), (0, 1, 4, (width // 2, height), small), (0, 3, 4, (width // 2, height), small)],
                "GREY": [(0, 0, 1, (width, height), even)],
                "BGR3": [(0, 2 - index, 3, (width, height), full) for index in range(3)]}[self.video.fourcc]

    def _recode(self):
        """Write how this coding becomes BT.601 limited range: letterbox.recoder's numbers."""
        matrix = recoding(self.video.matrix, self.video.full_range)
        if self.video.fourcc == "BGR3" or np.allclose(matrix, np.eye(3)):
            return
        (yy, yu, yv), (_, uu, uv), (_, vu, vv) = matrix
        lift = 16 - 16 * yy if not self.video.full_range else 16
        record = self.record
        record["recode"], record["mixes"] = 1, bool(yu or yv)
        record["luma"] = yy, lift, lift - 128 / 3.0
        record["mix"] = 3 * yu, 3 * yv, 128 - 128 * 3 * (yu + yv)
        record["new_u"], record["new_v"] = (uu, uv, 128 - 128 * (uu + uv)), (vu, vv, 128 - 128 * (vu + vv))

    def write(self, records, index, addresses, pitches):
        """Fill ``records[index]`` for planes at *addresses* whose rows lie *pitches* bytes apart."""
        records[index] = self.record
        for channel, (plane, first, _, _, _) in enumerate(self._samples):
            records["planes"]["data"][index, channel] = addresses[plane] + first
            records["planes"]["pitch"][index, channel] = pitches[plane]


def sampling(plane, step, size, wanted):
    """Write how a plane of *size* is brought to the grid *wanted*: like pixels.NumpyPixels.resize."""
    (width, height), (new_width, new_height) = size, wanted
    factor = max(1, min(height // new_height, width // new_width))
    plane["step"], plane["factor"] = step, factor
    plane["width"], plane["height"] = width // factor, height // factor
    plane["scale_x"], plane["scale_y"] = width / float(factor) / new_width, height / float(factor) / new_height
    plane["exact"] = plane["scale_x"] == 1 and plane["scale_y"] == 1


def plane_shapes(video):
    """Return (rows, bytes in a row) of each plane of *video*."""
    width, height = video.width, video.height
    half = (height + 1) // 2, (width + 1) // 2
    return {"I420": [(height, width), half, half], "NV12": [(height, width), (half[0], 2 * half[1])],
            "YUYV": [(height, 2 * width)], "GREY": [(height, width)], "BGR3": [(height, 3 * width)]}[video.fourcc]


def aligned(size, to=256):
    return (size + to - 1) // to * to
