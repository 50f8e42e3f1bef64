"""Buffers of one direction of a device: their memory, and their way to the driver and back."""
import logging
import mmap
import os

from edgecam.v4l2 import ioctl as calls
from edgecam.v4l2 import raw

log = logging.getLogger(__name__)

QBUF, DQBUF = raw.VIDIOC_QBUF, raw.VIDIOC_DQBUF


def is_multiplanar(buffer_type):
    return buffer_type in (raw.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, raw.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE)


class Buffer:
    """One buffer of a queue. What DQBUF told of it lies in plain attributes until it is queued again.

    *microseconds* is its timestamp. *memory* has a writable `mmap` for each memory plane (none
    for imported buffers), *fds* its exported descriptors, *lengths* the sizes in bytes.
    """

    __slots__ = ("index", "raw", "planes", "lengths", "offsets", "memory", "fds", "queued",
                 "flags", "sequence", "microseconds", "bytesused", "starts", "owner", "_stamp")

    def __init__(self, index, buffer_type, memory, planes):
        self.index = index
        self.raw = raw.v4l2_buffer(index=index, type=buffer_type, memory=memory)
        self.planes = (raw.v4l2_plane * raw.VIDEO_MAX_PLANES)() if is_multiplanar(buffer_type) else None
        if self.planes is not None:
            self.raw.m.planes, self.raw.length = self.planes, planes
        self._stamp = self.raw.timestamp            # reading a nested struct makes an object each time
        self.lengths, self.offsets, self.memory, self.fds = (), (), (), ()
        self.queued, self.owner = False, None
        self.flags = self.sequence = self.microseconds = 0
        self.bytesused, self.starts = (), (0,) * planes

    @property
    def error(self):
        """Whether the driver marked the contents as broken."""
        return bool(self.flags & raw.V4L2_BUF_FLAG_ERROR)

    def payload(self, plane=0):
        """Return the used bytes of one memory plane as a copy of their own."""
        start = self.starts[plane]
        return self.memory[plane][start:self.bytesused[plane]]

    def describe(self):
        """Take lengths and offsets from a struct that QUERYBUF filled."""
        if self.planes is None:
            self.lengths, self.offsets = (self.raw.length,), (self.raw.m.offset,)
            return
        planes = self.planes[:self.raw.length]
        self.lengths = tuple(plane.length for plane in planes)
        self.offsets = tuple(plane.m.mem_offset for plane in planes)

    def set_bytesused(self, sizes):
        """Say how much of each memory plane is filled."""
        if self.planes is None:
            self.raw.bytesused = sizes[0]
        else:
            for plane, size in zip(self.planes, sizes):
                plane.bytesused = size

    def import_fds(self, fds, lengths):
        """Make the next QBUF refer to dma-buf descriptors."""
        if self.planes is None:
            self.raw.m.fd, self.raw.length = fds[0], lengths[0]
            return
        for plane, fd, length in zip(self.planes, fds, lengths):
            plane.m.fd, plane.length = fd, length

    def set_time(self, microseconds):
        stamp = self._stamp
        stamp.tv_sec, stamp.tv_usec = divmod(microseconds, 1000000)

    def __repr__(self):
        return "<Buffer {} #{} {} bytes flags={:#x} t={:.6f}>".format(
            self.index, self.sequence, sum(self.bytesused), self.flags, self.microseconds / 1e6)


class Queue:
    """The buffers of one type. `dequeue` raises `BlockingIOError` when none is ready yet,
    `BrokenPipeError` behind the last one of a drained codec."""

    def __init__(self, ioctl, fd, buffer_type):
        self.type, self._ioctl, self._fd = buffer_type, ioctl, fd
        self.buffers, self.memory, self.streaming = [], 0, False
        self._scratch = self._scratch_stamp = self._scratch_planes = None

    def __len__(self):
        return len(self.buffers)

    @property
    def queued(self):
        """How many buffers the driver has now."""
        return sum(buffer.queued for buffer in self.buffers)

    def request(self, count, memory=raw.V4L2_MEMORY_MMAP, planes=1):
        """Get *count* buffers (the driver may give more or fewer) of *planes* memory planes each."""
        given = calls.request_buffers(self._ioctl, self.type, memory, count)
        self.memory = memory
        self.buffers = [Buffer(index, self.type, memory, planes) for index in range(given)]
        self._scratch = raw.v4l2_buffer(type=self.type, memory=memory)
        self._scratch_stamp = self._scratch.timestamp
        if is_multiplanar(self.type):
            self._scratch_planes = list(self._attach_planes())
        if memory == raw.V4L2_MEMORY_MMAP:
            for buffer in self.buffers:
                calls.query_buffer(self._ioctl, buffer.raw)
                buffer.describe()
        return self.buffers

    def _attach_planes(self):
        """The kernel leaves the pointer as it was, so it is set once."""
        planes = (raw.v4l2_plane * raw.VIDEO_MAX_PLANES)()
        self._scratch.m.planes = planes
        return planes

    def map(self):
        """Map every buffer's memory through the device."""
        for buffer in self.buffers:
            buffer.memory = tuple(mmap.mmap(self._fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
                                  for length, offset in zip(buffer.lengths, buffer.offsets))

    def export(self):
        """Get a dma-buf descriptor for every memory plane; `free` closes them."""
        for buffer in self.buffers:
            for plane in range(len(buffer.lengths)):
                fd = calls.export_buffer(self._ioctl, self.type, buffer.index, plane, os.O_RDWR | os.O_CLOEXEC)
                buffer.fds += (fd,)

    def map_exported(self, at_offsets=False):
        """Map every buffer's memory through its descriptors: the way of libraries without an mmap of their own.

        A kernel's descriptor is one memory plane; *at_offsets*: it is the whole buffer (NVIDIA's).
        """
        for buffer in self.buffers:
            offsets = buffer.offsets if at_offsets else [0] * len(buffer.fds)
            buffer.memory = tuple(
                mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
                for fd, length, offset in zip(buffer.fds, buffer.lengths, offsets))

    def stream_on(self):
        calls.stream_on(self._ioctl, self.type)
        self.streaming = True

    def stream_off(self):
        """Take all buffers back from the driver."""
        self.streaming = False
        calls.stream_off(self._ioctl, self.type)
        for buffer in self.buffers:
            buffer.queued = False

    @property
    def drained(self):
        """Whether the call that raised `BlockingIOError` said that nothing more will come."""
        return bool(self._scratch.flags & raw.V4L2_BUF_FLAG_LAST)

    def enqueue(self, buffer):
        """Give *buffer* to the driver."""
        buffer.queued = True
        try:
            self._ioctl(QBUF, buffer.raw)
        except OSError:
            buffer.queued = False
            raise

    def dequeue(self):
        """Take the next `Buffer` that the driver is done with."""
        scratch, planes = self._scratch, self._scratch_planes
        if planes is not None:
            scratch.length = raw.VIDEO_MAX_PLANES
        self._ioctl(DQBUF, scratch)
        buffer = self.buffers[scratch.index]
        buffer.queued, buffer.flags, buffer.sequence = False, scratch.flags, scratch.sequence
        stamp = self._scratch_stamp
        buffer.microseconds = stamp.tv_sec * 1000000 + stamp.tv_usec
        if planes is None:
            buffer.bytesused = (scratch.bytesused,)
        elif scratch.length == 1:
            plane = planes[0]
            buffer.bytesused, buffer.starts = (plane.bytesused,), (plane.data_offset,)
        else:
            used = planes[:scratch.length]
            buffer.bytesused = tuple(plane.bytesused for plane in used)
            buffer.starts = tuple(plane.data_offset for plane in used)
        return buffer

    def stop(self):
        """Stop and give the driver's buffers back; the memory stays until `free_memory`."""
        if self.buffers:
            self._try(self.stream_off)
            self._try(lambda: calls.request_buffers(self._ioctl, self.type, self.memory, 0))

    def free_memory(self):
        """Unmap and close the exported descriptors."""
        for buffer in self.buffers:
            buffer.owner = None
            for memory in buffer.memory:
                unmap(memory)
            for fd in buffer.fds:
                os.close(fd)
            buffer.memory = buffer.fds = ()

    def free(self):
        """Stop, free the memory, forget the buffers. A device that is gone takes no harm from it."""
        if self.buffers:
            self._try(self.stream_off)
            self.free_memory()
            self._try(lambda: calls.request_buffers(self._ioctl, self.type, self.memory, 0))
            self.buffers = []

    def _try(self, step):
        try:
            step()
        except OSError as error:            # ENODEV after an unplug, EBUSY while a view outside still maps the memory
            log.debug("freeing buffers: %s", error)


def unmap(memory):
    """Unmap, or leave it to the last view that somebody still holds."""
    try:
        memory.close()
    except BufferError:
        log.debug("a view still uses %d mapped bytes; they are unmapped with it", len(memory))
