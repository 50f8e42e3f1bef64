"""Encoders with a kernel driver (Raspberry Pi, Rockchip, Qualcomm boards): the kernel's stateful encoder.

The order of calls is that of Documentation/userspace-api/media/v4l/dev-encoder.rst.
"""
import errno
import logging
import select
from fractions import Fraction

from edgecam import clock
from edgecam.encode.v4l2_framing import FRAMINGS
from edgecam.encode.v4l2_input import choose_input, colours
from edgecam.encode.v4l2_m2m import OUTPUTS, STALL, M2MEncoder
from edgecam.errors import BackendUnavailable, EncoderError, reason
from edgecam.v4l2 import ioctl as calls
from edgecam.v4l2 import raw
from edgecam.v4l2.device import Device
from edgecam.v4l2.discovery import explain, video_nodes
from edgecam.v4l2.driver import KERNEL
from edgecam.v4l2.layout import memory_planes

log = logging.getLogger(__name__)

PROFILES = {"baseline": raw.V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE, "main": raw.V4L2_MPEG_VIDEO_H264_PROFILE_MAIN,
            "high": raw.V4L2_MPEG_VIDEO_H264_PROFILE_HIGH}


class KernelEncoder(M2MEncoder):
    """One stateful encoder at *path*, in the thread that calls. V4L2 has no standard control for
    regions, so there are none (*supports_roi*)."""

    name = "v4l2"
    max_regions, supports_roi = 0, False
    _draining = False

    def __init__(self, settings, video_format, path, codec="h264", driver=KERNEL):
        if settings.motion_vectors:
            raise EncoderError("encode.motion_vectors: only a Jetson's encoder tells them, {} does not".format(path))
        try:
            device = Device(path, driver)
        except OSError as error:
            raise BackendUnavailable("{}: {}".format(path, explain(error, path))) from error
        try:
            super().__init__(settings, video_format, device, codec)
            self._set_formats()
            self._set_controls()
        except OSError as error:
            device.close()
            raise EncoderError("{}: {}".format(path, explain(error, path))) from error
        except Exception:
            device.close()
            raise

    def _set_formats(self):
        device, (width, height) = self.device, self._size
        coded = device.set_format(device.capture_type, width, height, self._coded_fourcc, size=max(1 << 20, width * height))
        if coded.fourcc != self._coded_fourcc:
            raise EncoderError("{} does not encode {}".format(device.path, self.codec))
        offered = [fmt.fourcc for fmt in device.formats(device.output_type)]
        fourcc = choose_input(device.path, self._video, offered)
        self._input = device.set_format(device.output_type, width, height, fourcc, memory_planes(fourcc),
                                        colours=colours(self._video))
        if self._input.width < width or self._input.height < height:
            raise EncoderError("{} encodes {}x{} at most, not {}x{}".format(
                device.path, self._input.width, self._input.height, width, height))
        if (self._input.width, self._input.height) != (width, height):
            self._crop(width, height)
        device.set_rate(device.output_type, Fraction(self._video.rate))
        self._raw, self._coded = device.queue(device.output_type), device.queue(device.capture_type)

    def _crop(self, width, height):
        """The encoder rounds sizes up: tell it how much of that is the picture."""
        visible = calls.set_selection(self.device.ioctl, raw.V4L2_BUF_TYPE_VIDEO_OUTPUT, raw.V4L2_SEL_TGT_CROP,
                                      width, height).r
        if (visible.width, visible.height) != (width, height):
            raise EncoderError("{} can't encode {}x{}: the nearest that it does is {}x{}".format(
                self.device.path, width, height, visible.width, visible.height))

    def _set_controls(self):
        settings = self._settings
        gop = max(1, round(settings.keyframe_interval * self._video.rate))
        wishes = [
            (raw.V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, 1),
            (raw.V4L2_CID_MPEG_VIDEO_BITRATE_MODE, raw.V4L2_MPEG_VIDEO_BITRATE_MODE_CBR),
            (raw.V4L2_CID_MPEG_VIDEO_BITRATE, settings.bitrate),
            (raw.V4L2_CID_MPEG_VIDEO_GOP_SIZE, gop),
            (raw.V4L2_CID_MPEG_VIDEO_B_FRAMES, 0),
            (raw.V4L2_CID_MPEG_VIDEO_HEADER_MODE, raw.V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME),
            (raw.V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 1),
            (raw.V4L2_CID_MPEG_VIDEO_H264_PROFILE, PROFILES[settings.profile]),
            (raw.V4L2_CID_MPEG_VIDEO_H264_MIN_QP, settings.min_qp),
            (raw.V4L2_CID_MPEG_VIDEO_H264_MAX_QP, settings.max_qp),
        ]
        for identity, value in wishes:
            if value is not None:
                self._wish(identity, value)
        self._can_force = self.device.controls.find(raw.V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME) is not None

    def _wish(self, identity, value):
        """Set a control as near to *value* as the driver allows; what it lacks is left at its own."""
        control = self.device.controls.find(identity)
        if control is None or not control.writable:
            log.debug("%s has no control %#x", self.device.path, identity)
            return
        allowed = min(max(value, control.minimum), control.maximum)
        if allowed != value:
            log.info("%s: %s is %d; asked for %d", self.device.path, control.name, allowed, value)
        try:
            self.device.controls.set_values({identity: allowed})
        except OSError as error:
            log.info("%s: %s = %d was refused: %s", self.device.path, control.name, allowed, reason(error))

    def _begin(self):
        self._coded.request(OUTPUTS, raw.V4L2_MEMORY_MMAP)
        self._coded.map()
        for buffer in self._coded.buffers:
            self._coded.enqueue(buffer)
        self.device.subscribe(raw.V4L2_EVENT_EOS)
        self._raw.stream_on()
        self._coded.stream_on()

    # -- the loop: QBUF, DQBUF, QBUF, DQBUF -----------------------------------------------------------

    def _wait_free(self):
        if not self._free:
            self._reclaim()
        if not self._free:
            self._wait_reclaim()
        return self._free.popleft()

    def _wait_reclaim(self):
        end = clock.now() + STALL
        while not self._free:
            left = end - clock.now()
            if left <= 0:
                raise EncoderError("{} is stuck: no input buffer came back within {:g} s".format(self.device.path, STALL))
            self.device.wait(select.POLLOUT, left)
            self._reclaim()

    def _reclaim(self):
        """Take back every input buffer that was read."""
        count = len(self._raw.buffers)
        try:
            while len(self._free) < count:
                self._take_input_back(self._raw.dequeue())
        except BlockingIOError:
            pass
        except OSError as error:
            raise EncoderError("{}: input: {}".format(self.device.path, reason(error))) from error

    def _ready_packets(self):
        packets = []
        try:
            while self._inside:
                self._take(packets)
        except BlockingIOError:
            pass
        return packets

    def _wait_packets(self, behind):
        packets, end = [], None
        while len(self._inside) > behind:
            try:
                self._take(packets)
                continue
            except BlockingIOError:
                now = clock.now()
            end = now + self._patience if end is None else end
            if now >= end:
                break
            self.device.wait(select.POLLIN, end - now)
        if packets and self._imports:
            self._reclaim()                 # the camera wants its buffers back
        return packets

    def _take(self, packets):
        """Move one packet from the device to *packets*; return its buffer's flags. Raises `BlockingIOError`."""
        try:
            buffer = self._coded.dequeue()
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno == errno.EPIPE and self._draining:       # behind the last packet
                return raw.V4L2_BUF_FLAG_LAST
            if error.errno == errno.EPIPE:
                raise EncoderError("{}: the encoder ended the stream by itself".format(self.device.path)) from error
            raise EncoderError("{}: output: {}".format(self.device.path, reason(error))) from error
        flags = buffer.flags
        if buffer.bytesused[0]:
            packet = self._packet(buffer.payload(), flags, buffer.microseconds)
            if packet is not None:
                packets.append(packet)
        self._translate(self._coded.enqueue, buffer)
        return flags

    def flush(self):
        """Drain: STOP, then everything up to the buffer that is marked as the last."""
        packets = []
        if not self._closed and self._raw.streaming:
            try:
                calls.encoder_command(self.device.ioctl, raw.V4L2_ENC_CMD_STOP)
            except OSError as error:
                raise EncoderError("{}: can't be drained: {}".format(self.device.path, reason(error))) from error
            self._drain(packets)
        self.close()
        return packets

    def _drain(self, packets):
        self._draining = True
        end, flags = clock.now() + STALL, 0
        while not flags & raw.V4L2_BUF_FLAG_LAST:
            try:
                flags = self._take(packets)
                end = clock.now() + STALL
            except BlockingIOError:
                left = end - clock.now()
                if left <= 0:
                    raise EncoderError("{} is stuck: it did not drain within {:g} s".format(self.device.path, STALL)) from None
                self.device.wait(select.POLLIN, left)

    def _change_rate(self, bits_per_second):
        self._wish(raw.V4L2_CID_MPEG_VIDEO_BITRATE, bits_per_second)

    def _check_range(self, low, high):
        if self.device.controls.find(raw.V4L2_CID_MPEG_VIDEO_H264_MIN_QP) is None:
            raise EncoderError("{} has no QP range".format(self.device.path))

    def _change_range(self, low, high):
        for identity, value in ((raw.V4L2_CID_MPEG_VIDEO_H264_MIN_QP, low), (raw.V4L2_CID_MPEG_VIDEO_H264_MAX_QP, high)):
            self._wish(identity, self.device.controls.find(identity).default if value is None else value)
        return []

    def _force_keyframe(self):
        if self._can_force:
            self.device.controls.set_values({raw.V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME: 1})
        else:
            log.debug("%s can't make keyframes on request", self.device.path)


def find_encoders(codec="h264"):
    """Return [(path, reason)] of all nodes: reason is None for a kernel encoder of *codec*, else why it is none."""
    fourcc = FRAMINGS[codec][0]
    found = []
    for path in video_nodes():
        try:
            with Device(path) as device:
                coded = [fmt.fourcc for fmt in device.formats(device.capture_type)] if device.capability.mem2mem else []
                raws = [fmt for fmt in device.formats(device.output_type) if not fmt.compressed] if coded else []
                fits = fourcc in coded and raws
                found.append((path, None if fits else "{} does not encode {}".format(device.capability.card, codec)))
        except OSError as error:
            found.append((path, explain(error, path)))
    return found
