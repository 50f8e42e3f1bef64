"""A camera's buffers from start to unplugging: lent to frames, and home to the driver with the last lease.

Frames are views of the driver's own memory, and dma-buf descriptors where the driver exports them.
"""
import errno
import logging
import threading

from edgecam.v4l2.dmabuf import DmaBuf
from edgecam.v4l2.layout import colour_planes
from edgecam.v4l2.negotiation import COMPRESSED

log = logging.getLogger(__name__)

BUFFERS = 8             # the driver fills some while others are on lease
NOT_THE_QUEUE = (errno.EINVAL, errno.ENOTTY, errno.EBADR, errno.ENOSYS)


class Session:
    """A camera streaming in one format, from start to unplugging.

    Descriptors and mappings live until the last frame has come home; the device itself is
    closed at once, so that it can be opened anew meanwhile.
    """

    def __init__(self, device, fmt):
        self.device, self.format = device, fmt
        self._lock, self._out, self._open = threading.Lock(), 0, True
        self.queue = device.queue(device.capture_type)
        self.queue.request(BUFFERS, planes=len(fmt.planes))
        self.exported = self._map()
        for buffer in self.queue.buffers:
            buffer.owner = self._picture(buffer)
            self.queue.enqueue(buffer)
        self.queue.stream_on()

    def _map(self):
        """Map through exported descriptors where there are any: such mappings don't keep the device open."""
        try:
            self.queue.export()
        except OSError as error:
            if error.errno not in NOT_THE_QUEUE:
                raise
            log.debug("%s exports no dma-buf: %s", self.device.path, error)
            self.queue.map()
            return False
        self.queue.map_exported()
        return True

    def _picture(self, buffer):
        """Make the views and descriptors of one buffer, once."""
        if self.format.fourcc in COMPRESSED:
            return None
        planes = tuple(plane.view(buffer.memory) for plane in colour_planes(self.format))
        return planes, DmaBuf(buffer.fds, self.format, buffer.lengths) if self.exported else None

    def lend(self):
        """Count one more buffer outside."""
        with self._lock:
            self._out += 1

    def take_back(self, buffer):
        """Give a buffer to the driver again; after the end, free everything with the last one."""
        with self._lock:
            self._out -= 1
            if self._open:
                try:
                    self.queue.enqueue(buffer)
                except OSError as error:        # the capture thread meets the same error and deals with it
                    log.debug("%s: a buffer was not taken back: %s", self.device.path, error)
            elif self._out == 0:
                self.queue.free_memory()

    def close(self):
        """Stop, close the device, and free the memory now or with the last lease."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self.queue.stop()
            self.device.queues.remove(self.queue)       # its memory is ours to free
            self.device.close()
            if self._out == 0:
                self.queue.free_memory()

    @property
    def open(self):
        return self._open
