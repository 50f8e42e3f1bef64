"""Decode FWHT with the kernel's stateful decoder: its documented steps, with draining and source changes."""
import select

import numpy as np
from rig import DECODER

from edgecam.v4l2 import ioctl as calls
from edgecam.v4l2 import raw
from edgecam.v4l2.device import Device


class Decoder:
    """Feeds packets and collects luma planes; a change of size in the stream is followed."""

    def __init__(self):
        self.device = Device(DECODER)
        self.pictures, self.changes, self._visible = [], 0, None
        device = self.device
        device.subscribe(raw.V4L2_EVENT_SOURCE_CHANGE)
        device.set_format(device.output_type, 640, 360, "FWHT", size=2 << 20)
        self.coded, self.shown = device.queue(device.output_type), device.queue(device.capture_type)
        self.coded.request(4)
        self.coded.map()
        self.coded.stream_on()

    def decode(self, packets):
        """Return the luma planes of all *packets*."""
        for packet in packets:
            self._feed(self._free(), packet.payload, packet.number)
        self._drain()
        return self.pictures

    def _free(self):
        for buffer in self.coded.buffers:
            if not buffer.queued:
                return buffer
        while True:
            self._pump()
            try:
                return self.coded.dequeue()
            except BlockingIOError:
                assert self.device.wait(select.POLLIN | select.POLLOUT | select.POLLPRI, 5), "the decoder stands still"

    def _feed(self, buffer, payload, number):
        buffer.memory[0][:len(payload)] = payload
        buffer.set_bytesused([len(payload)])
        buffer.set_time(number)
        self.coded.enqueue(buffer)
        self._pump()

    def _pump(self):
        """Take what is ready: events first, for they say what the pictures are."""
        self._take()
        for event in self.device.events():
            if event.type == raw.V4L2_EVENT_SOURCE_CHANGE:
                self._follow()
        self._take()

    def _follow(self):
        """A new size: drain what is of the old one, then set CAPTURE up again."""
        self.changes += 1
        if self.shown.buffers:
            while not self._take() and self.device.wait(select.POLLIN, 1):
                pass
            self.shown.free()
        fmt = self.device.get_format(self.device.capture_type)
        self.format = fmt
        visible = calls.get_selection(self.device.ioctl, raw.V4L2_BUF_TYPE_VIDEO_CAPTURE, 0x100)      # COMPOSE
        self._visible = visible.r.width, visible.r.height
        self.shown.request(4)
        self.shown.map()
        for buffer in self.shown.buffers:
            self.shown.enqueue(buffer)
        self.shown.stream_on()

    def _take(self):
        """Collect pictures; return whether the last one came."""
        while self.shown.streaming:
            try:
                buffer = self.shown.dequeue()
            except BlockingIOError:
                return False
            except BrokenPipeError:
                return True
            if any(buffer.bytesused):
                self.pictures.append((buffer.microseconds, np.array(self._luma(buffer))))
            last = bool(buffer.flags & raw.V4L2_BUF_FLAG_LAST)
            self.shown.enqueue(buffer)
            if last:
                return True
        return False

    def _luma(self, buffer):
        """Luma comes first in all of the planar formats that the decoder offers."""
        (width, height), stride = self._visible, self.format.planes[0].stride
        return np.ndarray((height, width), np.uint8, buffer.memory[0], 0, (stride, 1))

    def _drain(self):
        self._pump()
        calls.decoder_command(self.device.ioctl, raw.V4L2_DEC_CMD_STOP)
        while not self._take():
            assert self.device.wait(select.POLLIN | select.POLLPRI, 5), "the decoder does not drain"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.device.close()
