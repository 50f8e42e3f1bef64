"""Camera motion: found in pictures and vectors, kept, and carried between any two times."""
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.capture.street import Street
from edgecam.config import load_config
from edgecam.spare import Spare
from edgecam.track import Motion, open_motion
from edgecam.track import motion_luma as luma
from edgecam.track.fit import fit_motion
from edgecam.track.motion import STILL, MotionHistory, compose, invert
from edgecam.track.motion_blocks import BlockFollower, shrink
from edgecam.track.motion_vectors import VectorMotion, blocks_of, motion_of_blocks

SIZE = 960, 540
FOLLOWERS = [BlockFollower] + ([luma.PointFollower] if luma.cv2 is not None else [])


def turned(degrees=0.0, zoom=1.0, dx=0.0, dy=0.0, about=(480, 270)):
    angle = np.radians(degrees)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack((turn, np.array(about) - turn @ about + (dx, dy)))


def apply(affine, points):
    return points @ affine[:, :2].T + affine[:, 2]


def grid():
    xs, ys = np.meshgrid(np.arange(40, 960, 80.0), np.arange(30, 540, 60.0))
    return np.stack((xs.ravel(), ys.ravel()), axis=1)


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.95, 1.05), st.floats(-30, 30), st.floats(-30, 30), st.integers(0, 9999))
def test_a_third_on_moving_objects_is_outvoted(degrees, zoom, dx, dy, seed):
    rng = np.random.RandomState(seed)
    truth, points = turned(degrees, zoom, dx, dy), grid()
    moved = apply(truth, points) + rng.normal(0, 0.2, points.shape)
    moved[:len(moved) // 3] += (12, 5)
    affine, confidence = fit_motion(points, moved, SIZE, 0.3)
    assert np.abs(apply(affine, points) - apply(truth, points)).max() < 1.0
    assert 0.55 < confidence < 0.75


def test_points_that_agree_on_nothing_give_no_motion():
    rng = np.random.RandomState(1)
    assert fit_motion(grid(), grid() + rng.uniform(-60, 60, grid().shape), SIZE, 0.3) is None
    assert fit_motion(grid()[:5], grid()[:5], SIZE, 0.3) is None


@pytest.mark.parametrize("seed", [4133, 3677, 2694, 1035, 5485])
def test_a_fit_that_too_few_agree_with_in_the_end_is_not_known(seed):
    """Enough points voted for it, but the best fit of those suits fewer."""
    rng = np.random.RandomState(seed)
    points = rng.uniform(0, 900, (rng.randint(20, 140), 2))
    moved = points + (9, 4) + rng.normal(0, rng.choice([0.3, 0.5, 0.8, 1.2]), points.shape)
    wrong = rng.uniform(size=len(points)) < rng.uniform(0.3, 0.7)
    moved[wrong] += rng.uniform(-30, 30, (np.count_nonzero(wrong), 2))
    assert fit_motion(points, moved, SIZE, 0.3) is None


def test_noise_without_motion_is_exactly_still():
    moved = grid() + np.random.RandomState(1).normal(0, 0.05, grid().shape)
    affine, confidence = fit_motion(grid(), moved, SIZE, 0.3)
    assert (affine == STILL).all() and confidence > 0.9


# -- pictures ---------------------------------------------------------------------------------------


def errors(street, follower, count=25):
    """The largest error at the picture's corners, for each frame; None where nothing was found."""
    estimator, found = luma.LumaMotion(follower()), []
    corners = np.array([[100, 60], [860, 60], [100, 480], [860, 480]], float)
    for number in range(count):
        frame = SimpleNamespace(planes=street.render(number), time=street.seconds(number))
        motion = estimator.observe(frame)
        if number:
            world = np.vstack([street.affine(number - 1), [0, 0, 1]])
            truth = (np.vstack([street.affine(number), [0, 0, 1]]) @ np.linalg.inv(world))[:2]
            found.append(None if motion is None else
                         np.abs(apply(motion.affine, corners) - apply(truth, corners)).max())
    return found


@pytest.mark.parametrize("follower", FOLLOWERS)
def test_a_camera_that_pans_shakes_and_turns(follower):
    found = errors(Street(objects=8, pan=80, shake=10, rotate=2), follower)
    known = [error for error in found if error is not None]
    assert len(known) >= 0.9 * len(found)
    assert np.median(known) < (0.5 if follower is not BlockFollower else 1.5)


@pytest.mark.parametrize("follower", FOLLOWERS)
def test_a_camera_at_rest_is_found_at_rest_though_objects_move(follower):
    assert max(errors(Street(objects=12), follower)) == 0.0


def frame_of(picture, time):
    return SimpleNamespace(planes=(picture,), time=time, native=None, width=picture.shape[1], height=picture.shape[0])


def test_cuts_darkness_and_long_gaps_are_not_known():
    rng = np.random.RandomState(3)
    noise = [rng.randint(0, 256, (540, 960)).astype(np.uint8) for _ in range(2)]
    estimator = luma.LumaMotion()
    assert estimator.observe(frame_of(noise[0], 0.0)) is None
    assert estimator.observe(frame_of(noise[1], 0.1)) is None                    # a cut
    dark = np.full((540, 960), 16, np.uint8)
    assert [estimator.observe(frame_of(dark, time)) for time in (0.2, 0.3)] == [None, None]
    assert estimator.observe(frame_of(dark[:270], 0.4)) is None                  # another size
    assert estimator.observe(frame_of(dark, 100.0)) is None
    assert estimator.confidence == 0.0


@pytest.mark.parametrize("factor", [1, 3, 4, 8])
def test_shrinking_averages_pixels(factor):
    picture = np.random.RandomState(3).randint(0, 256, (542, 961)).astype(np.uint8)
    h, w = 542 // factor, 961 // factor
    squares = picture[:h * factor, :w * factor].reshape(h, factor, w, factor)
    middle = squares[:, [(factor - 1) // 2, factor // 2]]
    small, words = shrink(picture, factor, Spare()), shrink(picture[:, :w * factor], factor, Spare())   # by words: at 4
    assert np.abs(small - middle.mean(axis=(1, 3))).max() < 1e-3
    assert (words == small).all()
    if luma.cv2 is not None:
        assert np.abs(luma.PointFollower().look(picture, factor) - squares.mean(axis=(1, 3))).max() <= 0.51


# -- vectors ----------------------------------------------------------------------------------------


def test_blocks_of_an_encoder():
    truth, here = turned(1.0, 1.01, 6, -3), grid()
    step = here - apply(invert(truth), here)
    blocks = np.column_stack((here, np.round(step * 4) / 4, np.full(len(here), 256)))
    affine, confidence = motion_of_blocks(blocks, SIZE)
    assert np.abs(apply(affine, here) - apply(truth, here)).max() < 0.5
    assert confidence > 0.9
    assert motion_of_blocks(blocks[:0], SIZE) is None


def test_ffmpeg_vectors_become_blocks():
    fields = [(name, "i4") for name in ("source", "w", "h", "dst_x", "dst_y", "motion_x", "motion_y", "motion_scale")]
    vectors = np.array([(-1, 16, 8, 40, 60, -20, 8, 4), (1, 16, 16, 80, 60, 4, 4, 4)], fields)
    assert blocks_of(vectors).tolist() == [[40, 60, 5, -2, 128]]                 # the future does not count


def test_vectors_of_a_decoded_stream():
    av = pytest.importorskip("av")
    street = Street(objects=4, pan=150, noise=0)
    pictures = decoded(av, [street.render(number) for number in range(12)])
    estimator, found = VectorMotion(), []
    for number, picture in enumerate(pictures):
        frame = SimpleNamespace(native=picture, number=number, time=number / 30, width=960, height=540)
        motion = estimator.observe(frame)
        if motion is not None:
            found.append(motion.affine[0, 2])
    assert len(found) >= 9
    assert np.median(found) == pytest.approx(-5, abs=0.5)


def decoded(av, frames):
    """Encode I420 planes without B-frames, and decode them with motion vectors."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 960, 540, "yuv420p", 30
    encoder.options = {"bf": "0", "preset": "veryfast", "crf": "20"}
    packets = []
    for y, u, v in frames:
        planes = np.concatenate([plane.reshape(-1) for plane in (y, u, v)]).reshape(-1, 960)
        packets += encoder.encode(av.VideoFrame.from_ndarray(planes, "yuv420p"))
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.options = {"flags2": "+export_mvs"}
    return [frame for packet in packets + [None] for frame in decoder.decode(packet)]


# -- history ----------------------------------------------------------------------------------------


def test_history_carries_between_any_two_times():
    history = MotionHistory()
    for n in range(10):
        history.add(Motion(n / 10, (n + 1) / 10, np.array([[1.0, 0, 10], [0, 1, 0]]), 1.0))
    assert history.between(0.2, 0.5)[0, 2] == pytest.approx(30)
    assert history.between(0.25, 0.5)[0, 2] == pytest.approx(25)
    assert history.between(0.5, 0.2)[0, 2] == pytest.approx(-30)
    assert history.between(0.9, 5.0)[0, 2] == pytest.approx(10)
    assert history.between(2.0, 3.0) is None and history.between(0.5, 0.5) is None


def test_history_is_bounded_and_begins_anew_with_its_source():
    history = MotionHistory(span=1.0)
    for n in range(100):
        history.add(Motion(n / 10, (n + 1) / 10, STILL, 1.0))
    assert len(history) <= 11
    history.add(Motion(0.0, 0.1, STILL, 1.0))
    assert len(history) == 1
    history.add(Motion(0.1, 0.2, STILL * np.nan, 1.0))
    history.add(Motion(0.3, 0.2, STILL, 1.0))
    assert len(history) == 1


def test_compose_and_invert():
    one, other = turned(2, 1.1, 5, 6), turned(-1, 0.9, 3, 2)
    points = grid()
    assert apply(compose(one, other), points) == pytest.approx(apply(other, apply(one, points)))
    assert compose(one, invert(one)) == pytest.approx(STILL, abs=1e-9)


@pytest.mark.parametrize("name, source", [("auto", "luma"), ("luma", "luma"), ("vectors", "vectors")])
def test_open_motion(name, source):
    assert open_motion(load_config().track.replace(motion=name)).source == source


@pytest.mark.parametrize("name", ["off", "detections"])
def test_open_motion_without_pictures(name):
    assert open_motion(load_config().track.replace(motion=name)) is None


def test_auto_takes_the_picture_where_there_are_no_vectors():
    street, estimator = Street(pan=90, noise=0), open_motion(load_config().track)
    found = [estimator.observe(SimpleNamespace(planes=street.render(n), native=None, number=n, time=n / 30, width=960, height=540))
             for n in range(4)]
    assert [round(float(motion.affine[0, 2])) for motion in found[1:]] == [-3, -3, -3]
    assert estimator.source == "luma" and estimator.confidence > 0.5


def test_auto_takes_the_vectors_where_the_stream_brings_them():
    av = pytest.importorskip("av")
    assert told_of(range(8), av).count(("vectors", -5)) >= 5


def test_vectors_are_not_taken_for_the_motion_since_a_frame_before_the_last():
    """Frames were dropped where the video could not keep up: each vector tells the step from a frame that never came."""
    av = pytest.importorskip("av")
    assert told_of(range(0, 12, 2), av)[1:] == [("luma", -10)] * 5


def told_of(numbers, av):
    """Return (source, pixels to the right) of each frame of *numbers*, of a stream whose picture moves by five to the left."""
    street, estimator = Street(objects=4, pan=150, noise=0), open_motion(load_config().track)
    pictures, told = decoded(av, [street.render(number) for number in range(numbers[-1] + 1)]), []
    for number in numbers:
        picture = pictures[number]
        planes = (picture.to_ndarray()[:540],)
        frame = SimpleNamespace(native=picture, planes=planes, number=number, time=number / 30, width=960, height=540, release=lambda: None)
        frame.hold = lambda frame=frame: frame
        motion = estimator.observe(frame)
        told.append((estimator.source, motion and round(float(motion.affine[0, 2]))))
    return told
