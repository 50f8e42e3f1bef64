"""Fragmented MP4 (ISO/IEC 14496-12) as pure bytes: for recordings, and for browsers' Media Source Extensions.

A stream is `init_segment`, then fragments. A live viewer gets one fragment per frame
(`fragment`), so that no frame waits for the next; a recording collects some
(`moof_mdat`) and ends with an index (`index`). One video track, its timescale being
the denominator of the packets' time base.
"""
import struct

from edgecam.h264 import AUD, FILLER, PPS, SEI, SPS, UNSPECIFIED, avcc, nal_units, parse_sps

TRACK = 1
SYNC_SAMPLE = 0x02000000            # depends on no other sample
DIFFERENCE_SAMPLE = 0x01010000      # depends on others, is not a sync sample
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
DEFAULT_BASE_IS_MOOF = 0x020000
LONGEST = 0xFFFFFFFF                # duration of a sample in ticks; the next fragment tells when it really begins
TRUN_FIELDS = 0x000701              # data offset; duration, size and flags of every sample

# What a sample need not hold: parameter sets are in the moov, delimiters and filler say nothing.
NOT_IN_FILES = frozenset((SPS, PPS, AUD, FILLER))
NOT_FOR_VIEWERS = NOT_IN_FILES | {SEI}


def box(kind, *parts):
    """Return a box of *kind* (four ASCII bytes) around *parts*."""
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def full_box(kind, version, flags, *parts):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def init_segment(sps, pps, time_base, extra=b""):
    """Return ftyp and moov for the lists of units *sps* and *pps*; *extra* goes into the mvex box.

    Durations are zero: the stream has no end that is known. Raises `ValueError` for a broken SPS,
    pixels that are too wide, or a time base that is too fine.
    """
    if time_base.denominator >= 1 << 32:
        raise ValueError("a time base of {} s does not fit into MP4".format(time_base))
    shape = parse_sps(sps[0])
    ftyp = box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41")
    mvhd = full_box(b"mvhd", 0, 0, struct.pack(">5IH10x", 0, 0, time_base.denominator, 0, 0x10000, 0x100),
                    MATRIX, bytes(24), struct.pack(">I", TRACK + 1))
    trex = full_box(b"trex", 0, 0, struct.pack(">5I", TRACK, 1, 0, 0, 0))
    return ftyp + box(b"moov", mvhd, _trak(shape, sps, pps, time_base), box(b"mvex", extra, trex))


def _trak(shape, sps, pps, time_base):
    shown = round(shape.width * shape.aspect * 0x10000)         # in 16.16
    if shown >= 1 << 32:
        raise ValueError("pixels {} times as wide as high make a picture too wide for MP4".format(shape.aspect))
    tkhd = full_box(b"tkhd", 0, 3, struct.pack(">5I8x4H", 0, 0, TRACK, 0, 0, 0, 0, 0, 0), MATRIX,
                    struct.pack(">2I", shown, shape.height << 16))
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">4I2H", 0, 0, time_base.denominator, 0, 0x55C4, 0))    # "und"
    hdlr = full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide"), b"edgecam\0")
    dinf = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    stsd = full_box(b"stsd", 0, 0, struct.pack(">I", 1), _avc1(shape, sps, pps))
    empty = ((b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4))        # the samples are in the fragments
    tables = [full_box(kind, 0, 0, bytes(size)) for kind, size in empty]
    minf = box(b"minf", full_box(b"vmhd", 0, 1, bytes(8)), dinf, box(b"stbl", stsd, *tables))
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf))


def _avc1(shape, sps, pps):
    head = struct.pack(">6xH16x2H2I4xH32xHh", 1, shape.width, shape.height, 0x480000, 0x480000, 1, 24, -1)
    boxes = [box(b"avcC", avcc(sps, pps))]
    if (shape.primaries, shape.transfer, shape.matrix) != (UNSPECIFIED,) * 3 or shape.full_range:
        boxes.append(box(b"colr", b"nclx", struct.pack(">3HB", shape.primaries, shape.transfer, shape.matrix,
                                                       0x80 if shape.full_range else 0)))
    if shape.aspect != 1:
        boxes.append(box(b"pasp", struct.pack(">2I", shape.aspect.numerator, shape.aspect.denominator)))
    return box(b"avc1", head, *boxes)


def sample(payload, leave_out=NOT_IN_FILES):
    """Return an Annex B access unit as a sample: units with four-byte lengths in front."""
    parts = []
    for unit in nal_units(payload):
        if unit[0] & 31 not in leave_out:
            parts.append(len(unit).to_bytes(4, "big"))
            parts.append(unit)
    return b"".join(parts)


def fragment(packet, duration, sequence):
    """Return one `Packet` as a fragment of its own for a live viewer.

    *duration* is how long it is expected to last, in units of its time base (the next
    fragment says for itself when it begins); *sequence* counts a viewer's fragments from 1.
    """
    scale = packet.time_base.numerator
    samples = [(sample(packet.payload, NOT_FOR_VIEWERS), duration * scale, packet.keyframe)]
    return moof_mdat(samples, packet.pts * scale, sequence)


def moof_mdat(samples, start, sequence):
    """Return moof and mdat for *samples*, tuples (bytes, duration in ticks, keyframe), decoded from tick *start* on."""
    table = b"".join(struct.pack(">3I", min(duration, LONGEST), len(units), SYNC_SAMPLE if keyframe else DIFFERENCE_SAMPLE)
                     for units, duration, keyframe in samples)
    trun_size, moof_size = 20 + len(table), 8 + 16 + 8 + 16 + 20 + 20 + len(table)
    moof = b"".join((
        struct.pack(">I4sI4sII", moof_size, b"moof", 16, b"mfhd", 0, sequence),
        struct.pack(">I4sI4sII", moof_size - 24, b"traf", 16, b"tfhd", DEFAULT_BASE_IS_MOOF, TRACK),
        struct.pack(">I4sIQ", 20, b"tfdt", 1 << 24, start),
        struct.pack(">I4sIII", trun_size, b"trun", TRUN_FIELDS, len(samples), moof_size + 8), table))
    mdat_size = 8 + sum(len(units) for units, _, _ in samples)
    return b"".join([moof, struct.pack(">I4s", mdat_size, b"mdat")] + [units for units, _, _ in samples])


def mehd(duration):
    """Return the box that tells the whole duration of a finished recording, in ticks (20 bytes)."""
    return full_box(b"mehd", 1, 0, struct.pack(">Q", duration))


def placeholder(size):
    """Return a free box of *size* bytes, to be overwritten later."""
    return box(b"free", bytes(size - 8))


def index(keyframes):
    """Return the mfra box for seeking: *keyframes* are (tick, offset of the moof in the file), in order."""
    entries = b"".join(struct.pack(">2Q3B", tick, offset, 1, 1, 1) for tick, offset in keyframes)
    tfra = full_box(b"tfra", 1, 0, struct.pack(">3I", TRACK, 0, len(keyframes)), entries)
    return box(b"mfra", tfra, full_box(b"mfro", 0, 0, struct.pack(">I", 8 + len(tfra) + 16)))
