"""NVIDIA's own part of V4L2: control numbers and payloads, which differ by L4T release, and the boards.

From NVIDIA's public headers (v4l2_nv_extensions.h of R28.1 to R36.4) and the order of calls in
their sample 01_video_encode. A wrong layout would be read as other regions without any error,
so releases whose header we don't know get no regions at all.
"""
import ctypes
import os
import re
import struct
from typing import NamedTuple, Tuple

BASE = 0x00990900           # V4L2_CID_MPEG_BASE
CLASS = 0x00990000          # ctrl_class of every call
MAX_REGIONS = 8             # V4L2_MAX_ROI_REGIONS
KEEP = 0xffffffff           # in QP_RANGE: the encoder's own limit

# Distances from BASE in R32 and later.
IDR_INTERVAL, SPS_PPS_AT_IDR, METADATA, ENABLE_METADATA_MV, METADATA_MV = 514, 535, 536, 537, 538
QP_RANGE, HW_PRESET, INPUT_METADATA, ENABLE_ROI, INSERT_VUI = 539, 540, 541, 544, 546
ULTRAFAST = 1
NODES = "/dev/nvhost-msenc", "/dev/v4l2-nvenc"
NO_ENCODER = {"p3767-0003": "Orin Nano 8GB", "p3767-0004": "Orin Nano 4GB", "p3767-0005": "Orin Nano developer kit"}


class Layout(NamedTuple):
    """Where things lie in NVIDIA's structs; sizes and offsets in bytes."""

    name: str
    shift: int              # control numbers from 523 on are so much smaller
    roi_stride: int         # v4l2_enc_ROI_param
    roi_store: int          # config_store in v4l2_enc_frame_ROI_params
    enable_size: int        # v4l2_enc_enable_roi_param
    input_store: int        # config_store in v4l2_ctrl_videoenc_input_metadata
    meta: Tuple[int, int, int]      # pointers to EncMeta and EncMetaMV, buffer_index in v4l2_ctrl_video_metadata
    vector_size: int        # MVInfo
    surface: bool           # buffers belong to NvBufSurface, else to nvbuf_utils


R28 = Layout("R28", 3, 20, 164, 1, 48, (8, 16, 24), 4, False)
R32 = Layout("R32", 0, 20, 164, 1, 48, (16, 24, 32), 4, False)
R34 = R32._replace(name="R34 to R36.2", surface=True)
R363 = Layout("R36.3", 0, 36, 292, 20, 48, (16, 24, 32), 4, True)
R364 = R363._replace(name="R36.4", input_store=56, vector_size=20)
LAYOUTS = (((28, 1), (28, 99), R28), ((32, 1), (32, 7), R32), ((34, 1), (35, 6), R34), ((36, 2), (36, 2), R34),
           ((36, 3), (36, 3), R363), ((36, 4), (36, 4), R364))


def layout_for(release):
    """Return the `Layout` of a release (major, minor, patch), None where nobody read its header."""
    for first, last, layout in LAYOUTS:
        if first <= release[:2] <= last:
            return layout
    return None


def control_id(number, layout):
    """Return the id of one of NVIDIA's controls in a release."""
    return BASE + number - (layout.shift if number >= 523 else 0)


# -- payloads -------------------------------------------------------------------------------------


def memory(size):
    """Return *size* zeroed bytes, aligned to 8."""
    return (ctypes.c_uint64 * (-(-size // 8)))()


class RegionList:
    """The INPUT_METADATA of one OUTPUT buffer: which regions its picture has, most wanted first.

    It is written anew for each frame and handed over by pointer; *payload* is what S_EXT_CTRLS gets.
    """

    ROOM = 1024             # more than any release's struct, so that none reads beyond it
    FLAG_ROI = 1

    def __init__(self, layout, index):
        self._layout, self._lengths = layout, struct.Struct("=iiIIi")
        self.regions, self.payload = memory(self.ROOM), memory(self.ROOM)
        self._bytes = memoryview(self.regions).cast("B")
        struct.pack_into("=I", self._bytes, layout.roi_store, index)
        head = memoryview(self.payload).cast("B")
        struct.pack_into("=I", head, 0, self.FLAG_ROI)
        struct.pack_into("=Q", head, 8, ctypes.addressof(self.regions))
        struct.pack_into("=I", head, layout.input_store, index)

    def write(self, rectangles):
        """Put (left, top, width, height, qp) rectangles into the payload."""
        struct.pack_into("=I", self._bytes, 0, len(rectangles))
        offset = 4
        for rectangle in rectangles:
            self._lengths.pack_into(self._bytes, offset, *rectangle)
            offset += self._layout.roi_stride


def rectangles(plan, width, height):
    """Return a plan's regions as (left, top, width, height, qp) on the macroblock grid, inside the picture.

    Rounded outwards to 16 pixels; the last macroblock may stick out of the picture and is cut to it.
    """
    found = []
    for region in plan.regions[:MAX_REGIONS]:
        left, top = int(max(region.box.x, 0)) // 16 * 16, int(max(region.box.y, 0)) // 16 * 16
        right = min(-int(-region.box.right // 16) * 16, width)
        bottom = min(-int(-region.box.bottom // 16) * 16, height)
        if right > left and bottom > top:
            found.append((left, top, right - left, bottom - top, max(-51, min(51, int(region.qp)))))
    return found


def enable_roi(layout):
    """Return the payload of ENABLE_ROI."""
    payload = memory(layout.enable_size)
    memoryview(payload).cast("B")[0] = 1
    return payload


def qp_range(low, high):
    """Return the payload of QP_RANGE; None leaves a limit as it is."""
    low, high = (KEEP if value is None else value for value in (low, high))
    payload = memory(24)
    struct.pack_into("=6I", memoryview(payload).cast("B"), 0, low, high, low, high, low, high)
    return payload


class FrameMetadata(NamedTuple):
    """What the encoder tells of one encoded frame."""

    keyframe: bool
    qp: int                 # average over the frame
    min_qp: int
    max_qp: int
    bits: int


class MetadataReader:
    """The payloads with which METADATA and METADATA_MV are asked for."""

    def __init__(self, layout):
        self._layout = layout
        self.payload, self._frame, self._vectors = memory(64), memory(512), memory(64)
        self._head, self._answer = (memoryview(part).cast("B") for part in (self.payload, self._frame))
        struct.pack_into("=Q", self._head, layout.meta[0], ctypes.addressof(self._frame))
        struct.pack_into("=Q", self._head, layout.meta[1], ctypes.addressof(self._vectors))

    def ask(self, index):
        """Ask for what belongs to CAPTURE buffer *index*."""
        struct.pack_into("=I", self._head, self._layout.meta[2], index)
        return self.payload

    def frame(self):
        """Return the `FrameMetadata` that METADATA filled in."""
        keyframe, _, qp = struct.unpack_from("=BBH", self._answer, 0)
        bits, low, high = struct.unpack_from("=3I", self._answer, 20)
        return FrameMetadata(bool(keyframe), qp, low, high, bits)

    def vectors(self):
        """Return a copy of the motion vectors that METADATA_MV points to, as int16 (n, 2): x, y in quarter pixels."""
        import numpy
        size, pointer = struct.unpack_from("=I4xQ", memoryview(self._vectors).cast("B"), 0)
        if not pointer or not size:
            return numpy.zeros((0, 2), numpy.int16)
        words = numpy.frombuffer((ctypes.c_uint8 * size).from_address(pointer), numpy.uint32)
        raw = words[::self._layout.vector_size // 4]            # of one block each; behind it only reserved words
        x = (raw & 0xffff).astype(numpy.uint16).view(numpy.int16)
        y = ((raw >> 16 & 0x3fff).astype(numpy.int32) ^ 0x2000) - 0x2000        # 14 bits, signed
        return numpy.stack((x, y.astype(numpy.int16)), axis=1)


# -- boards ---------------------------------------------------------------------------------------


class Board(NamedTuple):
    """The Jetson that we run on."""

    model: str
    release: Tuple[int, int, int]       # of L4T: (32, 7, 1)
    parts: str                          # part numbers in the device tree, as one text

    @property
    def l4t(self):
        return "R{}.{}.{}".format(*self.release)

    @property
    def without_encoder(self):
        """The name of the module if it is one that has no encoder at all, else None."""
        for part, name in NO_ENCODER.items():
            if part in self.parts:
                return name
        return None


def identify(root="/"):
    """Return the `Board` below *root*, None where this is no Jetson."""
    release = read_release(root)
    if release is None:
        return None
    tree = os.path.join(root, "proc/device-tree")
    parts = " ".join(read_text(os.path.join(tree, name)) for name in ("compatible", "nvidia,boardids", "nvidia,dtsfilename"))
    return Board(read_text(os.path.join(tree, "model")) or "Jetson", release, parts)


def read_release(root):
    """Return L4T's (major, minor, patch), by its own file or else by Debian's package."""
    text = read_text(os.path.join(root, "etc/nv_tegra_release"))
    match = re.search(r"R(\d+) \(release\), REVISION: (\d+)(?:\.(\d+))?", text)
    if not match:
        status = read_text(os.path.join(root, "var/lib/dpkg/status"))
        match = re.search(r"^Package: nvidia-l4t-core\n(?:.+\n)*?Version: (\d+)\.(\d+)(?:\.(\d+))?", status, re.M)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def read_text(path):
    """Return a file's text, the NULs of the device tree as spaces; empty where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace").replace("\0", " ").strip()
    except OSError:
        return ""
