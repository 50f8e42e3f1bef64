"""H.264 byte streams: where NAL units begin, what they are, what the parameter sets say.

Clauses refer to ITU-T H.264 (08/2021). Nothing here decodes pictures, and nothing
copies a payload more than once. "Unit" means a NAL unit without its start code.
"""
import struct
from fractions import Fraction
from typing import NamedTuple, Optional

START_CODE = b"\x00\x00\x00\x01"
SLICE, IDR, SEI, SPS, PPS, AUD, FILLER = 1, 5, 6, 7, 8, 9, 12      # nal_unit_type, table 7-1
VCL = frozenset(range(1, 6))                                       # units that hold parts of a picture
OPENERS = frozenset((SEI, SPS, PPS, AUD, 14, 15, 16, 17, 18))      # begin an access unit, 7.4.1.2.3
HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
ASPECTS = {1: (1, 1), 2: (12, 11), 3: (10, 11), 4: (16, 11), 5: (40, 33), 6: (24, 11), 7: (20, 11), 8: (32, 11),
           9: (80, 33), 10: (18, 11), 11: (15, 11), 12: (64, 33), 13: (160, 99), 14: (4, 3), 15: (3, 2), 16: (2, 1)}
EXTENDED_ASPECT = 255
UNSPECIFIED = 2                                                    # of colour descriptions, tables E-3 to E-5


def unit_type(unit):
    """Return the nal_unit_type of a unit."""
    return unit[0] & 31


def nal_units(stream):
    """Return the NAL units of an Annex B byte string, without start codes and trailing zeros.

    Bytes before the first start code are left out, and so are empty units.
    """
    units = []
    start = stream.find(b"\x00\x00\x01")
    while start >= 0:
        end = stream.find(b"\x00\x00\x01", start + 3)
        unit = stream[start + 3:end if end >= 0 else len(stream)].rstrip(b"\x00")
        if unit:
            units.append(unit)
        start = end
    return units


def annexb(units):
    """Join units to an Annex B byte string with four-byte start codes."""
    return b"".join(part for unit in units for part in (START_CODE, unit))


def is_keyframe(payload):
    """Tell whether an Annex B access unit shows an IDR picture."""
    return any(unit[0] & 31 == IDR for unit in nal_units(payload))


def parameter_sets(units):
    """Return (list of SPS, list of PPS) among *units*, each unit once, in order."""
    return _distinct(units, SPS), _distinct(units, PPS)


def _distinct(units, kind):
    found = []
    for unit in units:
        if unit[0] & 31 == kind and unit not in found:
            found.append(unit)
    return found


def split_access_units(stream):
    """Yield the access units of an Annex B byte string, each as Annex B (7.4.1.2.3).

    A new one begins at the first parameter set, SEI or delimiter behind a slice, and at a
    slice with first_mb_in_slice 0 (edgecam's encoders send no arbitrary slice order).
    """
    units, sliced = [], False
    for unit in nal_units(stream):
        kind = unit[0] & 31
        first = kind in VCL and len(unit) > 1 and unit[1] & 0x80       # ue(v) 0 is a single 1 bit
        if sliced and (first or kind in OPENERS):
            yield annexb(units)
            units, sliced = [], False
        units.append(unit)
        sliced = sliced or kind in VCL
    if units:
        yield annexb(units)


def unescape(unit):
    """Return the RBSP of a unit: without its emulation prevention bytes (7.4.1.1)."""
    return unit.replace(b"\x00\x00\x03", b"\x00\x00")


class Sps(NamedTuple):
    """What a sequence parameter set says about the stream."""

    profile: int                        # profile_idc: 66 baseline, 77 main, 100 high
    constraints: int                    # the byte of constraint_set flags
    level: int                          # level_idc, ten times the level: 31 is 3.1
    width: int                          # pixels, after cropping
    height: int
    chroma_format: int = 1              # chroma_format_idc: 1 is 4:2:0
    bit_depth: int = 8
    bit_depth_chroma: int = 8
    aspect: Fraction = Fraction(1)      # width of a pixel to its height
    full_range: bool = False            # luma 0 to 255 rather than 16 to 235
    primaries: int = UNSPECIFIED        # tables E-3, E-4, E-5
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    rate: Optional[Fraction] = None     # frames per second, where the VUI tells
    reorder: Optional[int] = None       # max_num_reorder_frames: 0 means no B-frames, None unknown

    @property
    def codec(self):
        """The codecs parameter of RFC 6381: "avc1.42C01F"."""
        return "avc1.{:02X}{:02X}{:02X}".format(self.profile, self.constraints, self.level)


class Bits:
    """Reads a byte string bit by bit, the first bit being the most significant."""

    def __init__(self, octets):
        self._value, self._left = int.from_bytes(octets, "big"), 8 * len(octets)

    def u(self, count):
        """Take *count* bits as an unsigned number. Raises `ValueError` past the end."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the parameter set is truncated")
        return self._value >> self._left & (1 << count) - 1

    def ue(self):
        """Take an unsigned Exp-Golomb number (9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("the parameter set holds a number of more than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self):
        """Take a signed Exp-Golomb number (9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def parse_sps(unit):
    """Return the `Sps` of a sequence parameter set unit (7.3.2.1.1). Raises `ValueError`."""
    if len(unit) < 5 or unit_type(unit) != SPS:
        raise ValueError("not a sequence parameter set: {!r}".format(bytes(unit[:8])))
    bits = Bits(unescape(unit[1:]))
    profile, constraints, level = bits.u(8), bits.u(8), bits.u(8)
    bits.ue()                                               # seq_parameter_set_id
    chroma, separate, luma_depth, chroma_depth = _high(bits) if profile in HIGH_PROFILES else (1, 0, 8, 8)
    bits.ue()                                               # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    bits.ue()                                               # max_num_ref_frames
    bits.u(1)                                               # gaps_in_frame_num_value_allowed_flag
    width, height = _size(bits, 0 if separate else chroma)
    shape = Sps(profile, constraints, level, width, height, chroma, luma_depth, chroma_depth)
    return shape._replace(**_vui(bits)) if bits.u(1) else shape


def _high(bits):
    """Read the fields that only the high profiles have."""
    chroma = bits.ue()
    separate = bits.u(1) if chroma == 3 else 0
    luma_depth, chroma_depth = 8 + bits.ue(), 8 + bits.ue()
    bits.u(1)                                               # qpprime_y_zero_transform_bypass_flag
    if bits.u(1):                                           # seq_scaling_matrix_present_flag
        for index in range(8 if chroma != 3 else 12):
            if bits.u(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma, separate, luma_depth, chroma_depth


def _skip_scaling_list(bits, size):
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_picture_order(bits):
    kind = bits.ue()                                        # pic_order_cnt_type
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()


def _size(bits, chroma):
    """Return (width, height) after cropping (7.4.2.1.1)."""
    columns, rows = bits.ue() + 1, bits.ue() + 1
    frames_only = bits.u(1)
    if not frames_only:
        bits.u(1)                                           # mb_adaptive_frame_field_flag
    bits.u(1)                                               # direct_8x8_inference_flag
    left, right, top, bottom = [bits.ue() for _ in range(4)] if bits.u(1) else (0, 0, 0, 0)
    step_x = 2 if chroma in (1, 2) else 1
    step_y = (2 if chroma == 1 else 1) * (2 - frames_only)
    width, height = 16 * columns - step_x * (left + right), 16 * rows * (2 - frames_only) - step_y * (top + bottom)
    if width <= 0 or height <= 0:
        raise ValueError("the parameter set crops the whole picture away")
    return width, height


def _vui(bits):
    """Read the video usability information (E.1.1) as fields of `Sps`."""
    fields = {}
    if bits.u(1):
        fields["aspect"] = _aspect(bits)
    if bits.u(1):
        bits.u(1)                                           # overscan_appropriate_flag
    if bits.u(1):
        bits.u(3)                                           # video_format
        fields["full_range"] = bool(bits.u(1))
        if bits.u(1):
            fields.update(primaries=bits.u(8), transfer=bits.u(8), matrix=bits.u(8))
    if bits.u(1):
        bits.ue(), bits.ue()                                # chroma sample location
    if bits.u(1):
        ticks, scale = bits.u(32), bits.u(32)
        bits.u(1)                                           # fixed_frame_rate_flag
        fields["rate"] = Fraction(scale, 2 * ticks) if ticks and scale else None
    hrd = [_skip_hrd(bits) for _ in range(2) if bits.u(1)]
    if hrd:
        bits.u(1)                                           # low_delay_hrd_flag
    bits.u(1)                                               # pic_struct_present_flag
    if bits.u(1):
        bits.u(1), bits.ue(), bits.ue(), bits.ue(), bits.ue()
        fields["reorder"] = bits.ue()
    return fields


def _aspect(bits):
    kind = bits.u(8)
    width, height = (bits.u(16), bits.u(16)) if kind == EXTENDED_ASPECT else ASPECTS.get(kind, (1, 1))
    return Fraction(width, height) if width and height else Fraction(1)


def _skip_hrd(bits):
    count = bits.ue() + 1                                   # cpb_cnt_minus1
    bits.u(8)
    for _ in range(count):
        bits.ue(), bits.ue(), bits.u(1)
    bits.u(20)


def avcc(sps, pps):
    """Return the AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) for lists of SPS and PPS units.

    Units in the stream that it describes have four-byte lengths in front.
    """
    first = sps[0]
    head = struct.pack(">BBBBBB", 1, first[1], first[2], first[3], 0xFC | 3, 0xE0 | len(sps))
    parts = [head] + [_sized(unit) for unit in sps] + [bytes((len(pps),))] + [_sized(unit) for unit in pps]
    if first[1] not in (66, 77, 88):
        shape = parse_sps(first)
        parts.append(bytes((0xFC | shape.chroma_format, 0xF8 | shape.bit_depth - 8,
                            0xF8 | shape.bit_depth_chroma - 8, 0)))
    return b"".join(parts)


def _sized(unit):
    return struct.pack(">H", len(unit)) + unit


def parse_avcc(record):
    """Return (list of SPS, list of PPS, bytes of a unit's length) of an AVCDecoderConfigurationRecord.

    Raises `ValueError` where it is truncated or of another version.
    """
    if len(record) < 7 or record[0] != 1:
        raise ValueError("not an AVCDecoderConfigurationRecord: {!r}".format(bytes(record[:8])))
    sps, at = _read_sized(record, 6, record[5] & 31)
    pps, at = _read_sized(record, at + 1, record[at] if at < len(record) else 0)
    return sps, pps, (record[4] & 3) + 1


def _read_sized(record, at, count):
    units = []
    for _ in range(count):
        size = int.from_bytes(record[at:at + 2], "big")
        unit = bytes(record[at + 2:at + 2 + size])
        if not size or len(unit) < size:
            raise ValueError("the AVCDecoderConfigurationRecord is truncated")
        units.append(unit)
        at += 2 + size
    return units, at
