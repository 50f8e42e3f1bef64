"""The QP of every macroblock of an H.264 stream, as FFmpeg's decoder read it from the stream itself."""
import ctypes
import struct

import numpy as np

HEADER = struct.Struct("@IxxxxQQii8i")      # AVVideoEncParams: blocks, offset, block size, type, qp, delta_qp[4][2]
BLOCK = np.dtype([("x", "i4"), ("y", "i4"), ("w", "i4"), ("h", "i4"), ("delta", "i4")])


def qp_maps(stream):
    """Decode Annex B bytes; return one array (rows, columns) of macroblock QPs for each picture."""
    import av
    codec = av.CodecContext.create("h264", "r")
    codec.options = {"export_side_data": "venc_params"}
    codec.thread_count = 1
    pictures = []
    for packet in codec.parse(stream) + codec.parse(None):
        pictures += codec.decode(packet)
    pictures += codec.decode(None)
    return [qp_map(picture) for picture in pictures]


def qp_map(picture):
    params = [item for item in picture.side_data if item.type.name == "VIDEO_ENC_PARAMS"][0]
    raw = ctypes.string_at(params.buffer_ptr, params.buffer_size)
    count, offset, size, _, base = HEADER.unpack_from(raw)[:5]
    blocks = np.frombuffer(raw, BLOCK, count, offset) if size == BLOCK.itemsize else None
    table = np.zeros((-(-picture.height // 16), -(-picture.width // 16)), int)
    table[blocks["y"] // 16, blocks["x"] // 16] = base + blocks["delta"]
    return table
