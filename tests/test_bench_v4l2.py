"""`edgecam bench v4l2` runs the shipped encoder loop on a device that answers at once; it counts the copies itself."""
import pytest
from rig import CAMERA_MPLANE, ENCODER, guest

from edgecam.cli import main


def test_it_measures_both_ways(capsys):
    assert main(["bench", "v4l2", "--size", "320x192", "--frames", "20"]) == 0
    shown = capsys.readouterr().out
    assert "dma-buf handed on" in shown and "mapped, without the copy" in shown


def test_a_size_that_is_none_is_refused(capsys):
    assert main(["bench", "v4l2", "--size", "big"]) == 2
    assert "--size big: expected WIDTHxHEIGHT" in capsys.readouterr().err


def test_a_camera_without_an_encoder_is_refused(capsys):
    assert main(["bench", "v4l2", "--camera", "/dev/video0"]) == 2
    assert "--camera and --encoder need each other" in capsys.readouterr().err


@pytest.mark.kernel
class TestInTheGuest:
    pytestmark = guest

    def test_a_camera_s_pictures_reach_an_encoder_without_a_copy(self, capsys):
        assert main(["bench", "v4l2", "--camera", CAMERA_MPLANE, "--encoder", ENCODER, "--codec", "fwht", "--seconds", "2"]) == 0
        shown = capsys.readouterr().out
        assert "1280x720, camera to encoder by dma-buf" in shown and " 0 copied" in shown and "the encoder alone" in shown
