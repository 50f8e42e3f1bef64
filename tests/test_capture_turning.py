"""Files whose pictures lie on their side, as phones make them: what comes out is what FFmpeg shows."""
import logging
import shutil
import struct
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import import_av, make_clip
from edgecam.capture import open_camera
from edgecam.capture import turning as module
from edgecam.capture.turning import Turning, turn_numpy, turn_opencv, turning_by
from edgecam.cli import main
from edgecam.config import load_config
from edgecam.track import open_motion

# The matrix's upper left part -> how it is turned; those of av_display_rotation_set(), then FFmpeg's mirrors.
QUARTERS = {(0, -1, 1, 0): 1, (-1, 0, 0, -1): 2, (0, 1, -1, 0): 3}         # times numpy.rot90
MIRRORS = [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]
ALL = sorted(QUARTERS) + MIRRORS
TKHD_MATRIX = 44, 56    # bytes from the box's name to its matrix, in the box's two versions
WORKERS = [turn_numpy] + ([turn_opencv] if module.cv2 is not None else [])

bits = st.booleans()
sides = st.integers(1, 70)


def whole(part):
    a, b, c, d = (int(entry * 65536) for entry in part)
    return [[a, b, 0], [c, d, 0], [0, 0, 1 << 30]]


def ask(path, part, target):
    """Copy the MP4 at *path* to *target* with another display matrix; returns its name."""
    with open(str(path), "rb") as stream:
        content = bytearray(stream.read())
    box = content.index(b"tkhd")
    struct.pack_into(">9i", content, box + TKHD_MATRIX[content[box + 4]], *sum(whole(part), []))
    target.write_bytes(bytes(content))
    return str(target)


def marked_clip(path, size, codec="libx264", pix_fmt="yuv420p"):
    """Write three frames of a slope in grey and colour, white in the top left corner alone."""
    av = import_av()
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack((columns * 180 // width, rows * 180 // height, 90 + 0 * rows), axis=2).astype(np.uint8)
    picture[:height // 4, :width // 4] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def frames_of(path):
    with open_camera(load_config(overrides=["capture.input=" + path]).capture) as camera:
        return camera.format, list(camera)


def as_ffmpeg_shows(path, pix_fmt):
    if shutil.which("ffmpeg") is None:
        pytest.skip("takes the program ffmpeg")
    return subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", pix_fmt, "-"], check=True,
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout


def corner(plane):
    """Return which quarter of *plane* is the brightest, as (down, right)."""
    h, w = plane.shape
    parts = {(y, x): plane[y * (h - h // 4):][:h // 4, x * (w - w // 4):][:, :w // 4].mean() for y in (0, 1) for x in (0, 1)}
    return max(parts, key=parts.get)


@pytest.mark.parametrize("part, where", [((0, -1, 1, 0), (1, 0)), ((-1, 0, 0, -1), (1, 1)), ((0, 1, -1, 0), (0, 1)), ((1, 0, 0, 1), (0, 0))])
def test_the_marked_corner_comes_where_it_belongs(tmp_path, part, where, caplog):
    caplog.set_level(logging.INFO, "edgecam")
    lying = marked_clip(tmp_path / "lying.mp4", (160, 96))
    video, frames = frames_of(ask(lying, part, tmp_path / "asked.mp4"))
    assert (video.width, video.height) == ((96, 160) if part[0] == 0 else (160, 96))
    assert len(frames) == 3 and all(frame.format == video and corner(frame.planes[0]) == where for frame in frames)
    assert caplog.text.count("turned upright") == (where != (0, 0))


@pytest.mark.parametrize("part", ALL + [(1, 0, 0, 1)])
@pytest.mark.parametrize("size, codec, pix_fmt", [((322, 178), "libx264", "yuv420p"), ((161, 97), "mjpeg", "yuvj420p")])
def test_every_sample_is_where_ffmpeg_shows_it(tmp_path, part, size, codec, pix_fmt):
    path = ask(marked_clip(tmp_path / "lying.mov", size, codec, pix_fmt), part, tmp_path / "asked.mov")
    video, frames = frames_of(path)
    assert (video.width, video.height) == (size if part[0] else size[::-1])
    mine = b"".join(plane.tobytes() for frame in frames for plane in frame.planes)
    assert mine == as_ffmpeg_shows(path, pix_fmt)


@pytest.mark.parametrize("part", sorted(QUARTERS))
def test_what_is_converted_first_is_turned_too(tmp_path, part):
    lying = marked_clip(tmp_path / "lying.mov", (161, 98), "libx264", "yuv444p")
    video, frames = frames_of(ask(lying, part, tmp_path / "asked.mov"))
    half = (video.height + 1) // 2, (video.width + 1) // 2
    assert [plane.shape for plane in frames[0].planes] == [(video.height, video.width), half, half]
    for turned, before in zip(frames, frames_of(lying)[1]):
        for plane, other in zip(turned.planes, before.planes):
            assert (plane == np.rot90(other, QUARTERS[part])).all()


def test_ffmpegs_own_mark_of_a_phones_video_is_understood(tmp_path):
    lying = marked_clip(tmp_path / "lying.mp4", (160, 96))
    asked = str(tmp_path / "asked.mp4")
    if shutil.which("ffmpeg") is None:
        pytest.skip("takes the program ffmpeg")
    turns = ["-display_rotation:v:0", "90"], ["-metadata:s:v:0", "rotate=90"]       # FFmpeg 6 and newer, and before
    newer = b"-display_rotation" in subprocess.run(["ffmpeg", "-h", "full"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    before, behind = (turns[0], []) if newer else ([], turns[1])
    subprocess.run(["ffmpeg", "-v", "error"] + before + ["-i", lying, "-c", "copy"] + behind + [asked], check=True)
    video, frames = frames_of(asked)
    assert (video.width, video.height) == (96, 160)
    assert b"".join(plane.tobytes() for frame in frames for plane in frame.planes) == as_ffmpeg_shows(asked, "yuv420p")


def test_a_picture_that_lies_right_is_not_copied(tmp_path):
    _, frames = frames_of(marked_clip(tmp_path / "a.mp4", (160, 96)))
    assert all(frame.native is not None and not plane.flags.owndata for frame in frames for plane in frame.planes)


def test_a_slanted_picture_is_taken_as_it_lies_and_said_once(tmp_path, caplog):
    lying = marked_clip(tmp_path / "lying.mp4", (160, 96))
    video, frames = frames_of(ask(lying, (.866, .5, -.5, .866), tmp_path / "asked.mp4"))
    assert (video.width, video.height, corner(frames[0].planes[0])) == (160, 96, (0, 0))
    assert caplog.text.count("slanted by 30 degrees") == 1


def test_a_matrix_of_nothing_turns_nothing():
    assert turning_by(np.zeros((3, 3))) is None


@pytest.mark.parametrize("part", ALL)
@pytest.mark.parametrize("scale, tilt", [(65536, 0), (20000, 100), (131072, 1000)])
def test_a_matrix_may_be_scaled_and_a_little_off(part, scale, tilt):
    exact = turning_by(whole(part))
    assert exact is not None
    assert turning_by([[part[0] * scale + tilt, part[1] * scale - tilt, 0], [part[2] * scale - tilt, part[3] * scale + tilt, 0], [0, 0, 1]]) == exact


def test_the_cameras_motion_is_told_of_the_turned_picture(tmp_path):
    """The decoder's vectors are those of the lying picture: they must not be taken for the turned one's."""
    lying = make_clip(tmp_path / "m.mp4", frames=8, size=(480, 270), fps=30, options={"preset": "veryfast", "bf": "0"}, moving={"pan": 90})
    _, frames = frames_of(ask(lying, (0, 1, -1, 0), tmp_path / "asked.mp4"))
    motion = open_motion(load_config().track)
    steps = [motion.observe(frame) for frame in frames][1:]
    assert [step.affine[1, 2] for step in steps] == pytest.approx([-3] * 7, abs=0.7)        # to the left became up
    assert [step.affine[0, 2] for step in steps] == pytest.approx([0] * 7, abs=0.7)


def test_a_run_records_the_picture_upright(tmp_path):
    asked = ask(marked_clip(tmp_path / "lying.mp4", (320, 180)), (0, 1, -1, 0), tmp_path / "asked.mp4")
    out = str(tmp_path / "out.mp4")
    assert main(["run", asked, out, "--mode", "exact", "--web", "off", "--detector", "none"]) == 0
    video, frames = frames_of(out)
    assert (video.width, video.height, corner(frames[0].planes[0])) == (180, 320, (0, 1))


# -- the turning itself, on every Python -----------------------------------------------------------------

def pattern(height, width, seed=0, channels=()):
    return np.random.RandomState(seed).randint(0, 256, (height, width + 5) + channels).astype(np.uint8)[:, :width]


@pytest.mark.parametrize("work", WORKERS)
@given(height=sides, width=sides, turning=st.tuples(bits, bits, bits).filter(any), channels=st.sampled_from([(), (2,)]))
def test_every_turning_agrees_with_its_words(work, height, width, turning, channels):
    plane, (swapped, mirrored, upended) = pattern(height, width, channels=channels), turning
    wanted = np.swapaxes(plane, 0, 1) if swapped else plane
    wanted = np.fliplr(wanted) if mirrored else wanted
    wanted = np.flipud(wanted) if upended else wanted
    turned = work(plane, *turning)
    assert turned.dtype == np.uint8 and turned.flags.c_contiguous and turned.shape == wanted.shape and (turned == wanted).all()


@pytest.mark.parametrize("part", sorted(QUARTERS))
@pytest.mark.parametrize("nv12", [False, True])
@given(half_height=sides, half_width=sides)
def test_a_quarter_is_numpys_of_the_whole_colour_picture_and_four_are_none(part, nv12, half_height, half_width):
    luma, chroma = pattern(2 * half_height, 2 * half_width), pattern(half_height, half_width, 1, (2,))
    planes = (luma, chroma) if nv12 else (luma, chroma[..., 0], chroma[..., 1])
    turning = turning_by(whole(part))
    turned = turning.turn(planes)
    assert turning.size(*luma.shape[::-1]) == turned[0].shape[::-1]
    assert (full_picture(turned) == np.rot90(full_picture(planes), QUARTERS[part])).all()
    for _ in range(3):
        turned = turning.turn(turned)
    assert all(one.shape == other.shape and (one == other).all() for one, other in zip(turned, planes))


def full_picture(planes):
    """Return (h, w, 3): every pixel with the colour that it is shown in."""
    chroma = planes[1] if len(planes) == 2 else np.stack(planes[1:], axis=2)
    return np.concatenate((planes[0][..., None], chroma.repeat(2, 0).repeat(2, 1)), axis=2)


def test_the_odd_sides_of_chroma_are_turned_with_their_own_size():
    planes = pattern(5, 7), pattern(3, 4), pattern(3, 4, 1)
    assert [plane.shape for plane in Turning(True, True, False).turn(planes)] == [(7, 5), (4, 3), (4, 3)]
