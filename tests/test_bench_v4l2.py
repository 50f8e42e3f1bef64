"""`edgecam bench v4l2` runs the shipped encoder loop on a device that answers at once; it counts the copies itself."""
from edgecam.cli import main


def test_it_measures_both_ways(capsys):
    assert main(["bench", "v4l2", "--size", "320x192", "--frames", "20"]) == 0
    shown = capsys.readouterr().out
    assert "dma-buf handed on" in shown and "mapped, without the copy" in shown


def test_a_size_that_is_none_is_refused(capsys):
    assert main(["bench", "v4l2", "--size", "big"]) == 2
    assert "--size big: expected WIDTHxHEIGHT" in capsys.readouterr().err
