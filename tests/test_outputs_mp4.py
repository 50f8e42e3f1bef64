"""Recordings, read by FFmpeg: frames, times, crashes, full disks, streams that change."""
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from edgecam.errors import OutputError
from edgecam.outputs.mp4 import Mp4Output
from edgecam.naming import expand_time, numbered
from streams import FILE, SLICED_FILE, STREAM, count_frames, decode_errors, frame_times, make_packets, picture_hashes, probe
from test_outputs_boxes import parse


def record(path, packets, **options):
    with Mp4Output(str(path), **options) as output:
        output.open(STREAM)
        for packet in packets:
            output.write(packet)
    return path


def boxes_of(path):
    with open(str(path), "rb") as file:
        return parse(file.read())


def test_the_first_piece_replaces_a_file_that_may_be_replaced(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"of yesterday" * 100000)
    with Mp4Output(str(path), overwrite=True) as output:
        output.open(STREAM)
        assert path.read_bytes()[:12] == b"of yesterday"
        for packet in make_packets():
            output.write(packet)
    assert count_frames(path) == 60 and decode_errors(path) == ""


def test_a_file_that_another_program_records_into_is_left_alone(tmp_path):
    with Mp4Output(str(tmp_path / "x.mp4")) as first:
        first.open(STREAM)
        for packet in make_packets():
            first.write(packet)
        with pytest.raises(OutputError, match="x.mp4: another program is recording into it"):
            Mp4Output(str(tmp_path / "x.mp4"), overwrite=True).open(STREAM)
    assert count_frames(tmp_path / "x.mp4") == 60


def test_names_with_time_codes_are_always_new(tmp_path):
    url = str(tmp_path / "flight-%Y.mp4")
    for _ in range(3):
        record(url, make_packets())
    year = time.strftime("%Y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flight-{}{}.mp4".format(year, number) for number in ("-2", "-3", "")]
    assert all(count_frames(path) == 60 for path in tmp_path.iterdir())


def test_every_frame_is_there_and_decodes(tmp_path):
    path = record(tmp_path / "x.mp4", make_packets())
    assert count_frames(path) == 60
    assert decode_errors(path) == ""
    assert picture_hashes(path) == picture_hashes(FILE)


def test_times_and_duration(tmp_path):
    path = record(tmp_path / "x.mp4", make_packets(first=123456789))
    assert frame_times(path) == pytest.approx([number / 30 for number in range(60)], abs=1e-5)
    assert float(probe(path, "format=duration")[0]) == pytest.approx(2.0)
    assert probe(path, "stream=codec_tag_string,avg_frame_rate,color_space") == ["avc1,bt709,30/1"]


def test_a_variable_rate_keeps_exact_times(tmp_path):
    chance, ticks = random.Random(1), [0]
    while len(ticks) < 60:
        ticks.append(ticks[-1] + chance.choice([1, 900, 3000, 3003, 45000, 500000]))
    path = record(tmp_path / "x.mp4", make_packets(times=ticks))
    assert frame_times(path) == pytest.approx([tick / 90000 for tick in ticks], abs=1e-5)
    assert picture_hashes(path) == picture_hashes(FILE)


@pytest.mark.parametrize("length", [0.1, 0.4, 1.0])
def test_fragments_are_short_and_begin_at_keyframes(tmp_path, length):
    path = record(tmp_path / "x.mp4", make_packets(), fragment=length)
    counts = [int.from_bytes(dict(dict(inside)[b"traf"])[b"trun"][4:8], "big")
              for kind, inside in boxes_of(path) if kind == b"moof"]
    assert sum(counts) == 60
    assert max(counts) <= min(round(30 * length), 15)
    assert count_frames(path) == 60


def test_a_player_can_seek(tmp_path):
    path = record(tmp_path / "x.mp4", make_packets(rounds=10))
    kinds = [kind for kind, _ in boxes_of(path)]
    assert kinds[-1] == b"mfra"
    first = probe(path, "packet=pts_time,flags", "-read_intervals", "17.2%+#1")[0]
    assert first.startswith("17.000000,K")


def test_the_same_packets_give_the_same_bytes(tmp_path):
    one, two = record(tmp_path / "one.mp4", make_packets()), record(tmp_path / "two.mp4", make_packets())
    assert one.read_bytes() == two.read_bytes()


def test_one_frame_only(tmp_path):
    path = record(tmp_path / "x.mp4", make_packets()[:1])
    assert count_frames(path) == 1
    assert float(probe(path, "format=duration")[0]) == pytest.approx(1 / 30, abs=1e-4)


def test_slices_and_delimiters(tmp_path):
    path = record(tmp_path / "x.mp4", make_packets(SLICED_FILE))
    assert picture_hashes(path) == picture_hashes(SLICED_FILE)


def test_no_frame_leaves_no_file(tmp_path):
    path = record(tmp_path / "x.mp4", [])
    assert not path.exists()


def test_another_picture_size_goes_on_in_another_file(tmp_path):
    small = [packet._replace(pts=packet.pts + 60 * 3000) for packet in make_packets(SLICED_FILE)]
    again = [packet._replace(pts=packet.pts + 72 * 3000) for packet in make_packets()]
    record(tmp_path / "x.mp4", make_packets() + small + again)
    for name, frames, size in (("x.mp4", 60, "320,180"), ("x-2.mp4", 12, "160,90"), ("x-3.mp4", 60, "320,180")):
        assert count_frames(tmp_path / name) == frames
        assert probe(tmp_path / name, "stream=width,height") == [size]
        assert decode_errors(tmp_path / name) == ""


def test_a_clock_that_jumps_back_does_not_spoil_the_recording(tmp_path, caplog):
    ticks = [3000 * number for number in range(30)] + [3000 * number for number in range(30)]
    path = record(tmp_path / "x.mp4", make_packets(times=ticks))
    assert frame_times(path) == pytest.approx([number / 30 for number in range(60)], abs=1e-5)
    assert caplog.text.count("older than the one before") == 1
    assert decode_errors(path) == ""


def test_a_stalled_camera_does_not_keep_frames_from_the_disk(tmp_path):
    output = Mp4Output(str(tmp_path / "x.mp4"))
    output.open(STREAM)
    packets = make_packets()
    for packet in packets[:10]:
        output.write(packet)
    output.idle()
    assert count_frames(tmp_path / "x.mp4") == 9         # the newest one's duration is not known
    for packet in packets[10:]:
        output.write(packet)
    output.close()
    assert frame_times(tmp_path / "x.mp4") == pytest.approx([number / 30 for number in range(60)], abs=1e-5)


WRITER = """
import sys, time
sys.path[:0] = {paths!r}
from edgecam.outputs.mp4 import Mp4Output
from streams import STREAM, make_packets
output = Mp4Output({path!r}, fragment=0.2)
output.open(STREAM)
for packet in make_packets(rounds=50):
    output.write(packet)
    print(packet.number, flush=True)
    time.sleep(0.002)
"""


def start_writer(path):
    here = os.path.dirname(os.path.abspath(__file__))
    code = WRITER.format(paths=[os.path.dirname(here), here], path=str(path))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def test_killed_while_writing(tmp_path):
    path = tmp_path / "x.mp4"
    writer = start_writer(path)
    written = 0
    while written < 200:
        written = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    written = max([written] + [int(line) for line in writer.stdout.read().split()])
    writer.wait(10)
    writer.stdout.close()
    kept = count_frames(path)
    assert written - 7 <= kept <= written + 1            # a fragment of 6 frames and the newest
    assert decode_errors(path) == ""
    assert frame_times(path) == pytest.approx([number / 30 for number in range(kept)], abs=1e-4)


@pytest.mark.parametrize("cut", [1, 7, 100, 1000, 5000])
def test_cut_anywhere_it_plays_up_to_the_last_whole_fragment(tmp_path, cut):
    path = record(tmp_path / "x.mp4", make_packets(), fragment=0.2)
    size = path.stat().st_size
    with open(str(path), "r+b") as file:
        file.truncate(size - cut)
    frames = picture_hashes(path)
    assert frames == picture_hashes(FILE)[:len(frames)]
    assert len(frames) > 30


LIMITED = """
import resource, signal, sys
sys.path[:0] = {paths!r}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from edgecam.errors import OutputError
from edgecam.outputs.mp4 import Mp4Output
from streams import STREAM, make_packets
output = Mp4Output({path!r}, fragment=0.2)
output.open(STREAM)
try:
    for packet in make_packets(rounds=5):
        output.write(packet)
except OutputError as error:
    print(error)
finally:
    output.close()
    output.close()
"""


def limited(path, limit):
    here = os.path.dirname(os.path.abspath(__file__))
    code = LIMITED.format(paths=[os.path.dirname(here), here], path=str(path), limit=limit)
    return subprocess.check_output([sys.executable, "-c", code], timeout=60).decode()


@pytest.mark.parametrize("limit", [100, 2000])          # not even the head, and the head but no frame
def test_where_nothing_fits_there_is_no_file_and_it_is_told(tmp_path, limit):
    path = tmp_path / "x.mp4"
    assert limited(path, limit) == "{}: File too large before anything was recorded\n".format(path)
    assert not path.exists()


def test_a_file_that_may_not_grow_stays_playable(tmp_path):
    path = tmp_path / "x.mp4"
    said = limited(path, 30000)
    assert said == "{}: File too large after 0.0 MB; what was recorded until then can be played\n".format(path)
    kept = count_frames(path)
    assert 20 < kept < 60
    assert decode_errors(path) == ""
    assert float(probe(path, "format=duration")[0]) == pytest.approx(kept / 30, abs=1e-3)


def test_a_keyframe_without_parameter_sets_is_told(tmp_path):
    packet = make_packets()[1]._replace(keyframe=True)
    with pytest.raises(OutputError, match="keyframe 1 comes without SPS or PPS"):
        record(tmp_path / "x.mp4", [packet])
    assert not (tmp_path / "x.mp4").exists()


def test_names_with_the_time():
    when = time.strptime("2026-02-03 04:05:06", "%Y-%m-%d %H:%M:%S")
    assert expand_time("/rec/%Y%m%d-%H%M%S.mp4", when) == "/rec/20260203-040506.mp4"
    assert expand_time("/rec/x.mp4", when) == "/rec/x.mp4"
    assert [numbered("/a.b/x.mp4", number) for number in (1, 2)] == ["/a.b/x.mp4", "/a.b/x-2.mp4"]


def test_a_recording_with_the_time_in_its_name(tmp_path):
    record(tmp_path / "flight-%Y.mp4", make_packets())
    assert [path.name for path in tmp_path.iterdir()] == ["flight-{}.mp4".format(time.localtime().tm_year)]
