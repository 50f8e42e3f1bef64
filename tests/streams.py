"""The small H.264 streams of tests/data as packets, and independent readers for what the outputs make of them."""
import os
import shutil
import subprocess
from fractions import Fraction

import pytest

from edgecam import h264
from edgecam.config import load_config
from edgecam.vocabulary import Packet, StreamFormat

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
FILE = os.path.join(DATA, "testsrc-320x180.h264")               # 60 frames, a keyframe every 15
SLICED_FILE = os.path.join(DATA, "testsrc-160x90-slices.h264")  # 12 frames of 3 slices, with delimiters
TIME_BASE = Fraction(1, 90000)
STREAM = StreamFormat("h264", 320, 180, Fraction(30), TIME_BASE, 200000)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def settings_with(**changes):
    """Return the section ``outputs`` with *changes*."""
    return load_config().outputs.replace(**changes)


def make_packets(path=FILE, times=None, first=0, rounds=1):
    """Return the access units of *path* as packets; *times* are pts in ticks, default 30 frames a second from *first*."""
    units = list(h264.split_access_units(read(path))) * rounds
    times = times or [first + 3000 * number for number in range(len(units))]
    return [Packet(unit, pts, TIME_BASE, h264.is_keyframe(unit), number, pts / 90000)
            for number, (unit, pts) in enumerate(zip(units, times))]


def need(*programs):
    """Skip unless *programs* are installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip("{} is not installed".format(program))


def probe(path, entries, *options):
    """Ask ffprobe for *entries*; return the lines of its answer."""
    need("ffprobe")
    command = ["ffprobe", "-v", "error"] + list(options) + ["-show_entries", entries, "-of", "csv=p=0", str(path)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert answer.returncode == 0 and not answer.stderr, answer.stderr.decode()
    return answer.stdout.decode().split()


def count_frames(path):
    """Decode everything; return the number of frames."""
    return int(probe(path, "stream=nb_read_frames", "-count_frames")[0].strip(","))


def frame_times(path):
    """Return the presentation times of all packets in seconds."""
    return [float(line.strip(",")) for line in probe(path, "packet=pts_time")]


def decode_errors(path):
    """Decode everything; return what ffmpeg complains about."""
    need("ffmpeg")
    command = ["ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60).stderr.decode()


def picture_hashes(path):
    """Return one checksum per decoded picture."""
    need("ffmpeg")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-fps_mode", "passthrough", "-f", "framemd5", "-"]
    text = subprocess.run(command, stdout=subprocess.PIPE, timeout=60).stdout.decode()
    return [line.split(",")[-1].strip() for line in text.splitlines() if line and not line.startswith("#")]
