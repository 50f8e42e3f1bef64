"""Zones: names and corners from the settings."""
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam import zones as module
from edgecam.config import load_config
from edgecam.errors import ConfigError
from edgecam.view import View
from edgecam.zones import Zone, fault_of, first_crossing, folds_back, meet_at_all, parse_zones


def zones(**areas):
    return load_config().zones.replace(areas=areas)


def test_a_settings_file_names_zones_and_the_view_has_them(tmp_path):
    path = tmp_path / "edgecam.yaml"
    path.write_text("zones:\n  areas:\n    yard: 0,0.5 1,0.5 1,1 0,1\n    gate: 0.1, 0.2, 0.3, 0.2, 0.2, 0.4\n")
    conf = load_config(str(path))
    assert View("camera", "test://street", conf).zones == [
        Zone("yard", ((0, 0.5), (1, 0.5), (1, 1), (0, 1))), Zone("gate", ((0.1, 0.2), (0.3, 0.2), (0.2, 0.4)))]


def test_without_settings_there_are_none():
    assert parse_zones(load_config().zones) == []


@pytest.mark.parametrize("text", ["", "0,0 1,1", "0,0 1,0 1", "0,0 1,0 1,2", "0,0 1,0 a,b", "0,0 1,0 nan,1", "-0.1,0 1,0 1,1", "inf,0 1,0 1,1"])
def test_corners_that_make_no_polygon_are_named(text):
    with pytest.raises(ConfigError, match=r"zones\.areas\.yard.*at least 3 corners"):
        parse_zones(zones(yard=text))


def test_areas_are_names_with_texts():
    for wrong in ("yard", ["yard"], {"yard": [0, 1]}):
        with pytest.raises(ConfigError, match="zones.areas"):
            load_config().zones.replace(areas=wrong)


@pytest.mark.parametrize("text, fault", [
    ("0.5,0.5 0.5,0.5 0.5,0.5", "has 1 different corner; expected at least 3"),
    ("0,0 1,1 0,0", "has 2 different corners; expected at least 3"),
    ("0.1,0.1 0.2,0.2 0.3,0.3", "lie on one line"),
    ("0,0 1,0 1,0 0.3,0", "lie on one line"),
    ("0,0 1,1 1,0 0,1", "its edges 0,0-1,1 and 1,0-0,1 cross"),
    ("0,0 0.5,0.5 1,1 1,0 0,1", "cross or touch"),          # at a corner
    ("0,0 1,0 0.5,0.5 1,1 0,1 0.5,0.5", "cross or touch"),
    ("0.1,0.1 0.4,0.4 0.3,0.3 0.3,0", "cross or touch"),     # back over the edge before, which binary numbers miss
    ("0,0 1,0 1,1 0.5,1 0.5,0 0.5,1 0,1", "cross or touch"),
    ("0.5,0 0,0 1,0 1,1", "cross or touch"),                 # the last edge and the first
])
def test_corners_without_an_area_of_their_own_are_refused(text, fault):
    with pytest.raises(ConfigError) as caught:
        parse_zones(zones(yard=text))
    assert str(caught.value).startswith("zones.areas.yard = {!r}: ".format(text)) and fault in str(caught.value)


@pytest.mark.parametrize("text", ["0,0 1,0 1,1 0,0", "0,0 0,0 1,0 1,1 1,1", "0,0 0.5,0 1,0 1,1", "0,0 1,0 1,1 0.5,0.1 0,1", "0.1,0 0.2,0.1 0.3,0.2 0,1"])
def test_a_corner_said_again_or_on_an_edge_does_no_harm(text):
    assert len(parse_zones(zones(yard=text))[0].points) == len(text.split())


@given(st.integers(3, 20), st.floats(0, 6.28), st.floats(0.01, 0.5))
def test_a_convex_polygon_is_read_as_it_was_written(count, turned, radius):
    angles = [turned + 2 * math.pi * number / count for number in range(count)]
    points = [(0.5 + 0.99 * radius * math.cos(angle), 0.5 + 0.99 * radius * math.sin(angle)) for angle in angles]
    assert parse_zones(zones(a=written(points))) == [Zone("a", tuple(points))]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=7))
def test_where_edges_start_makes_no_difference(points):
    """Any corners: the verdict is the same from the next corner on, and backwards."""
    shares = [(x / 6, y / 6) for x, y in points]
    verdicts = {bool(fault_of(turned)) for turned in (shares, shares[1:] + shares[:1], shares[::-1])}
    assert len(verdicts) == 1


def simple_crossing(edges):
    """What `first_crossing` is to return, one pair after the other, in exact numbers alone."""
    last = len(edges) - 1
    for index, edge in enumerate(edges):
        for other in range(index + 1, last + 1):
            first, second = (edges[other], edge) if (index, other) == (0, last) else (edge, edges[other])
            neighbours = other == index + 1 or (index, other) == (0, last)
            if folds_back(first, second) if neighbours else boxes_touch(first, second) and meet_at_all(first, second):
                return edge, edges[other]
    return None


def boxes_touch(edge, other):
    return all(max(a) >= min(b) and max(b) >= min(a) for a, b in zip(zip(*edge), zip(*other)))


@st.composite
def rings(draw):
    """Corners on a coarse grid, on one of a tenth of a share, of which binary numbers miss the lines, or anywhere; none twice in a row."""
    share = draw(st.sampled_from([st.integers(0, 4).map(lambda n: n / 4), st.integers(0, 10).map(lambda n: n / 10), st.floats(0, 1),
                                  st.integers(0, 3).map(lambda n: 0.3 + n * 1e-16)]))
    points = draw(st.lists(st.tuples(share, share), min_size=3, max_size=12))
    return [point for before, point in zip(points[-1:] + points, points) if point != before]


@given(rings(), st.sampled_from([1, 20, 1 << 17]))
def test_the_first_crossing_is_that_of_the_simple_way(ring, pairs):
    """Whatever the corners, and however many pairs are looked at together."""
    if len(ring) < 3:
        return
    edges, before = list(zip(ring, ring[1:] + ring[:1])), module.PAIRS
    module.PAIRS = pairs
    try:
        assert first_crossing(edges) == simple_crossing(edges)
    finally:
        module.PAIRS = before


@given(st.integers(3, 40), st.data())
def test_a_star_has_no_crossing_and_with_two_corners_exchanged_that_of_the_simple_way(count, data):
    edges = ring_of(star(count))
    assert first_crossing(edges) is None and simple_crossing(edges) is None
    points = star(count)
    one, other = (data.draw(st.integers(0, len(points) - 1)) for _ in range(2))
    points[one], points[other] = points[other], points[one]
    assert first_crossing(ring_of(points)) == simple_crossing(ring_of(points))


def test_a_thousand_long_spikes_need_few_exact_numbers(monkeypatch):
    """Whose boxes meet many others."""
    asked, side = [], module.side
    monkeypatch.setattr(module, "side", lambda *corners: asked.append(1) or side(*corners))
    points = star(1000)
    assert fault_of(points) is None and len(asked) < 10 * len(points)
    points[400], points[402] = points[402], points[400]
    assert "cross or touch" in fault_of(points)


def star(spikes):
    return [(0.5 + radius * math.cos(math.pi * number / spikes), 0.5 + radius * math.sin(math.pi * number / spikes))
            for number in range(2 * spikes) for radius in [0.49 if number % 2 else 0.01]]


def ring_of(points):
    return list(zip(points, points[1:] + points[:1]))


def written(points):
    return " ".join("{!r},{!r}".format(x, y) for x, y in points)
