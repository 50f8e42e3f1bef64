"""Python's own share of the V4L2 encoder loop, for each frame: pictures copied once, and dma-buf pictures handed on.

The shipped encoder runs on a device that answers at once and does nothing. What is left is
edgecam: preparing the buffer, four ioctls (QBUF and DQBUF on both sides) and the packet of 4 kB.
The device's answers are Python too and are taken off, and so is the copy of the picture, where it
happens: it leaves the caches cold, which the rest then pays for. Four system calls are measured
beside it and added. Medians over rounds.

With --camera and --encoder a real camera's pictures go to a real encoder by dma-buf.
"""
import errno
import fcntl
import logging
import os
import statistics
import tempfile
import termios
import time
from contextlib import contextmanager
from collections import deque
from fractions import Fraction

import numpy as np

from edgecam.bench import v4l2_live
from edgecam.bench.frame_size import frame_size
from edgecam.config import load_config
from edgecam.encode.v4l2_kernel import KernelEncoder
from edgecam.errors import UsageError
from edgecam.standard import tell
from edgecam.v4l2 import raw
from edgecam.v4l2.dmabuf import DmaBuf
from edgecam.v4l2.layout import Format, MemoryPlane
from edgecam.vocabulary import NO_PLAN, Frame, VideoFormat

PAYLOAD = bytes([0, 0, 0, 1, 0x61]) + bytes(range(1, 251)) * 16        # what an encoder gives for one frame
ROUNDS = 9
CODED_AT, CODED_ROOM = 1 << 28, 1 << 20         # where the idle device keeps its CAPTURE buffers
BAR = 25                                        # microseconds a frame


def add_arguments(parser):
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="of the pictures (%(default)s)")
    parser.add_argument("--frames", type=int, default=2000, help="in each round (%(default)s)")
    parser.add_argument("--camera", type="path", metavar="NODE", help="measure a real camera and encoder instead, without copies between them")
    parser.add_argument("--encoder", type="path", metavar="NODE", help="of the encoder that --camera feeds")
    parser.add_argument("--codec", default="h264", choices=("h264", "fwht"), help="that the encoder makes (%(default)s)")
    parser.add_argument("--rate", type=int, default=30, help="asked of the camera, frames/s (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="of the live run (%(default)s)")


def main(args):
    width, height = frame_size(args.size)
    if args.frames < 1:
        raise UsageError("--frames {}: expected a number above zero".format(args.frames))
    if bool(args.camera) != bool(args.encoder):
        raise UsageError("--camera and --encoder need each other")
    if args.camera:
        figures = v4l2_live.measure(args.camera, args.encoder, args.codec, width, height, args.rate, args.seconds)
        tell(v4l2_live.render(figures))
        return 0
    with quiet_encoders():
        rounds = [take_turns(width, height, args.frames) for _ in range(ROUNDS)]
    median = {name: statistics.median(turn[name] for turn in rounds) for name in rounds[0]}
    tell(render(median, args))
    return 0


@contextmanager
def quiet_encoders():
    """Keep the opened encoders from saying so in every turn."""
    log = logging.getLogger("edgecam.encode")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)


def take_turns(width, height, frames):
    """Return microseconds a frame."""
    dmabuf, _ = loop(width, height, frames, True)
    mapped, copying = loop(width, height, frames, False)
    return {"dmabuf": dmabuf, "mmap": mapped, "copy": copying, "ioctls": system_calls(frames)}


def cpu():
    """Return seconds that this thread has computed: other programs don't count, nor does waiting."""
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)


def timed(count, step):
    """Return microseconds that *step* takes, called *count* times."""
    started = cpu()
    for _ in range(count):
        step()
    return (cpu() - started) / count * 1e6


def system_calls(count):
    """Return what four ioctls cost that have nothing to do, with a struct as large as theirs."""
    buffer, call = raw.v4l2_buffer(), fcntl.ioctl
    ours, theirs = os.pipe()
    try:
        def four():
            for _ in range(4):
                call(ours, termios.FIONREAD, buffer)
        return timed(count, four)
    finally:
        os.close(ours)
        os.close(theirs)


def loop(width, height, count, imports):
    """Return microseconds a frame of `encode` without the device's answers and the copy, and those of the copy."""
    video = VideoFormat(width, height, "NV12", Fraction(30), Fraction(1, 90000), True)
    planes = np.zeros((height, width), np.uint8), np.zeros((height // 2, width // 2, 2), np.uint8)
    size = width * height * 3 // 2
    native = DmaBuf((0,), Format(width, height, "NV12", (MemoryPlane(width, size),)), (size,)) if imports else None
    device = IdleCodec(width, height)
    frames = [Frame(number, 0.0, number * 3000, video, planes, native) for number in range(count + 1)]
    with KernelEncoder(load_config().encode, video, "idle", driver=device) as encoder:
        encoder.encode(frames[0], NO_PLAN)
        copying, packets = None if imports else CopyWatch(encoder), 0
        started = cpu()
        for frame in frames[1:]:
            packets += len(encoder.encode(frame, NO_PLAN))
        spent = cpu() - started
        assert packets == count and encoder.copies == (0 if imports else count + 1)
        copied = 0 if imports else copying.seconds
        watching = 0 if imports else copying.own_cost(count)
        return (spent - copied) / count * 1e6 - watching - timed(count, device.rehearse()), copied / count * 1e6


class CopyWatch:
    """Stands where the encoder copies a picture, and adds up what that takes."""

    def __init__(self, encoder):
        self.seconds, self._paint = 0.0, encoder._paint
        encoder._paint = self

    def __call__(self, planes, views):
        started = cpu()
        self._paint(planes, views)
        self.seconds += cpu() - started

    def own_cost(self, count):
        """Return microseconds that watching takes beyond what it adds up: two more readings of the clock, and a call."""
        self.seconds, self._paint = 0.0, lambda planes, views: None
        whole = timed(count, lambda: self((), ()))
        return whole - self.seconds / count * 1e6 - timed(count, lambda: self._paint((), ()))


class IdleCodec:
    """A V4L2 driver for `Device` that answers as an encoder does whose work takes no time."""

    name = "idle"

    def __init__(self, width, height):
        self._size, self._inputs, self._done, self._spare = (width, height), deque(), deque(), deque()
        self._file = tempfile.TemporaryFile(dir="/dev/shm")
        self._file.truncate(CODED_AT + 32 * CODED_ROOM)
        for index in range(32):
            os.pwrite(self._file.fileno(), PAYLOAD, CODED_AT + index * CODED_ROOM)

    def open(self, path, flags=0):
        return self._file.fileno()

    def close(self, fd):
        self._file.close()

    def bind(self, fd):
        return self.answer

    def answer(self, request, argument):
        if request == raw.VIDIOC_QBUF:
            self._queue(argument)
        elif request == raw.VIDIOC_DQBUF:
            self._dequeue(argument)
        else:
            self._set_up(request, argument)

    def _queue(self, buffer):
        if buffer.type == raw.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE:
            self._spare.append(buffer.index)
        else:
            self._inputs.append(buffer.index)
            self._done.append((buffer.timestamp.tv_sec, buffer.timestamp.tv_usec))

    def _dequeue(self, buffer):
        source = self._done if buffer.type == raw.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE else self._inputs
        if not source:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        first = source.popleft()
        buffer.flags, buffer.length = 0, 1
        if source is self._inputs:
            buffer.index = first
        else:
            buffer.index = self._spare.popleft()
            buffer.timestamp.tv_sec, buffer.timestamp.tv_usec = first
            buffer.m.planes[0].bytesused = len(PAYLOAD)

    def rehearse(self):
        """Return a function that asks the four questions of a frame, for their own cost."""
        output, capture = (raw.v4l2_buffer(type=kind) for kind in (raw.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
                                                                     raw.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE))
        capture.m.planes = (raw.v4l2_plane * 8)()

        def frame():
            self.answer(raw.VIDIOC_QBUF, output)
            self.answer(raw.VIDIOC_DQBUF, capture)
            self.answer(raw.VIDIOC_QBUF, capture)
            self.answer(raw.VIDIOC_DQBUF, output)
        return frame

    def _set_up(self, request, argument):
        if request == raw.VIDIOC_QUERYCAP:
            argument.capabilities = raw.V4L2_CAP_VIDEO_M2M_MPLANE | raw.V4L2_CAP_STREAMING
        elif request == raw.VIDIOC_ENUM_FMT and argument.index == 0:
            argument.pixelformat = raw.V4L2_PIX_FMT_NV12
        elif request == raw.VIDIOC_S_FMT:
            plane = argument.fmt.pix_mp.plane_fmt[0]
            raw_picture = argument.type == raw.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
            plane.bytesperline = self._size[0] if raw_picture else 0
            plane.sizeimage = self._size[0] * self._size[1] * 3 // 2 if raw_picture else CODED_ROOM
        elif request == raw.VIDIOC_QUERYBUF:
            self._query(argument)
        elif request not in (raw.VIDIOC_REQBUFS, raw.VIDIOC_STREAMON, raw.VIDIOC_STREAMOFF):
            raise OSError(errno.EINVAL, "the idle codec has no such call")

    def _query(self, buffer):
        coded = buffer.type == raw.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
        size = CODED_ROOM if coded else -(-self._size[0] * self._size[1] * 3 // 2 // 4096) * 4096
        plane = buffer.m.planes[0]
        plane.length, plane.m.mem_offset = size, (CODED_AT if coded else 0) + buffer.index * size


def render(median, args):
    rows = [("dma-buf handed on", median["dmabuf"]), ("mapped, without the copy", median["mmap"]),
            ("the copy of the picture", median["copy"]), ("four system calls", median["ioctls"])]
    lines = ["{}, median of {} rounds of {} frames, CPU microseconds a frame (bar for Python and system calls: {})".format(
        args.size, ROUNDS, args.frames, BAR)]
    lines += ["  {:<26}{:6.1f}".format(*row) for row in rows]
    for name in ("dmabuf", "mmap"):
        lines.append("  {:<26}{:6.1f}".format(name + " with system calls", median[name] + median["ioctls"]))
    return "\n".join(lines) + "\n"
