"""NVIDIA's layouts and boards, without a device."""
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.v4l2 import tegra
from edgecam.vocabulary import Box, Plan, Region


@pytest.mark.parametrize("release, name", [
    ((28, 2, 1), "R28"), ((32, 1, 0), "R32"), ((32, 7, 4), "R32"), ((34, 1, 1), "R34 to R36.2"), ((35, 6, 1), "R34 to R36.2"),
    ((36, 2, 0), "R34 to R36.2"), ((36, 3, 0), "R36.3"), ((36, 4, 7), "R36.4")])
def test_each_release_has_its_layout(release, name):
    assert tegra.layout_for(release).name == name


@pytest.mark.parametrize("release", [(24, 2, 1), (31, 0, 0), (36, 5, 0), (38, 2, 0), (39, 2, 0)])
def test_a_release_that_nobody_read_has_none(release):
    assert tegra.layout_for(release) is None


def test_control_numbers_are_three_smaller_on_r28():
    r28, r32 = (tegra.layout_for(release) for release in ((28, 2, 0), (32, 7, 1)))
    assert tegra.control_id(tegra.ENABLE_ROI, r32) == 0x00990b20
    assert tegra.control_id(tegra.ENABLE_ROI, r28) == 0x00990b1d
    assert tegra.control_id(tegra.INPUT_METADATA, r32) == 0x00990b1d
    assert tegra.control_id(tegra.INPUT_METADATA, r28) == 0x00990b1a
    assert tegra.control_id(tegra.IDR_INTERVAL, r28) == tegra.control_id(tegra.IDR_INTERVAL, r32) == 0x00990b02


@pytest.mark.parametrize("release, stride, store, outer", [
    ((32, 7, 1), 20, 164, 48), ((36, 3, 0), 36, 292, 48), ((36, 4, 0), 36, 292, 56)])
def test_regions_lie_where_the_release_reads_them(release, stride, store, outer):
    regions = tegra.RegionList(tegra.layout_for(release), 5)
    regions.write([(16, 32, 48, 64, -7), (0, 0, 16, 16, 3)])
    inner, head = bytes(regions.regions), bytes(regions.payload)
    assert struct.unpack_from("=I", inner, 0) == (2,)
    assert struct.unpack_from("=iiIIi", inner, 4) == (16, 32, 48, 64, -7)
    assert struct.unpack_from("=iiIIi", inner, 4 + stride) == (0, 0, 16, 16, 3)
    assert struct.unpack_from("=I", inner, store) == struct.unpack_from("=I", head, outer) == (5,)
    assert struct.unpack_from("=I", head, 0) == (1,)


def test_an_empty_list_clears_the_count():
    regions = tegra.RegionList(tegra.R32, 0)
    regions.write([(0, 0, 16, 16, -3)])
    regions.write([])
    assert struct.unpack_from("=I", bytes(regions.regions), 0) == (0,)


BOXES = st.builds(Box, *[st.floats(-300, 1500) for _ in range(2)], *[st.floats(0, 900) for _ in range(2)])


@given(st.lists(st.builds(Region, BOXES, st.integers(-60, 60)), max_size=12))
def test_rectangles_lie_on_the_grid_inside_the_picture_and_cover_their_boxes(regions):
    found = tegra.rectangles(Plan(0.0, tuple(regions)), 960, 540)
    assert len(found) <= tegra.MAX_REGIONS
    for left, top, width, height, qp in found:
        assert left % 16 == 0 and top % 16 == 0 and left >= 0 and top >= 0
        assert width > 0 and height > 0 and left + width <= 960 and top + height <= 540
        assert (left + width) % 16 == 0 or left + width == 960
        assert -51 <= qp <= 51


def test_a_region_is_rounded_outwards():
    assert tegra.rectangles(Plan(0.0, (Region(Box(17, 33, 1, 1), -5),)), 960, 540) == [(16, 32, 16, 16, -5)]


def test_the_board_is_read_from_its_files(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref\n")
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"NVIDIA Jetson Nano Developer Kit\0")
    (tree / "compatible").write_bytes(b"nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210\0")
    board = tegra.identify(str(tmp_path))
    assert board.release == (32, 7, 1) and board.l4t == "R32.7.1"
    assert board.model == "NVIDIA Jetson Nano Developer Kit" and board.without_encoder is None


def test_the_release_is_found_by_its_package_too(tmp_path):
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text("Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 36.4.3-20250107174145\n\n"
                      "Package: zsh\nVersion: 5.8\n")
    assert tegra.identify(str(tmp_path)).release == (36, 4, 3)


def test_an_orin_nano_is_known_to_have_no_encoder(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R35 (release), REVISION: 4.1, GCID: 1, BOARD: t186ref\n")
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "compatible").write_bytes(b"nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0")
    assert tegra.identify(str(tmp_path)).without_encoder == "Orin Nano developer kit"


def test_a_pc_is_no_board(tmp_path):
    assert tegra.identify(str(tmp_path)) is None
