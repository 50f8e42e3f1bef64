"""Zones: names and corners from the settings."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.config import load_config
from edgecam.errors import ConfigError
from edgecam.view import View
from edgecam.zones import Zone, parse_zones


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


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=20))
def test_any_polygon_is_read_as_it_was_written(points):
    text = " ".join("{!r},{!r}".format(x, y) for x, y in points)
    assert parse_zones(zones(a=text)) == [Zone("a", tuple(points))]
