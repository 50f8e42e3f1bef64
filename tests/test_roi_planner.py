"""What must hold for every plan, whatever the tracks."""
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.config import load_config
from edgecam.roi import RoiPlanner
from edgecam.roi.grid import SIDE, covered
from edgecam.vocabulary import CONFIRMED, LOST, TENTATIVE, Box, Track

SIZES = [(960, 540), (641, 359), (360, 640), (16, 16), (5, 3)]
BOXES = st.builds(Box, st.floats(-300, 1200), st.floats(-300, 800), st.floats(0.5, 500), st.floats(0.5, 400))
TRACKS = st.lists(st.builds(
    lambda box, label, score, speed, state, seen, sigma: Track(0, label, score, box, speed, 1.0, state, seen, sigma),
    BOXES, st.sampled_from(["person", "car", "nothing"]), st.floats(0.01, 1), st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
    st.sampled_from([TENTATIVE, CONFIRMED, LOST]), st.floats(5, 10.5), st.tuples(st.floats(0, 60), st.floats(0, 60))), max_size=45)
CHANGES = st.fixed_dictionaries({"max_regions": st.integers(1, 8), "max_area": st.floats(0.05, 1), "margin": st.floats(0, 60),
                                 "weights": st.sampled_from([{}, {"nothing": 0.0}, {"car": 0.5, "nothing": 3.0}])})


def conf(**changes):
    return load_config().roi.replace(**changes)


def numbered(tracks):
    return [track._replace(id=number) for number, track in enumerate(tracks, 1)]


def track(number, box, **more):
    return Track(number, "car", 0.9, Box(*box), (0.0, 0.0), 1.0, CONFIRMED, 10.0)._replace(**more)


def holds(outer, inner):
    return outer.x <= inner.x and outer.y <= inner.y and outer.right >= inner.right and outer.bottom >= inner.bottom


def check(plan, planner, tracks, size, changes):
    width, height = size
    assert len(plan.regions) <= changes["max_regions"]
    for region in plan.regions:
        box = region.box
        assert box.x % SIDE == 0 and box.y % SIDE == 0 and box.w > 0 and box.h > 0
        assert box.right <= width and box.bottom <= height
        assert box.right % SIDE == 0 or box.right == width
        assert box.bottom % SIDE == 0 or box.bottom == height
        assert -25 <= region.qp <= 0
    for one in tracks:
        seen = one.box.clip(width, height)
        covered = any(holds(region.box, seen) for region in plan.regions)
        assert covered or one.id in planner.left_out
    assert set(planner.left_out) <= {one.id for one in tracks}


@pytest.mark.parametrize("size", SIZES)
@given(TRACKS, CHANGES)
@settings(max_examples=60, deadline=None)
def test_regions_are_few_on_the_grid_inside_the_picture_and_cover_their_tracks(size, tracks, changes):
    planner, tracks = RoiPlanner(conf(**changes), size), numbered(tracks)
    check(planner.plan(tracks, 10.0), planner, tracks, size, changes)


@given(st.lists(TRACKS, min_size=2, max_size=4), CHANGES)
@settings(max_examples=60, deadline=None)
def test_the_same_holds_when_the_planner_remembers_earlier_frames(scenes, changes):
    planner = RoiPlanner(conf(**changes), (960, 540))
    for number, tracks in enumerate(map(numbered, scenes)):
        check(planner.plan(tracks, 10.0 + number / 30), planner, tracks, (960, 540), changes)


@given(TRACKS, CHANGES, st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_tracks_does_not_matter(tracks, changes, dice):
    tracks = numbered(tracks)
    mixed = list(tracks)
    dice.shuffle(mixed)
    one, other = RoiPlanner(conf(**changes), (960, 540)), RoiPlanner(conf(**changes), (960, 540))
    for time in (10.0, 10.1):
        assert one.plan(tracks, time) == other.plan(mixed, time)
        assert one.left_out == other.left_out


@given(TRACKS)
@settings(max_examples=60, deadline=None)
def test_a_macroblock_is_covered_where_a_region_has_part_in_it(tracks):
    plan = RoiPlanner(conf(weights={"car": 0.5}), (641, 359)).plan(numbered(tracks), 10.0)
    table = covered(plan, 641, 359)
    assert table.shape == (23, 41)
    for row in range(23):
        for column in range(41):
            cell = Box(column * SIDE, row * SIDE, SIDE, SIDE)
            assert table[row, column] == any(region.box.intersection(cell) > 0 for region in plan.regions)


def test_the_most_wanted_comes_first():
    planner = RoiPlanner(conf(weights={"person": 5}), (960, 540))
    tracks = [track(1, (0, 0, 30, 30), score=0.5), track(2, (400, 0, 30, 30), score=0.9), track(3, (800, 0, 30, 30), label="person", score=0.4)]
    assert [region.box.x for region in planner.plan(tracks, 10.0).regions] == [800, 400, 0]


def test_doubtful_tracks_are_wanted_less_and_large_ones_more_if_so_set():
    planner = RoiPlanner(conf(size_power=1, grow=0), (960, 540))
    tracks = [track(1, (0, 0, 60, 60), state=LOST), track(2, (400, 0, 40, 40)), track(3, (800, 0, 100, 100))]
    assert [region.box.x for region in planner.plan(tracks, 10.0).regions] == [800, 400, 0]


def test_a_class_below_one_gets_its_share_of_the_offset_and_a_class_of_zero_nothing():
    planner = RoiPlanner(conf(qp=-8, weights={"bus": 0.5, "bird": 0}), (960, 540))
    plan = planner.plan([track(1, (0, 0, 30, 30)), track(2, (400, 0, 30, 30), label="bus"), track(3, (800, 0, 30, 30), label="bird")], 10.0)
    assert [(region.box.x, region.qp) for region in plan.regions] == [(0, -8), (400, -4)]
    assert planner.left_out == (3,)


def test_stale_tracks_are_left_out():
    planner = RoiPlanner(conf(stale_after=0.5), (960, 540))
    plan = planner.plan([track(1, (0, 0, 30, 30), seen=9.6), track(2, (400, 0, 30, 30), seen=9.4)], 10.0)
    assert [region.box.x for region in plan.regions] == [0]
    assert planner.left_out == (2,) and plan.made_at == 9.6


def test_nothing_to_see_makes_an_empty_plan():
    planner = RoiPlanner(conf(), (960, 540))
    assert planner.plan([], 10.0).regions == ()
    assert planner.plan([track(1, (-100, 0, 50, 50))], 10.0).regions == () and planner.left_out == (1,)


def test_regions_can_be_turned_off():
    assert RoiPlanner(conf(enabled=False), (960, 540)).plan([track(1, (0, 0, 30, 30))], 10.0).regions == ()


def area_of(**more):
    plan = RoiPlanner(conf(grow=0.06), (960, 540)).plan([track(1, (400, 200, 64, 64), **more)], 10.2)
    return plan.regions[0].box.area


def test_margins_grow_with_speed_uncertainty_and_age():
    still = area_of(seen=10.2)
    assert area_of(seen=10.2, sigma=(20.0, 20.0)) > still
    assert area_of(seen=9.6, velocity=(400.0, 0.0)) > area_of(seen=10.0, velocity=(400.0, 0.0)) >= still
    assert area_of(seen=9.6, velocity=(400.0, 0.0)) > area_of(seen=9.6, velocity=(20.0, 0.0))


def test_a_box_that_trembles_does_not_move_its_region():
    planner, dice = RoiPlanner(conf(), (960, 540)), random.Random(1)
    plans = []
    for frame in range(200):
        box = [value + dice.uniform(-3, 3) for value in (399, 209, 66, 94)]
        plans.append(planner.plan([track(1, box, seen=frame / 30)], frame / 30).regions)
    assert len(set(plans[60:])) == 1


def test_merged_regions_stay_merged_while_objects_tremble():
    """Eight objects share two regions at nearly the same cost in several ways."""
    planner, dice = RoiPlanner(conf(max_regions=2, max_area=1), (960, 540)), random.Random(2)
    together = set()
    for frame in range(60):
        tracks = [track(n, (100 * n + dice.uniform(-4, 4), 200 + 40 * (n % 2) + dice.uniform(-4, 4), 40, 40), seen=frame / 30)
                  for n in range(1, 9)]
        planner.plan(tracks, frame / 30)
        together.add(frozenset(frozenset(ids) for ids in planner._together))
    assert len(together) == 1


def test_merges_are_undone_when_another_way_saves_area():
    planner = RoiPlanner(conf(max_regions=2, max_area=1), (960, 540))
    near_left = [track(1, (0, 0, 32, 32)), track(2, (48, 0, 32, 32)), track(3, (800, 0, 32, 32))]
    near_right = [track(1, (0, 0, 32, 32)), track(2, (752, 0, 32, 32)), track(3, (800, 0, 32, 32))]
    planner.plan(near_left, 10.0)
    regions = planner.plan(near_right, 10.0).regions
    assert sorted(region.box.w for region in regions) == [32, 80]


def test_the_least_wanted_are_left_out_where_regions_would_cover_too_much():
    corners = [(0, 0), (900, 0), (0, 480), (900, 480)]
    tracks = [track(n, (x, y, 50, 50), score=0.9 - 0.1 * n) for n, (x, y) in enumerate(corners)]
    planner = RoiPlanner(conf(max_regions=2, max_area=0.1), (960, 540))
    plan = planner.plan(tracks, 10.0)
    assert sum(region.box.area for region in plan.regions) <= 0.1 * 960 * 544
    assert planner.left_out and 0 not in planner.left_out


def test_who_was_left_out_gets_a_region_when_there_is_room():
    """Nobody came or went: the objects drew together."""
    planner = RoiPlanner(conf(max_regions=2, max_area=0.1), (960, 540))
    apart = [(0, 0), (900, 0), (0, 480), (900, 480)]
    planner.plan([track(n, (x, y, 50, 50), score=0.9 - 0.1 * n) for n, (x, y) in enumerate(apart)], 10.0)
    assert planner.left_out == (3,)
    planner.plan([track(n, (100 + 60 * n, 100, 50, 50), score=0.9 - 0.1 * n) for n in range(4)], 10.1)
    assert planner.left_out == ()


def test_the_same_ones_stay_left_out_while_scores_tremble_and_another_track_comes_and_goes():
    planner, dice = RoiPlanner(conf(), (960, 540)), random.Random(3)
    left_out, boxes = set(), set()
    for frame in range(120):
        tracks = [track(n, (20 + 240 * (n % 4), 20 + 180 * (n // 4), 130, 110), score=dice.uniform(0.77, 0.83), seen=frame / 30) for n in range(12)]
        if frame // 3 % 2:
            tracks.append(track(100 + frame, (480, 400, 20, 20), score=0.3, seen=frame / 30, state=TENTATIVE))
        boxes |= {region.box for region in planner.plan(tracks, frame / 30).regions}
        left_out.add(tuple(id_ for id_ in planner.left_out if id_ < 100))
    assert len(left_out) == 1 and left_out != {()} and len(boxes) == 6


def test_who_is_clearly_more_wanted_takes_the_place_of_another():
    planner = RoiPlanner(conf(max_regions=1, max_area=0.05), (960, 540))
    planner.plan([track(1, (0, 0, 60, 60), score=0.5)], 10.0)
    both = [track(1, (0, 0, 60, 60), score=0.5), track(2, (900, 400, 60, 60))]
    assert [region.box.x > 800 for region in planner.plan(both, 10.1).regions] == [True] and planner.left_out == (1,)


def test_other_settings_hold_from_the_next_frame_on():
    tracks = [track(n, (150 * n, 100 + 60 * (n % 3), 40, 40)) for n in range(6)]
    planner = RoiPlanner(conf(), (960, 540))
    assert len(planner.plan(tracks, 10.0).regions) == 6
    planner.configure(conf(max_regions=2))
    assert len(planner.plan(tracks, 10.1).regions) <= 2
    planner.configure(conf(max_regions=2, max_area=0.05))
    assert sum(region.box.area for region in planner.plan(tracks, 10.2).regions) <= 0.05 * 960 * 544 and planner.left_out
    planner.configure(conf())
    assert len(planner.plan(tracks, 10.3).regions) == 6 and planner.left_out == ()
    planner.configure(conf(enabled=False))
    assert planner.plan(tracks, 10.4).regions == () and planner.left_out == tuple(range(6))


def test_nobody_is_left_out_for_a_smaller_area_where_all_fit():
    """Joined anew, one by one, the four would not fit; joined as they are, they do."""
    planner = RoiPlanner(conf(max_regions=2, max_area=0.2), (640, 480))
    before = [(192, 240, 48, 112), (272, 48, 64, 64), (192, 48, 112, 96), (192, 128, 64, 80)]
    after = [(224, 304, 48, 112), (320, 96, 64, 64), (208, 64, 112, 96), (224, 176, 64, 80)]
    for time, boxes in ((10.0, before), (10.1, after)):
        regions = planner.plan([track(n, box) for n, box in enumerate(boxes)], time).regions
        assert planner.left_out == () and sum(region.box.area for region in regions) <= 0.2 * 640 * 480


def test_crowds_are_planned_too():
    dice = random.Random(3)
    tracks = [track(n, (dice.uniform(0, 940), dice.uniform(0, 520), 15, 15)) for n in range(1000)]
    planner = RoiPlanner(conf(), (960, 540))
    plan = planner.plan(tracks, 10.0)
    assert 1 <= len(plan.regions) <= 6
    assert sum(region.box.area for region in plan.regions) <= 0.5 * 960 * 544
