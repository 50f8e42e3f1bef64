"""`edgecam devices`, on whatever machine this is, and in the guest on the kernel's virtual devices."""
import json

import pytest
from rig import CAMERA, ENCODER, guest

from edgecam.cli import main


HOLD = "import sys; node = open(sys.argv[1], 'rb'); print('up', flush=True); sys.stdin.read()"


def test_each_way_to_h264_says_what_was_probed(capsys):
    assert main(["devices"]) == 0
    shown = capsys.readouterr().out
    assert "H.264 encoders" in shown and "v4l2, Jetson" in shown and "x264" in shown


def test_json_can_be_read(capsys):
    assert main(["devices", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in report["encoders"]] == ["v4l2, Jetson", "v4l2, kernel driver", "x264"]
    assert all(entry["how"] for entry in report["encoders"])


def test_a_device_that_is_not_there_is_a_usage_error(capsys):
    assert main(["devices", "/dev/video-none"]) == 2
    assert "there is no such device" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_device_that_was_named_and_does_not_answer_is_a_failure(words, capsys, tmp_path):
    (tmp_path / "video9").write_text("no camera")
    assert main(["devices", str(tmp_path / "video9")] + words) == 1
    assert "it does not answer as a V4L2 device" in capsys.readouterr().out


@pytest.mark.kernel
class TestInTheGuest:
    pytestmark = guest

    def test_cameras_and_codecs_are_told_apart(self, capsys):
        assert main(["devices"]) == 0
        shown = capsys.readouterr().out
        assert CAMERA + "  camera: vivid (vivid, platform:vivid-000)" in shown
        assert ENCODER + "  encoder: vicodec (vicodec" in shown
        assert "none of the" in shown and "this is no Jetson" in shown

    def test_one_device_with_modes_and_controls(self, capsys):
        assert main(["devices", CAMERA]) == 0
        shown = capsys.readouterr().out
        assert "mode      NV12 1280x720 at 60/s" in shown
        assert "control   brightness (int 0..255) = 128" in shown
        assert "control   test_pattern (menu 0..21) = " in shown and "(u8[], " in shown

    def test_who_uses_a_camera_is_shown(self, capsys):
        import subprocess
        import sys
        holder = subprocess.Popen([sys.executable, "-c", HOLD, CAMERA], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert holder.stdout.readline() == b"up\n"
            assert main(["devices", CAMERA]) == 0
            assert "({})".format(holder.pid) in capsys.readouterr().out
        finally:
            holder.communicate()
