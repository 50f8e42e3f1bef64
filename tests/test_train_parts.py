"""AP50 over the canvases that led to a network: a line for each network, through all that the table tells of it."""
import os

import pytest

from train_scripts import SCRIPTS, importable

pytest.importorskip("matplotlib")


@pytest.fixture
def parts(monkeypatch):
    """The script, importable."""
    with importable(monkeypatch):
        import parts as script
        yield script


def test_each_network_is_told_in_the_order_in_which_it_was_trained(parts):
    rows = parts.read(os.path.join(SCRIPTS, "parts.csv"))
    assert {network for network, _, _, _ in rows} == set(parts.COLOURS)
    for network in parts.COLOURS:
        seen = [canvases for name, canvases, _, _ in rows if name == network]
        assert seen == sorted(seen) and len(seen) > 3
    assert all(0 < score < 1 for _, _, scores, _ in rows for score in scores.values())
    assert {measured for _, _, _, measured in rows} == set(parts.FILLED)


def test_lines_go_through_the_states_of_their_network(parts):
    rows = [("full", 1.0, {"person": 0.4}, "training"), ("light", 0.5, {"person": 0.3}, "training"), ("full", 2.0, {"person": 0.5}, "program")]
    axes = parts.pyplot.figure().add_subplot()
    parts.draw(axes, "person", rows)
    drawn = [[list(values) for values in line.get_data()] for line in axes.lines]
    assert [[1.0, 2.0], [0.4, 0.5]] in drawn and [[0.5], [0.3]] in drawn
    hollow = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "o" and line.get_markerfacecolor() == "white"]
    assert hollow == [[2.0]]


def test_the_picture(parts, tmp_path):
    assert parts.main([os.path.join(SCRIPTS, "parts.csv"), "-o", str(tmp_path / "parts.png")]) == 0
    assert (tmp_path / "parts.png").read_bytes().startswith(b"\x89PNG")
