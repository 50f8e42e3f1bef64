"""Where the bits of an encoded picture went, read from the picture itself.

FFmpeg's H.264 decoder tells the QP of every macroblock (``export_side_data=venc_params``, the
structures of libavutil/video_enc_params.h), and it decodes a packet without the ones before it.
Then it takes flat grey for the missing reference, so what it draws for a P picture is grey plus
the residual: what the encoder had to spell out. From that and the QP follows an estimate of each
macroblock's bits, since x264 does not tell them. docs/roi.md compares it with counted bits.
"""
import logging
import struct
from typing import Any, NamedTuple

import numpy as np

from edgecam.side_data import side_data

log = logging.getLogger(__name__)

SIDE = 16                           # pixels of a macroblock
GREY = 128                          # of the reference that is missing
HEAD = struct.Struct("=I4xQQii")    # AVVideoEncParams: nb_blocks, blocks_offset, block_size, type, qp
H264 = 1                            # AV_VIDEO_ENC_PARAMS_H264
HEADER = 10                         # of a macroblock with a residual, for its type and motion: as much as so many steps
OPTIONS = {"export_side_data": "venc_params", "flags": "+output_corrupt", "flags2": "+showall", "skip_loop_filter": "all"}


class Look(NamedTuple):
    """What one packet says, by macroblock: arrays (rows, columns)."""

    qp: Any                         # int; skipped macroblocks carry on the QP of the one before
    bits: Any                       # float, estimated, in proportion to each other only


class PacketReader:
    """Looks into single packets of one stream, in any order; *av* is the module PyAV."""

    def __init__(self, av):
        self._av, self._sets = av, b""

    def remember(self, keyframe):
        """Keep the parameter sets that stand in front of a keyframe's slices (Annex B)."""
        self._sets = keyframe[:first_slice(keyframe)]

    def look(self, payload, keyframe):
        """Return the `Look` of one packet, or None where the decoder makes nothing of it."""
        decoder = self._av.CodecContext.create("h264", "r")
        decoder.thread_count, decoder.options = 1, OPTIONS
        packet = self._av.Packet(payload if keyframe else self._sets + payload)
        try:
            pictures = decoder.decode(packet) + decoder.decode(None)
        except self._av.error.FFmpegError as error:
            log.debug("no look into a packet of %d bytes: %s", len(payload), error)
            return None
        qp = macroblock_qp(pictures[0]) if pictures else None
        if qp is None:
            return None
        luma = luma_of(pictures[0])
        return Look(qp, intra_bits(luma, qp) if keyframe else residual_bits(luma, qp))


def luma_of(picture):
    """Return the luma of a decoded PyAV picture as a view, uint8 (height, width)."""
    plane = picture.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:picture.height, :picture.width]


def first_slice(payload):
    """Return where the first IDR slice's start code begins in an Annex B keyframe, or its end."""
    at = payload.find(b"\x00\x00\x01")
    while at >= 0 and payload[at + 3] & 31 != 5:
        at = payload.find(b"\x00\x00\x01", at + 3)
    return at if at >= 0 else len(payload)


def macroblock_qp(picture):
    """Return the QP of each macroblock of a decoded PyAV picture, int (rows, columns); None where it is not told."""
    columns, rows = -(-picture.width // SIDE), -(-picture.height // SIDE)
    for data in map(bytes, side_data(picture)):
        if len(data) < HEAD.size:
            continue
        count, offset, step, kind, qp = HEAD.unpack_from(data)
        if kind == H264 and count == rows * columns and offset + count * step == len(data):
            blocks = np.frombuffer(data, np.int32, offset=offset).reshape(count, step // 4)
            return (qp + blocks[:, 4]).reshape(rows, columns)       # src_x, src_y, w, h, delta_qp
    return None


def residual_bits(luma, qp):
    """Estimate the bits of a P picture's macroblocks from grey plus residual, counted in quantiser steps."""
    residual = by_macroblock(np.maximum(luma, GREY) - np.minimum(luma, GREY), qp.shape)
    return residual / step(qp) + HEADER * (residual > 0)


def intra_bits(luma, qp):
    """Estimate the bits of an I picture's macroblocks from what the pixels above and to the left don't predict.

    A look at every second row and column is enough for an estimate.
    """
    luma = luma.astype(np.int16)
    here, above, left = luma[1::2, 1::2], luma[:-1:2, 1::2], luma[1::2, :-1:2]
    residual = np.abs(2 * here - above[:len(here)] - left[:, :here.shape[1]])
    half = SIDE // 2
    steps = step(qp).repeat(half, 0).repeat(half, 1)[:residual.shape[0], :residual.shape[1]]
    return by_macroblock(np.log2(1 + residual / (2 * steps)), qp.shape, half)


def step(qp):
    """Return the quantiser's step: 0.625 at QP 0, doubled every 6 (H.264, 8.5.9); float32."""
    return (0.625 * np.exp2(qp / 6)).astype(np.float32)


def by_macroblock(values, shape, side=SIDE):
    """Return the sums of *values*, (height, width), over squares of *side*, float32 of *shape*; the last ones may be cut off."""
    whole = np.zeros((shape[0] * side, shape[1] * side), values.dtype)
    whole[:values.shape[0], :values.shape[1]] = values
    rows = whole.reshape(shape[0], side, -1).sum(1, np.uint16 if values.dtype == np.uint8 else np.float32)
    return rows.reshape(shape[0], shape[1], side).sum(2, np.float32)


def inside(plan, shape):
    """Return which macroblocks the regions with better quality touch: bool (rows, columns)."""
    mask = np.zeros(shape, bool)
    for region in plan.regions:
        left, top, right, bottom = region.box.clip(shape[1] * SIDE, shape[0] * SIDE).corners
        if region.qp < 0:
            mask[int(top // SIDE):-int(-bottom // SIDE), int(left // SIDE):-int(-right // SIDE)] = True
    return mask
