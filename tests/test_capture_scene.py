"""The built-in scene: pictures and truth agree, on every machine, however the camera moves."""
import hashlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam import clock
from edgecam.capture import drawing, open_camera
from edgecam.capture.street import MARKER, Street
from edgecam.config import load_config
from edgecam.errors import BackendUnavailable, ConfigError
from edgecam.pipeline import Pipeline


def camera(text, live=False):
    return open_camera(load_config(overrides=["capture.input=" + text]).capture, live)


@pytest.fixture(scope="module")
def street():
    return Street(320, 180, objects=10, noise=0)


def test_the_same_url_gives_the_same_pictures():
    with camera("test://street?size=320x180&frames=3") as one, camera("test://street?size=320x180&frames=3") as two:
        for a, b in zip(one, two):
            assert all((p == q).all() for p, q in zip(a.planes, b.planes))


def test_frames_are_what_the_vocabulary_promises():
    with camera("test://street?size=321x181&fps=25&frames=4") as scene:
        frames = list(scene)
        assert scene.length == 4 and [f.number for f in frames] == [0, 1, 2, 3]
        assert [p.shape for p in frames[0].planes] == [(181, 321), (91, 161), (91, 161)]
        assert frames[1].time == pytest.approx(0.04) and scene.format.rate == 25
        assert frames[0].native.truth


@pytest.mark.parametrize("moves", [{}, {"pan": 90}, {"pan": -150, "shake": 9}, {"pan": 40, "shake": 5, "rotate": 3}])
def test_the_truth_is_where_the_picture_changes(moves):
    """A scene with objects less the same scene without them differs inside the true boxes, and only there."""
    full, empty = (Street(480, 270, objects=n, noise=0, **moves) for n in (9, 0))
    for number in (0, 31, 77):
        outside = np.ones((270, 480), bool)
        change = np.abs(full.render(number)[0].astype(int) - empty.render(number)[0])
        for truth in full.truth(number):
            left, top, right, bottom = truth.box.corners
            rows, columns = slice(int(top), int(np.ceil(bottom)) + 1), slice(int(left), int(np.ceil(right)) + 1)
            outside[rows, columns] = False
            if truth.visible == 1 and not moves.get("rotate"):
                assert (change[rows, columns] > 8).mean() > 0.2
        assert (change[outside] > 8).mean() < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000))
def test_true_boxes_lie_inside_and_ids_are_unique(number):
    scene = Street(320, 180, objects=12, noise=0, pan=35, seed=3) if number % 7 == 0 else SHARED
    truth = scene.truth(number)
    assert len({t.id for t in truth}) == len(truth)
    for t in truth:
        left, top, right, bottom = t.box.corners
        assert 0 <= left < right <= 320 and 0 <= top < bottom <= 180 and 0 < t.visible <= 1 + 1e-9


SHARED = Street(320, 180, objects=12, noise=0)


def test_an_object_keeps_its_id_while_it_moves(street):
    for number in range(0, 300):
        now, then = ({t.id: t for t in street.truth(n)} for n in (number, number + 1))
        for key in set(now) & set(then):
            if now[key].visible == then[key].visible == 1:
                assert abs(now[key].box.x - then[key].box.x) <= 8


def test_the_marker_tells_the_frame_number():
    scene = Street(480, 270, objects=0, noise=0, marker=True)
    seen = set()
    for number in range(300):
        box = scene.marker_box(number)
        luma = scene.render(number)[0]
        assert luma[int(box.y) + 6, int(box.x) + 6] == 235 and luma[int(box.y) + 1, int(box.x) + 1] == 16
        seen.add((box.x, box.y))
        assert box.right <= 480 and box.bottom <= 270 and box.w == MARKER
    assert len(seen) == 300


@pytest.mark.parametrize("rotate", [0, 2])
def test_the_affine_takes_the_world_along(rotate):
    """A point of the world shows the same luma in every frame, where the matrix says that it is."""
    scene = Street(480, 270, objects=0, noise=0, pan=50, shake=6, rotate=rotate)
    first = scene.render(0)[0].astype(float)
    ys, xs = np.mgrid[60:210:7, 60:420:7]
    points = np.stack([xs.ravel(), ys.ravel(), np.ones(xs.size)])
    for number in (5, 23):
        motion = scene.affine(number).dot(np.linalg.inv(np.vstack([scene.affine(0), [0, 0, 1]])))
        x, y = motion.dot(points)
        ok = (x > 1) & (x < 478) & (y > 1) & (y < 268)
        there = scene.render(number)[0][np.rint(y[ok]).astype(int), np.rint(x[ok]).astype(int)]
        assert np.median(np.abs(there - first[ys.ravel()[ok], xs.ravel()[ok]])) <= 2


@pytest.mark.parametrize("text, words", [
    ("test://lane", "only built-in scene"), ("test://street?sise=3x3", "unknown option sise"),
    ("test://street?size=big", "WIDTHxHEIGHT"), ("test://street?size=2x2", "from 160 to 4096 pixels"),
    ("test://street?fps=fast", "expected a number"), ("test://street?fps=1e9", "1 to 240"), ("pigeon://x", "unknown scheme"),
])
def test_wrong_urls_are_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        camera(text)


def test_csi_says_clearly_that_it_is_not_there():
    with pytest.raises(BackendUnavailable, match="no CSI"):
        camera("csi://0")


def test_a_live_scene_gives_a_frame_at_its_time_whatever_painting_it_takes(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    monkeypatch.setattr(clock, "sleep", lambda seconds: now.append(now.pop() + max(seconds, 0)))
    with camera("test://street?size=160x160&fps=25&noise=0", live=True) as scene:
        paint = scene.scene.render
        monkeypatch.setattr(scene.scene, "render", lambda number: now.append(now.pop() + 0.015) or paint(number))
        scene.read()
        for number in range(1, 5):
            frame = scene.read()
            assert frame.number == number and frame.time == pytest.approx(100 + number / 25.) == pytest.approx(now[0])


def test_a_live_scene_drops_what_nobody_took():
    import time
    with camera("test://street?size=160x160&fps=100&noise=0", live=True) as scene:
        first = scene.read()
        time.sleep(0.2)
        late = scene.read()
        assert late.number > first.number + 5
        assert scene.drops == late.number - 1


# Figures and hashes that were recorded with these pictures are compared with today's: not a pixel may change.
@pytest.mark.parametrize("options, known", [
    ({}, "58c401f17ca6ec3c"),
    ({"shake": 8, "pan": 50, "marker": True}, "72d39130f4eef27c"),
    ({"width": 161, "height": 163, "objects": 20, "seed": 5}, "c59faceee1f6ac87"),
    ({"width": 1920, "height": 1080, "objects": 3}, "fdc6a10104ff91a7"),
])
def test_the_pictures_are_those_of_all_earlier_recordings(options, known):
    scene, found = Street(**options), hashlib.sha256()
    for number in (0, 7, 100):
        for plane in scene.render(number):
            found.update(plane.tobytes())
    assert found.hexdigest()[:16] == known


def slow_polygon(height, width, corners):
    """Each pixel by the rule itself: inside is where a ray to the right crosses the outline an odd number of times."""
    mask = np.zeros((height, width), bool)
    for row, column in np.ndindex(height, width):
        x, y = (column + 0.5) / width, (row + 0.5) / height
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1]):
            if (y < y1) != (y < y2):
                mask[row, column] ^= x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
    return mask


CORNER = st.tuples(st.floats(-.5, 1.5), st.floats(-.5, 1.5))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.lists(CORNER, min_size=3, max_size=8))
def test_a_polygon_is_what_its_rule_says(height, width, corners):
    assert (drawing.polygon(height, width, corners) == slow_polygon(height, width, corners)).all()


@settings(max_examples=60, deadline=None)
@given(CORNER, st.floats(.01, .8), st.floats(.01, .8))
def test_an_ellipse_is_what_its_rule_says(centre, rx, ry):
    ys, xs = (np.mgrid[0:19, 0:23] + 0.5) / np.array([19, 23])[:, None, None]
    assert (drawing.ellipse(19, 23, *centre, rx=rx, ry=ry) == ((xs - centre[0]) ** 2 / rx ** 2 + (ys - centre[1]) ** 2 / ry ** 2 <= 1)).all()


def test_a_sprite_has_the_mean_colour_of_each_block_of_pixels():
    chance = np.random.RandomState(1)
    sprite, rgb, alpha = drawing.Sprite(6, 5), np.zeros((24, 20, 3)), np.zeros((24, 20))
    for colour in ((200, 100, 50), (10, 20, 30), (90, 250, 0)):
        mask = drawing.polygon(24, 20, [tuple(corner) for corner in chance.uniform(-.2, 1.2, (4, 2))])
        sprite.fill(mask, colour, 0.4)
        rgb[mask] = (np.array(colour) * (1 - 0.4 * np.linspace(0, 1, 24))[:, None, None] * np.ones((24, 20, 1)))[mask]
        alpha[mask] = 1
    found, cover = sprite.shrink()
    sums, counts = rgb.reshape(6, 4, 5, 4, 3).sum((1, 3)), alpha.reshape(6, 4, 5, 4).sum((1, 3))
    assert 0 < (counts == 16).sum() and ((counts > 0) & (counts < 16)).any()
    assert np.allclose(found, sums / np.maximum(counts, 1)[..., None], atol=1e-3) and (cover == counts / 16).all()


def test_a_large_sprite_is_drawn_without_a_colour_for_every_fine_pixel():
    """Floats of RGBA for each, and as many again in between, made a street of 4096 lines take gigabytes and half a minute."""
    tracemalloc.start()
    try:
        drawing.bus(300, 780, (200, 100, 50))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * (300 * 4) * (780 * 4)


def test_whoever_stops_the_run_does_not_wait_for_the_objects():
    calls = []
    scene = Street(320, 180, objects=20, noise=0, stopping=lambda: calls.append(1) or len(calls) > 3)
    assert len(scene._actors) == 3


def test_a_run_that_is_stopped_while_its_scene_is_drawn_ends_in_order():
    pytest.importorskip("av")
    conf = load_config(overrides=["capture.input=test://street?size=320x180&objects=200", 'outputs.urls=["null:"]', "detect.backend=scene"])
    pipeline = Pipeline(conf)
    pipeline.stop()
    assert pipeline.run().frames == 0
    assert pipeline.camera.scene.truth(0) == []
