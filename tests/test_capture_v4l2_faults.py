"""Every fault that vivid can inject, sources that change, unplugging, and errors in words."""
import os
import subprocess
import sys
import time

import pytest
from rig import CAMERA, CAMERA_MPLANE, ENCODER, camera, descriptors, grab, guest, settings  # noqa: F401  (fixtures)

from edgecam.capture.v4l2 import V4L2Camera
from edgecam.errors import CaptureError, CaptureTimeout
from edgecam.v4l2 import discovery
from edgecam.v4l2 import ioctl as calls
from edgecam.v4l2.device import Device

pytestmark = guest


# -- vivid's faults -----------------------------------------------------------------------------------------


def test_buffers_that_the_driver_drops_are_counted(camera):
    grab(camera, 3)
    camera.set_control("percentage_of_dropped_buffers", 30)
    numbers = [number for number, _, _ in grab(camera, 40)]
    camera.set_control("percentage_of_dropped_buffers", 0)
    assert camera.lost >= 4 and camera.drops >= camera.lost
    assert camera.reconnects == 0 and numbers == sorted(numbers)


def test_a_broken_buffer_is_left_out(camera):
    grab(camera, 3)
    camera.set_control("inject_v4l2_buf_flag_error", 1)
    grab(camera, 10)
    assert camera.broken == 1 and camera.drops >= 1 and camera.reconnects == 0


@pytest.mark.parametrize("button", ["inject_vidioc_streamon_error", "inject_vidioc_reqbufs_error", "inject_vidioc_qbuf_error"])
def test_a_start_that_fails_is_told_and_the_next_works(button):
    before = descriptors()
    with Device(CAMERA) as device:
        device.controls.set(button, 1)
    with pytest.raises(CaptureError, match="input {}: can't stream".format(CAMERA)):
        V4L2Camera(CAMERA, settings())
    with V4L2Camera(CAMERA, settings()) as camera:
        grab(camera)
    assert descriptors() <= before


def test_a_fatal_streaming_error_is_survived(camera):
    grab(camera, 3)
    camera.set_control("inject_fatal_streaming_error", 1)
    numbers = [number for number, _, _ in grab(camera, 20)]
    assert camera.reconnects == 1 and numbers == sorted(numbers)


@pytest.mark.parametrize("control, value", [("wrap_sequence_number", True), ("wrap_timestamp", "32 Bit"), ("wrap_timestamp", "64 Bit")])
def test_numbers_and_times_that_wrap_are_no_fault(control, value):
    """Sequence numbers begin just below their end; times lie years ahead, or before the beginning."""
    with Device(CAMERA) as device:
        device.controls.set(control, value)
    try:
        with V4L2Camera(CAMERA, settings()) as camera:
            seen = grab(camera, 40)
            assert camera.reconnects == 0 and camera.drops < 20
            assert all(time.monotonic() - 10 < stamp <= time.monotonic() for _, stamp, _ in seen)
            assert all(0 < b[2] - a[2] < 90000 for a, b in zip(seen, seen[1:]))
    finally:
        with Device(CAMERA) as device:
            device.controls.set(control, 0)


# -- what comes in may change -------------------------------------------------------------------------------


def test_another_source_starts_anew_and_goes_on(camera):
    before = grab(camera, 5)
    with Device(CAMERA) as other:
        other.controls.set("colorspace", "Rec. 709")            # vivid tells it as a change of the source
        try:
            after = grab(camera, 15)
        finally:
            other.controls.set("colorspace", "sRGB")
    grab(camera, 5)
    assert 1 <= camera.reconnects <= 2
    assert after[-1][0] > before[-1][0] and after[-1][2] > before[-1][2]


@pytest.fixture
def hdmi():
    """The first camera's HDMI input, which has a signal or none; the choice outlives whoever made it."""
    with Device(CAMERA) as device:
        names = [bytes(item.name).split(b"\0")[0] for item in calls.enum_inputs(device.ioctl)]
        calls.set_input(device.ioctl, names.index(next(name for name in names if name.startswith(b"HDMI"))))
        yield device
        device.controls.set("dv_timings_signal_mode", "Current DV Timings")
        calls.set_input(device.ioctl, 0)


def test_a_receiver_is_set_to_the_signal_that_comes_in(hdmi):
    with V4L2Camera(CAMERA, settings(960, 540, 60)) as camera:
        assert (camera.format.width, camera.format.height) == (960, 540)
        grab(camera, 5)


def test_a_receiver_without_a_signal_says_so(hdmi):
    hdmi.controls.set("dv_timings_signal_mode", "No Signal")
    with pytest.raises(CaptureError, match="input {}: can't stream: no signal at its input".format(CAMERA)):
        V4L2Camera(CAMERA, settings())


@pytest.fixture
def unplug():
    """unplug(camera) takes the device away; the function that it returns plugs it in again.

    vivid's button does it, and vivid comes back when the last user has closed it: we are the one who keeps it open.
    """
    kept = []

    def plug_in():
        while kept:
            os.close(kept.pop())

    def pull(camera):
        kept.append(os.open(CAMERA, os.O_RDWR))
        camera.set_control("disconnect", 1)
        return plug_in
    yield pull
    plug_in()


def read_until_lost(camera, timeout=1):
    while True:
        camera.read(timeout).release()


def test_a_camera_that_is_unplugged_and_comes_back_goes_on(unplug):
    before = descriptors()
    with V4L2Camera(CAMERA, settings(retry_max=0.5)) as camera:
        camera.set_control("brightness", 77)
        first = grab(camera, 5)
        plug_in = unplug(camera)
        with pytest.raises(CaptureTimeout):
            read_until_lost(camera)
        assert camera.controls() == {}
        with pytest.raises(ValueError, match="is away"):
            camera.set_control("brightness", 5)
        with Device(CAMERA_MPLANE) as other:
            assert other.capability.captures            # the other camera is not taken for it
        plug_in()
        after = grab(camera, 5, timeout=10)
        assert camera.reconnects == 1
        assert camera.controls()["brightness"]["value"] == 77       # what was set is set again
        assert after[0][0] > first[-1][0] and after[0][2] > first[-1][2]
        camera.set_control("brightness", 128)
    assert descriptors() <= before


def test_a_camera_that_stays_away_is_given_up(unplug):
    with V4L2Camera(CAMERA, settings(retry_max=0.2, give_up_after=1)) as camera:
        grab(camera, 2)
        unplug(camera)
        with pytest.raises(CaptureError, match="did not come back; given up after 1 s"):
            read_until_lost(camera, 10)


def test_a_stable_name_is_followed_to_another_node(tmp_path):
    """What udev's link does when a camera comes back under another number."""
    link = str(tmp_path / "usb-camera-index0")
    os.symlink(CAMERA, link)
    with V4L2Camera(link, settings(retry_max=0.3)) as camera:
        grab(camera, 3)
        os.unlink(link)
        os.symlink(CAMERA_MPLANE, link)
        camera.set_control("inject_fatal_streaming_error", 1)
        grab(camera, 5, timeout=10)
        assert camera.reconnects == 1 and camera._session.device.capability.multiplanar


# -- errors in words ------------------------------------------------------------------------------------------


def test_no_such_camera():
    with pytest.raises(CaptureError, match="input /dev/video99: there is no such device; found: /dev/video0"):
        V4L2Camera("/dev/video99", settings())


def test_a_codec_is_no_camera():
    with pytest.raises(CaptureError, match="is no camera"):
        V4L2Camera(ENCODER, settings())


def test_a_node_that_is_no_video_device():
    with pytest.raises(CaptureError, match="does not answer as a V4L2 device"):
        V4L2Camera("/dev/null", settings())


def test_who_holds_a_busy_camera_is_named():
    code = "import sys; from edgecam.capture.v4l2 import V4L2Camera; from edgecam.config import load_config\n" \
           "camera = V4L2Camera(sys.argv[1], load_config().capture); print('up', flush=True); sys.stdin.read(); camera.close()"
    holder = subprocess.Popen([sys.executable, "-c", code, CAMERA], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"up\n"
        with pytest.raises(CaptureError, match=r"in use by python\S* \({}\)".format(holder.pid)):
            V4L2Camera(CAMERA, settings())
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait(10)


def test_a_missing_group_is_named():
    """As another user, in a child."""
    os.chmod(CAMERA, 0o660)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            V4L2Camera(CAMERA, settings())
        except OSError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    shown = os.read(reader, 1000)
    os.close(reader)
    os.close(writer)
    assert b"no permission; it belongs to group root: sudo usermod -aG root $USER" in shown


def test_devices_are_found():
    assert discovery.capture_devices()[:2] == [CAMERA, CAMERA_MPLANE] and ENCODER not in discovery.capture_devices()
