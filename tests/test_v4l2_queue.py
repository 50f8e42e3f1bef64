"""Buffers of the kernel's drivers: memory of others as the target of a camera, events, a wait that ends."""
import ctypes
import fcntl
import mmap
import os
import select

import numpy as np
import pytest
from rig import CAMERA, CAMERA_MPLANE, ENCODER, descriptors, guest

from edgecam.v4l2 import raw
from edgecam.v4l2.device import Device
from edgecam.v4l2.layout import colour_planes, memory_planes

pytestmark = guest
HEAP, HEAP_ALLOC = "/dev/dma_heap/system", 0xc0184800          # DMA_HEAP_IOCTL_ALLOC of <linux/dma-heap.h>


class HeapRequest(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint64), ("fd", ctypes.c_uint32), ("fd_flags", ctypes.c_uint32), ("heap_flags", ctypes.c_uint64)]


def allocate(size):
    """Return a dma-buf of *size* bytes from the system's heap."""
    heap = os.open(HEAP, os.O_RDWR | os.O_CLOEXEC)
    try:
        request = HeapRequest(size, 0, os.O_RDWR | os.O_CLOEXEC, 0)
        fcntl.ioctl(heap, HEAP_ALLOC, request)
        return request.fd
    finally:
        os.close(heap)


def capture_into(device, fmt, fds):
    """Let *device* take one picture into each list of descriptors; return the numbers of the buffers that came back."""
    queue = device.queue(device.capture_type)
    queue.request(len(fds), raw.V4L2_MEMORY_DMABUF, len(fmt.planes))
    for buffer, own in zip(queue.buffers, fds):
        buffer.import_fds(own, [plane.size for plane in fmt.planes])
        queue.enqueue(buffer)
    queue.stream_on()
    seen = []
    while len(seen) < len(fds):
        assert device.wait(select.POLLIN, 5)
        buffer = queue.dequeue()
        assert sum(buffer.bytesused) >= 640 * 360 and not buffer.error
        seen.append(buffer.index)
    queue.stop()
    return seen


@pytest.mark.parametrize("path, fourcc", [(CAMERA, "NV12"), (CAMERA_MPLANE, "NV12"), (CAMERA_MPLANE, "NM12"), (CAMERA_MPLANE, "YM12")])
def test_a_camera_fills_memory_of_a_heap(path, fourcc):
    """DMABUF import on a CAPTURE queue: the picture lands where we said, in one and in several memory planes."""
    before = descriptors()
    with Device(path) as device:
        fmt = device.set_format(device.capture_type, 640, 360, fourcc, memory_planes(fourcc))
        device.set_rate(device.capture_type, 30)
        fds = [[allocate(plane.size) for plane in fmt.planes] for _ in range(4)]
        assert sorted(capture_into(device, fmt, fds)) == [0, 1, 2, 3]
        for own in fds:
            memory = [mmap.mmap(fd, plane.size, mmap.MAP_SHARED, mmap.PROT_READ) for fd, plane in zip(own, fmt.planes)]
            luma = colour_planes(fmt)[0].view(memory)
            assert luma.shape == (360, 640) and np.array(luma)[::8, ::8].std() > 10
    for own in fds:
        for fd in own:
            os.close(fd)
    del luma, memory
    assert descriptors() <= before


def test_a_camera_fills_the_buffers_of_an_encoder():
    """The other way round than usual: the encoder's memory, exported, is what the camera imports."""
    with Device(CAMERA_MPLANE) as camera, Device(ENCODER) as encoder:
        encoder.set_format(encoder.capture_type, 1280, 720, "FWHT", size=1 << 20)
        taken = encoder.set_format(encoder.output_type, 1280, 720, "NV12")
        fmt = camera.set_format(camera.capture_type, 1280, 720, "NV12")
        assert [plane.size for plane in fmt.planes] == [plane.size for plane in taken.planes]
        memory = encoder.queue(encoder.output_type)
        memory.request(4)
        memory.map()
        memory.export()
        assert len(capture_into(camera, fmt, [buffer.fds for buffer in memory.buffers])) == 4
        for buffer in memory.buffers:
            assert np.frombuffer(buffer.memory[0], np.uint8)[:1280 * 720:97].std() > 10


def test_an_event_comes_for_a_control_that_somebody_else_changed():
    with Device(CAMERA) as ours, Device(CAMERA) as theirs:
        brightness = ours.controls.names["brightness"]
        from edgecam.v4l2 import ioctl as calls
        calls.subscribe_event(ours.ioctl, raw.V4L2_EVENT_CTRL, brightness.id)
        theirs.controls.set("brightness", 99)
        assert ours.wait(select.POLLPRI, 2) & select.POLLPRI
        assert [(event.type, event.id) for event in ours.events()] == [(raw.V4L2_EVENT_CTRL, brightness.id)]
        assert list(ours.events()) == []
        theirs.controls.set("brightness", 128)


def test_an_event_that_a_driver_does_not_have_is_told():
    with Device(CAMERA) as device:
        assert not device.subscribe(raw.V4L2_EVENT_EOS)
        assert device.subscribe(raw.V4L2_EVENT_SOURCE_CHANGE)
