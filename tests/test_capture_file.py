"""Files of every kind, whole and broken: frames come out, or one clear line."""
import os
import shutil
import subprocess
from fractions import Fraction

import pytest

from clips import damage, import_av, join, make_clip
from edgecam.capture import open_camera
from edgecam.capture.timeline import Timeline
from edgecam.config import load_config
from edgecam.errors import CaptureError, CaptureTimeout
from edgecam.track import open_motion
from edgecam.track.motion_vectors import frame_vectors


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


def camera(path, realtime=False):
    return open_camera(load_config(overrides=["capture.input={}".format(path)]).capture, realtime)


def read_all(path):
    with camera(path) as source:
        frames = list(source)
        return source, frames


def test_every_frame_comes_with_its_time(tmp_path):
    source, frames = read_all(make_clip(tmp_path / "a.mp4", frames=25, fps=10))
    assert source.length == 25 and [f.number for f in frames] == list(range(25))
    assert [f.time for f in frames] == pytest.approx([n / 10 for n in range(25)], abs=2e-3)
    assert [p.shape for p in frames[3].planes] == [(180, 320), (90, 160), (90, 160)]
    assert frames[3].format == source.format and not source.format.live


def test_variable_frame_rate_keeps_the_times(tmp_path):
    times = [0, .1, .15, .5, .52, 1.4, 1.5]
    _, frames = read_all(make_clip(tmp_path / "v.mp4", frames=7, times=times))
    assert [f.time for f in frames] == pytest.approx(times, abs=2e-3)


@pytest.mark.parametrize("name, options", [("v.ts", {}), ("v.ts", {"bf": "8", "b-pyramid": "strict"}), ("v.mkv", {"bf": "3"}), ("v.mp4", {"bf": "3"})])
def test_the_times_of_an_ordinary_file_stay_as_they_are(tmp_path, caplog, name, options):
    """To the tick, with gaps that are long but may be real."""
    times = [7 + n / 30 + (9.9 if n > 20 else 0) + (4 if n > 21 else 0) for n in range(60)]
    path = make_clip(tmp_path / name, frames=60, fps=30, times=times, options=options)
    with import_av().open(path) as container:
        stamps = [picture.pts for picture in container.decode(video=0)]
    _, frames = read_all(path)
    assert [f.pts for f in frames] == [stamp - stamps[0] for stamp in stamps] and not caplog.text


def test_a_container_whose_timestamps_do_not_jump_may_have_a_gap_of_minutes(tmp_path):
    times = [0, 0.1, 600.1, 600.2]
    _, frames = read_all(make_clip(tmp_path / "gap.mp4", frames=4, times=times))
    assert [f.time for f in frames] == pytest.approx(times, abs=2e-3)


def test_every_jump_is_bridged_and_the_first_ones_are_said(tmp_path, caplog):
    part = make_clip(tmp_path / "part.ts", frames=8)
    _, frames = read_all(join(tmp_path / "loop.ts", *[part] * 15))
    assert [f.time for f in frames] == pytest.approx([n / 10 for n in range(120)], abs=1e-3)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 10 and said[-1].endswith("further jumps are bridged without a word") and "at frame 8: " in said[0]


def test_pictures_in_the_wrong_order_are_no_jump(caplog):
    """As a decoder gives them that did not expect three B-frames; the time after them stays as it is."""
    timeline = Timeline("x.ts", 3600, Fraction(1, 90000), True)
    stamps = [0, 4, 2, 1, 3, 8, 6, 5, None, 7, 9]
    assert [timeline.place(n if n is None else 3600 * n, 0) for n in stamps] == \
        [0, 14400, 14401, 14402, 14403, 28800, 28801, 28802, 32402, 32403, 32404]
    assert not caplog.text


@pytest.mark.parametrize("size", [(642, 358), (180, 320), (3840, 2160), (16, 16)])
def test_odd_portrait_large_and_small(tmp_path, size):
    source, frames = read_all(make_clip(tmp_path / "s.mp4", frames=2, size=size))
    assert (source.format.width, source.format.height) == size and len(frames) == 2
    assert frames[0].planes[0].shape == (size[1], size[0])


def test_an_odd_size_is_kept(tmp_path):
    source, frames = read_all(odd_clip(tmp_path))
    assert (source.format.width, source.format.height) == (641, 359)
    assert [p.shape for p in frames[0].planes] == [(359, 641), (180, 321), (180, 321)]


@pytest.mark.parametrize("b_frames, comes", [("0", True), ("2", False)])
def test_motion_vectors_come_along_where_they_say_something(tmp_path, b_frames, comes):
    path = make_clip(tmp_path / "m.mp4", frames=12, fps=30, options={"preset": "veryfast", "bf": b_frames}, moving={"pan": 90})
    conf = load_config(overrides=["capture.input=" + path])
    assert any(frame_vectors(frame) is not None for frame in open_camera(conf.capture)) == comes
    without = conf.capture.replace(motion_vectors=False)
    assert all(frame_vectors(frame) is None for frame in open_camera(without))


def test_the_cameras_motion_is_known_across_keyframes_which_have_no_vectors(tmp_path):
    path = make_clip(tmp_path / "m.mp4", frames=20, size=(480, 270), fps=30, options={"preset": "veryfast", "bf": "0", "g": "7"}, moving={"pan": 90})
    conf, sources = load_config(overrides=["capture.input=" + path]), set()
    motion = open_motion(conf.track)
    for frame in open_camera(conf.capture):
        with frame:
            step = motion.observe(frame)
        if frame.number:
            assert step.affine[0, 2] == pytest.approx(-3, abs=0.7)
            sources.add(motion.source)
    assert sources == {"vectors", "luma"}


def odd_clip(tmp_path):
    av = import_av()
    import numpy as np
    path = str(tmp_path / "odd.mkv")
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 641, 359, "yuv420p"
        for number in range(3):
            picture = av.VideoFrame.from_ndarray(np.full((359, 641, 3), 40 * number, np.uint8), "rgb24")
            container.mux(stream.encode(picture.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_one_frame_only(tmp_path):
    _, frames = read_all(make_clip(tmp_path / "one.mp4", frames=1))
    assert len(frames) == 1 and frames[0].time == 0


def test_a_raw_stream_without_times(tmp_path):
    _, frames = read_all(make_clip(tmp_path / "raw.h264", frames=12, fps=25))
    assert len(frames) == 12
    assert all(b.pts > a.pts for a, b in zip(frames, frames[1:]))


def test_a_truncated_file_gives_what_is_left(tmp_path):
    path = make_clip(tmp_path / "whole.ts", frames=60)
    with open(path, "rb") as stream:
        content = stream.read()
    (tmp_path / "cut.ts").write_bytes(content[:len(content) * 2 // 3])
    _, frames = read_all(str(tmp_path / "cut.ts"))
    assert 20 <= len(frames) < 60


def test_a_file_with_a_broken_middle_is_read_to_its_end(tmp_path, caplog):
    path = make_clip(tmp_path / "whole.ts", frames=60, options={"g": "5"})
    with open(path, "rb") as stream:
        content = bytearray(stream.read())
    third = len(content) // 3
    content[third:third + 4000] = bytes(4000)
    (tmp_path / "hurt.ts").write_bytes(bytes(content))
    _, frames = read_all(str(tmp_path / "hurt.ts"))
    assert len(frames) > 30 and frames[-1].time > 5


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
@pytest.mark.parametrize("start", [0.5, 0.7])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_comes_damaged_is_counted_and_the_first_of_it_said(tmp_path, caplog, name, start, threads):
    path = damage(make_clip(tmp_path / name, frames=38, fps=25, size=(640, 360)), tmp_path / ("hurt-" + name), start)
    with open_camera(load_config(overrides=["capture.input=" + path, "capture.decode_threads={}".format(threads)]).capture) as source:
        frames = len(list(source))
        assert source.read() is None                        # which says nothing twice
    assert 36 <= frames <= 38 and 1 <= source.broken <= 4
    first, last = [record.getMessage() for record in caplog.records]
    assert first.endswith("what else is damaged is counted") and " damaged" in first
    assert "came damaged" in last or "could not be decoded" in last


def test_a_part_that_is_missing_is_counted(tmp_path):
    """Also where it makes pictures disappear that the decoder does not miss."""
    path = make_clip(tmp_path / "whole.ts", frames=40)
    with open(path, "rb") as stream:
        content = stream.read()
    middle = len(content) // 376 * 188
    source, _ = read_all(str(write(tmp_path / "hole.ts", content[:middle] + content[middle + 3 * 188:])))
    assert source.broken >= 1


def test_whole_files_that_were_put_together_are_not_damaged(tmp_path):
    """Where they meet, the container takes the numbers that begin anew for a loss."""
    part = make_clip(tmp_path / "part.ts", frames=30)
    with import_av().open(join(tmp_path / "both.ts", part, part)) as container:
        assert any(packet.is_corrupt for packet in container.demux(video=0))
    assert read_all(part)[0].broken == read_all(str(tmp_path / "both.ts"))[0].broken == 0


@pytest.mark.parametrize("make, words", [
    (lambda p: p / "none.mp4", "no such file$"),
    (lambda p: p / "none.mp4?loop=1", "no such file$"),
    (lambda p: p, "is a folder; name a video in it; of pictures make a video first: ffmpeg .* -pattern_type glob -i '.*/[*].jpg' video.mp4"),
    (lambda p: p / "*.jpg", "no such file; of pictures make a video first: ffmpeg .* -pattern_type glob -i '.*/[*].jpg' video.mp4"),
    (lambda p: p / "%03d.jpg", "no such file; of pictures make a video first: ffmpeg -framerate 30 -i '.*/%03d.jpg' video.mp4"),
    (lambda p: write(p / "list.txt", b"file 'a.mp4'\nfile 'b.mp4'\n"), "this is a text, not a video; .*: ffmpeg -f concat -safe 0 -i .*list.txt -c copy"),
    (lambda p: write(p / "list.m3u", b"#EXTM3U\na.mp4\nb.mp4\n"), "this is a text, not a video; "),
    (lambda p: write(p / "raw.yuv", bytes(64 * 48 * 3)), "raw pictures don't tell their size and format; .*: ffmpeg -f rawvideo .* -i .*raw.yuv video.mp4"),
    (lambda p: write(p / "noise.bin", bytes(range(256)) * 8), "noise.bin: (?!.*text)"),
    (lambda p: write(p / "empty.mp4", b""), "empty"),
    (lambda p: write(p / "text.mp4", b"this is not a video, it is a text about one " * 50), "input .*text.mp4: "),
    (lambda p: picture(p / "photo.png"), "is a picture, not a video; try: edgecam detect"),
    (lambda p: picture(p / "photo.jpg"), "is a picture"),
    (lambda p: moving_picture(p / "m.gif"), "this is a GIF, not a video; make one of it: ffmpeg -i .*m.gif video.mp4"),
    (lambda p: sound(p / "sound.wav"), "no video in it"),
    (lambda p: headless(p), "input .*head.mp4: "),
])
def test_what_is_no_video_gives_one_line(tmp_path, make, words):
    with pytest.raises(CaptureError, match=words) as failure:
        read_all(str(make(tmp_path)))
    assert "\n" not in str(failure.value) and failure.value.exit_code == 1


def write(path, content):
    path.write_bytes(content)
    return path


def moving_picture(path):
    """A GIF of two pictures, as Pillow writes it."""
    pillow = pytest.importorskip("PIL.Image")
    first, second = (pillow.new("P", (63, 47), colour) for colour in (0, 1))
    first.save(str(path), save_all=True, append_images=[second])
    return path


def picture(path):
    av = import_av()
    import numpy as np
    with av.open(str(path), "w", format="image2") as container:
        name = "png" if path.suffix == ".png" else "mjpeg"
        stream = container.add_stream(name, rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24" if name == "png" else "yuvj420p"
        shot = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24").reformat(format=stream.pix_fmt)
        container.mux(stream.encode(shot))
        container.mux(stream.encode(None))
    return path


def sound(path):
    import wave
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(bytes(16000))
    return path


def headless(folder):
    """An MP4 whose index at the end is missing."""
    path = make_clip(folder / "whole.mp4", frames=30)
    with open(path, "rb") as stream:
        content = stream.read()
    return write(folder / "head.mp4", content[:len(content) // 2])


def test_playing_in_real_time_takes_its_time(tmp_path):
    from edgecam import clock
    path = make_clip(tmp_path / "a.mp4", frames=6, fps=10)
    with camera(path, realtime=True) as source:
        started = clock.now()
        assert len(list(source)) == 6
        assert clock.now() - started >= 0.45        # never faster; how much slower is the machine's affair


def test_a_gap_in_the_times_is_no_sleep_without_end(tmp_path):
    path = make_clip(tmp_path / "gap.mp4", frames=4, times=[0, 0.1, 60.1, 60.2])
    with camera(path, realtime=True) as source:
        assert [source.read(timeout=5).number for _ in range(2)] == [0, 1]
        for _ in range(3):
            with pytest.raises(CaptureTimeout, match="gap.mp4: no frame within 0.01 s"):
                source.read(timeout=0.01)
    with camera(path) as source:
        assert [source.read(timeout=0.01).number for _ in range(4)] == [0, 1, 2, 3]


def test_no_frame_is_lost_to_impatience(tmp_path):
    with camera(make_clip(tmp_path / "a.mp4", frames=4, fps=5), realtime=True) as source:
        frames, waits = [], 0
        while len(frames) < 4:
            try:
                frames.append(source.read(timeout=0.02))
            except CaptureTimeout:
                waits += 1
        assert source.read(timeout=0.02) is None and waits > 3
    assert [frame.number for frame in frames] == [0, 1, 2, 3] and frames[3].time == pytest.approx(0.6, abs=2e-3)


def test_closing_twice_is_fine(tmp_path):
    source = camera(make_clip(tmp_path / "a.mp4", frames=2))
    source.close()
    source.close()


def by_ffmpeg(path, *words):
    """Make *path* by the program ffmpeg; return its name."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("takes the program ffmpeg")
    subprocess.run(["ffmpeg", "-v", "error"] + list(words) + [str(path)], check=True, stdin=subprocess.DEVNULL)
    return str(path)


def test_what_is_left_out_is_said(tmp_path, caplog):
    caplog.set_level("INFO")
    clip = make_clip(tmp_path / "a.mp4", frames=5)
    read_all(clip)
    assert "sound" not in caplog.text and "square" not in caplog.text
    read_all(by_ffmpeg(tmp_path / "b.mp4", "-i", clip, "-f", "lavfi", "-i", "sine", "-shortest", "-vf", "setsar=64/45"))
    assert "its sound is left out" in caplog.text and "its pixels are not square (64/45)" in caplog.text


def test_a_file_that_was_cut_off_is_said(tmp_path, caplog):
    path = by_ffmpeg(tmp_path / "b.mp4", "-i", make_clip(tmp_path / "a.mp4", frames=40), "-c", "copy", "-movflags", "+faststart")
    read_all(path)
    assert not caplog.text
    with open(path, "r+b") as stream:
        stream.truncate(os.path.getsize(path) // 2)
    _, frames = read_all(path)
    assert 0 < len(frames) < 35 and "ended after {} of the 40 frames in its index".format(len(frames)) in caplog.text
