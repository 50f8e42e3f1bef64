"""NAL units, access units and parameter sets, against hand-made bytes, FFmpeg's reading and random streams."""
import shutil
import subprocess
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from edgecam import h264
from streams import FILE, SLICED_FILE, probe, read

# A unit holds no start code and does not end in a zero: emulation prevention and the stop bit see to that.
PIECES = st.lists(st.binary(min_size=1, max_size=40).map(lambda b: bytes((b[0] or 1,)) + b[1:] + b"\x80"), max_size=12)


def escape(rbsp):
    """The encoder's side of 7.4.1.1, byte by byte as the standard puts it."""
    unit, zeros = bytearray(), 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            unit.append(3)
            zeros = 0
        unit.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(unit)


@given(PIECES, st.lists(st.sampled_from([b"\x00\x00\x01", b"\x00\x00\x00\x01", b"\x00\x00\x00\x00\x00\x01"]), min_size=12))
def test_units_come_out_as_they_went_in(pieces, codes):
    units = [escape(piece) for piece in pieces]
    stream = b"".join(code + unit for code, unit in zip(codes, units))
    assert h264.nal_units(stream) == units


@given(PIECES)
def test_annexb_and_nal_units_are_a_pair(pieces):
    units = [escape(piece) for piece in pieces]
    assert h264.nal_units(h264.annexb(units)) == units


@given(st.binary(max_size=200))
def test_unescape_undoes_escape(rbsp):
    assert h264.unescape(escape(rbsp)) == rbsp


@given(st.binary(max_size=300))
def test_any_bytes_can_be_split(stream):
    for unit in h264.nal_units(stream):
        assert unit and unit in stream and not unit.endswith(b"\x00") and b"\x00\x00\x01" not in unit


@pytest.mark.parametrize("stream", [b"", b"\x00\x00\x01", b"\x00\x00\x00\x01", b"\x00\x00\x01\x00\x00\x01", b"no start code"])
def test_nothing_but_start_codes_is_no_unit(stream):
    assert h264.nal_units(stream) == []
    assert not h264.is_keyframe(stream)
    assert list(h264.split_access_units(stream)) == []


def test_a_big_stream_is_split_in_one_pass():
    unit = b"\x65" + b"\xab\x00\x00\x03" * 500000 + b"\x80"
    assert h264.nal_units(h264.annexb([unit, unit])) == [unit, unit]


@pytest.mark.parametrize("path, frames, keyframes", [(FILE, 60, 4), (SLICED_FILE, 12, 1)])
def test_access_units(path, frames, keyframes):
    units = list(h264.split_access_units(read(path)))
    assert len(units) == frames == len(probe(path, "packet=size"))
    assert sum(map(h264.is_keyframe, units)) == keyframes
    assert h264.is_keyframe(units[0])
    assert [nal for unit in units for nal in h264.nal_units(unit)] == h264.nal_units(read(path))


def test_parameter_sets_of_a_keyframe():
    units = h264.nal_units(read(FILE))
    sps, pps = h264.parameter_sets(units)
    assert [h264.unit_type(unit) for unit in sps + pps] == [h264.SPS, h264.PPS]
    assert h264.parameter_sets([]) == ([], [])


def first_sps(path):
    return h264.parameter_sets(h264.nal_units(read(path)))[0][0]


def test_what_the_sps_says():
    sps = h264.parse_sps(first_sps(FILE))
    assert (sps.width, sps.height, sps.rate, sps.aspect) == (320, 180, Fraction(30), 1)
    assert (sps.primaries, sps.transfer, sps.matrix, sps.full_range) == (1, 1, 1, False)
    assert (sps.profile, sps.chroma_format, sps.bit_depth, sps.reorder) == (100, 1, 8, 0)
    assert sps.codec == "avc1.6400{:02X}".format(sps.level)


def encode_one_frame(tmp_path, *options):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    path = tmp_path / "one.h264"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=rate=25:size=" + options[0],
               "-frames:v", "1", "-c:v", "libx264"] + list(options[1:]) + [str(path)]
    if subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60).returncode:
        pytest.skip("this ffmpeg encodes no {}".format(" ".join(options)))
    return str(path)


@pytest.mark.parametrize("size, options, shown", [
    ("16x16", ["-pix_fmt", "yuv420p"], "16,16,1:1,yuv420p"),
    ("642x358", ["-pix_fmt", "yuv420p", "-vf", "setsar=4/3"], "642,358,4:3,yuv420p"),
    ("180x320", ["-pix_fmt", "yuv420p", "-vf", "setsar=27/20"], "180,320,27:20,yuv420p"),
    ("322x242", ["-pix_fmt", "yuv420p", "-profile:v", "baseline"], "322,242,1:1,yuv420p"),
    ("641x359", ["-pix_fmt", "yuv444p"], "641,359,1:1,yuv444p"),
    ("322x241", ["-pix_fmt", "yuv422p10le"], "322,241,1:1,yuv422p10le"),
    ("320x236", ["-pix_fmt", "yuv420p", "-x264-params", "interlaced=1:nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500"],
     "320,236,1:1,yuv420p"),
    ("320x240", ["-pix_fmt", "yuv420p", "-x264-params", "cqm=jvt"], "320,240,1:1,yuv420p"),
    ("3840x2160", ["-pix_fmt", "yuv420p", "-preset", "ultrafast"], "3840,2160,1:1,yuv420p"),
])
def test_the_sps_is_read_as_ffmpeg_reads_it(tmp_path, size, options, shown):
    path = encode_one_frame(tmp_path, size, *options)
    sps = h264.parse_sps(first_sps(path))
    pixels = {(1, 8): "yuv420p", (3, 8): "yuv444p", (2, 10): "yuv422p10le"}[sps.chroma_format, sps.bit_depth]
    ours = "{},{},{}:{},{}".format(sps.width, sps.height, sps.aspect.numerator, sps.aspect.denominator, pixels)
    assert ours == shown
    assert probe(path, "stream=width,height,sample_aspect_ratio,pix_fmt")[0] == shown
    assert sps.rate == 25


def test_a_truncated_sps_is_a_value_error():
    sps = first_sps(FILE)
    for length in range(len(sps) - 1):          # the last byte holds nothing but the stop bit
        with pytest.raises(ValueError, match="truncated|not a sequence"):
            h264.parse_sps(sps[:length])


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_a_broken_sps_is_a_value_error_or_a_picture(octets):
    try:
        sps = h264.parse_sps(b"\x67" + octets)
    except ValueError:
        return
    assert sps.width > 0 and sps.height > 0


def test_another_unit_is_no_sps():
    with pytest.raises(ValueError, match="not a sequence parameter set"):
        h264.parse_sps(b"\x68\xce\x3c\x80\x00")


def test_avcc_goes_round():
    sps, pps = h264.parameter_sets(h264.nal_units(read(FILE)))
    record = h264.avcc(sps, pps)
    assert h264.parse_avcc(record) == (sps, pps, 4)
    assert record[:4] == bytes((1,)) + sps[0][1:4]
    assert record[-4:] == bytes((0xFD, 0xF8, 0xF8, 0))         # high profile: 4:2:0, 8 bits, no extension


@pytest.mark.parametrize("length", [0, 5, 6, 7, 12, 30])
def test_a_truncated_avcc_is_a_value_error(length):
    record = h264.avcc(*h264.parameter_sets(h264.nal_units(read(FILE))))
    with pytest.raises(ValueError):
        h264.parse_avcc(record[:length])
