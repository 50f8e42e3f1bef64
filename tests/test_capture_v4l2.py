"""Cameras of the kernel's vivid driver and v4l2loopback: what frames, leases, controls and formats promise."""
import os
import threading
import time

import numpy as np
import pytest
from rig import CAMERA, CAMERA_MPLANE, LOOPBACK, Feed, camera, descriptors, grab, guest, settings  # noqa: F401  (fixtures)

from edgecam.capture.v4l2 import V4L2Camera
from edgecam.errors import CaptureTimeout
from edgecam.v4l2.layout import PICTURES

pytestmark = guest


@pytest.mark.parametrize("path", [CAMERA, CAMERA_MPLANE])
def test_frames_come_as_promised(path):
    before = descriptors()
    with V4L2Camera(path, settings(1280, 720)) as camera:
        video = camera.format
        assert (video.width, video.height, video.fourcc, video.rate, video.live) == (1280, 720, "NV12", 30, True)
        seen = []
        for _ in range(8):
            with camera.read(5) as frame:
                luma, chroma = frame.planes
                assert luma.shape == (720, 1280) and chroma.shape == (360, 640, 2)
                assert luma[::16, ::16].std() > 10 and frame.time <= time.monotonic()
                assert len(frame.native.fds) == 1 and frame.native.format.fourcc == "NV12"
                seen.append((frame.number, frame.pts, frame.time))
        assert all(0 < b[0] - a[0] and 0 < b[1] - a[1] < 90000 and b[2] > a[2] for a, b in zip(seen, seen[1:]))
        assert seen[0][1] == 0
    assert descriptors() <= before


@pytest.mark.parametrize("path, fourcc", [(CAMERA, "NV12"), (CAMERA, "YU12"), (CAMERA, "YUYV"), (CAMERA, "GREY"), (CAMERA_MPLANE, "NV12"),
                                          (CAMERA_MPLANE, "NM12"), (CAMERA_MPLANE, "YM12"), (CAMERA_MPLANE, "YUYV")])
def test_every_format_shows_the_same_picture(path, fourcc, monkeypatch):
    """vivid's colour bars: the luma of each format against that of NV12."""
    def luma(name):
        monkeypatch.setattr("edgecam.capture.v4l2.list_modes", lambda device, w, h: [mode for mode in modes(device, w, h)
                                                                                    if mode.fourcc == name])
        with V4L2Camera(path, settings(640, 360)) as camera:
            assert camera.format.fourcc == PICTURES[name][0]
            with camera.read(5) as frame:
                plane = frame.planes[0]
                return (plane[:, :, 0] if plane.ndim == 3 else plane).astype(int), [p.shape for p in frame.planes]
    from edgecam.v4l2.negotiation import list_modes as modes
    reference, _ = luma("NV12")
    shown, shapes = luma(fourcc)
    rows = slice(200, 350)              # below the text, which counts
    assert np.abs(shown[rows] - reference[rows]).mean() < 3 or fourcc == "GREY"
    assert shapes[0][:2] == (360, 640)


def test_a_lease_keeps_the_buffer_and_gives_it_back(camera):
    held = [camera.read(5) for _ in range(3)]
    pictures = [frame.planes[0].copy() for frame in held]
    grab(camera, 12)                    # the driver goes on with the other buffers
    assert all((frame.planes[0] == picture).all() for frame, picture in zip(held, pictures))
    for frame in held:
        frame.release()
    grab(camera, 12)
    assert camera._session._out <= 2


def test_frames_outlive_their_camera():
    before = descriptors()
    camera = V4L2Camera(CAMERA, settings())
    frame = camera.read(5)
    camera.close()
    picture = frame.planes[0].copy()
    assert (frame.planes[0] == picture).all() and picture.std() > 0
    os.fstat(frame.native.fds[0])
    frame.release()
    del frame
    assert descriptors() <= before


def test_all_buffers_on_lease_is_no_fault(camera):
    held = []
    with pytest.raises(CaptureTimeout):
        while True:
            held.append(camera.read(1))
    assert len(held) >= 8 and camera.reconnects == 0
    for frame in held:
        frame.release()
    grab(camera)


def test_a_slow_reader_gets_the_newest_and_the_rest_is_counted(camera):
    grab(camera, 2)
    time.sleep(1)
    with camera.read(5) as frame:
        assert frame.number >= 15       # they are numbered as they came, taken or not
    assert camera.drops >= 15


def test_controls_by_name(camera):
    assert camera.controls()["brightness"] == {"value": 128, "min": 0, "max": 255, "step": 1, "type": "number", "unit": ""}
    camera.set_control("brightness", 200)
    assert camera.controls()["brightness"]["value"] == 200
    pattern = camera.controls()["test_pattern"]
    assert pattern["type"] == "menu" and pattern["menu"][pattern["value"]]
    camera.set_control("test_pattern", "100% Black")
    grab(camera, 10)
    with camera.read(5) as frame:
        assert frame.planes[0][250:].max() < 100
    with pytest.raises(ValueError, match="brightness = 900: expected 0 to 255"):
        camera.set_control("brightness", 900)
    with pytest.raises(ValueError, match="expected one of"):
        camera.set_control("test_pattern", "no such")
    with pytest.raises(KeyError):
        camera.set_control("no_such", 1)
    camera.set_control("brightness", 128)
    camera.set_control("test_pattern", 0)


# -- v4l2loopback: any size, fed from a file -----------------------------------------------------------------


@pytest.fixture
def loopback():
    """A 960x540 test picture through v4l2loopback, by ffmpeg; fourcc NV12 or MJPG."""
    running = []

    def feed(pixel_format, size="960x540"):
        codec = ["-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj422p"] if pixel_format == "MJPG" else ["-pix_fmt", pixel_format]
        running.append(Feed("-re", "-f", "lavfi", "-i", "testsrc=size={}:rate=25".format(size), *codec))
    yield feed
    for one in running:
        one.stop()


def test_960x540_through_v4l2loopback(loopback):
    loopback("nv12")
    with V4L2Camera(LOOPBACK, settings(960, 540, 25)) as camera:
        assert (camera.format.width, camera.format.height, camera.format.fourcc) == (960, 540, "NV12")
        grab(camera, 20)
        with camera.read(5) as frame:
            assert frame.planes[0].shape == (540, 960) and frame.planes[0].std() > 20


@pytest.mark.parametrize("decoder", ["open_pyav", "open_opencv"])
def test_mjpeg_is_decoded_where_it_is_the_only_way(loopback, monkeypatch, decoder):
    pytest.importorskip({"open_pyav": "av", "open_opencv": "cv2"}[decoder])
    from edgecam.capture import v4l2_mjpeg
    monkeypatch.setattr("edgecam.capture.v4l2.open_decoder", getattr(v4l2_mjpeg, decoder))
    loopback("MJPG", "640x480")
    with V4L2Camera(LOOPBACK, settings(640, 480, 25)) as camera:
        assert camera.format.fourcc == "I420" and camera.format.full_range
        grab(camera, 5)
        with camera.read(5) as frame:
            assert [plane.shape for plane in frame.planes] == [(480, 640), (240, 320), (240, 320)]
            assert frame.planes[0].std() > 20 and frame.planes[1].std() > 20


# -- long ------------------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_minutes_without_a_leak():
    """EDGECAM_SOAK seconds (600) of frames, with every fault that leaves the device usable, on both nodes."""
    seconds = float(os.environ.get("EDGECAM_SOAK", 600))
    faults = ["inject_v4l2_buf_flag_error", "inject_fatal_streaming_error"]
    for path in (CAMERA, CAMERA_MPLANE):
        before, threads = descriptors(), threading.active_count()
        frames, end, round_number = 0, time.monotonic() + seconds / 2, 0
        with V4L2Camera(path, settings(640, 360, 60, retry_max=0.3)) as camera:
            grab(camera, 5)
            at_work = descriptors()
            while time.monotonic() < end:
                frames += len(grab(camera, 100))
                camera.set_control(faults[round_number % 2], 1)
                frames += len(grab(camera, 20))
                round_number += 1
                assert descriptors() <= at_work
            assert camera.reconnects >= round_number // 2
        print("{}: {} frames, {} faults, {} reconnects, {} lost".format(path, frames, round_number, camera.reconnects, camera.lost))
        assert descriptors() <= before and threading.active_count() == threads
