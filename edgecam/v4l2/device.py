"""An open video node."""
import errno
import logging
import os
import select
from fractions import Fraction
from typing import NamedTuple, Tuple

from edgecam.v4l2 import ioctl as calls
from edgecam.v4l2 import raw
from edgecam.v4l2.controls import Controls
from edgecam.v4l2.driver import KERNEL
from edgecam.v4l2.layout import Format, MemoryPlane
from edgecam.v4l2.queue import Queue, is_multiplanar

log = logging.getLogger(__name__)

CAPTURE = (raw.V4L2_CAP_VIDEO_CAPTURE, raw.V4L2_CAP_VIDEO_CAPTURE_MPLANE)
M2M = (raw.V4L2_CAP_VIDEO_M2M, raw.V4L2_CAP_VIDEO_M2M_MPLANE)


class Capability(NamedTuple):
    """Who the driver says it is."""

    driver: str
    card: str
    bus: str
    version: Tuple[int, int, int]
    flags: int              # V4L2_CAP_..., of this node

    @property
    def multiplanar(self):
        return bool(self.flags & (raw.V4L2_CAP_VIDEO_CAPTURE_MPLANE | raw.V4L2_CAP_VIDEO_M2M_MPLANE
                                  | raw.V4L2_CAP_VIDEO_OUTPUT_MPLANE))

    @property
    def captures(self):
        return bool(self.flags & (CAPTURE[0] | CAPTURE[1])) and bool(self.flags & raw.V4L2_CAP_STREAMING)

    @property
    def mem2mem(self):
        return bool(self.flags & (M2M[0] | M2M[1]))


class PixelFormat(NamedTuple):
    """One line of a driver's list of formats."""

    fourcc: str
    description: str
    compressed: bool
    emulated: bool


class Device:
    """A node of *driver*, open until `close`.

    *blocking* makes DQBUF wait, for libraries that can't be polled. Raises `OSError`.
    """

    def __init__(self, path, driver=KERNEL, blocking=False):
        self.path, self.driver = path, driver
        self.fd = driver.open(path, 0 if blocking else os.O_NONBLOCK)
        self.queues = []
        try:
            self.ioctl = driver.bind(self.fd)
            self.capability = read_capability(self.ioctl)
        except OSError:
            self.close()
            raise
        self.controls = Controls(self.ioctl)
        self._poll = select.poll()

    @property
    def capture_type(self):
        """The buffer type of what comes out of the device."""
        return raw.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE if self.capability.multiplanar else raw.V4L2_BUF_TYPE_VIDEO_CAPTURE

    @property
    def output_type(self):
        """The buffer type of what goes into the device: V4L2 looks at it from the program's side."""
        return raw.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE if self.capability.multiplanar else raw.V4L2_BUF_TYPE_VIDEO_OUTPUT

    def queue(self, buffer_type):
        """Return a new `Queue`, which `close` frees."""
        queue = Queue(self.ioctl, self.fd, buffer_type)
        self.queues.append(queue)
        return queue

    def formats(self, buffer_type):
        """Yield `PixelFormat` in the driver's order."""
        for item in calls.enum_formats(self.ioctl, buffer_type):
            text = bytes(item.description).split(b"\0")[0].decode("utf-8", "replace")
            yield PixelFormat(raw.fourcc_text(item.pixelformat), text, bool(item.flags & raw.V4L2_FMT_FLAG_COMPRESSED),
                              bool(item.flags & raw.V4L2_FMT_FLAG_EMULATED))

    def sizes(self, fourcc):
        """Return ((min width, min height), (max width, max height), (step x, step y)) or a list of (width, height)."""
        discrete = []
        for item in calls.enum_frame_sizes(self.ioctl, raw.fourcc(fourcc)):
            if item.type != raw.V4L2_FRMSIZE_TYPE_DISCRETE:
                step = item.stepwise
                return ((step.min_width, step.min_height), (step.max_width, step.max_height),
                        (step.step_width, step.step_height))
            discrete.append((item.discrete.width, item.discrete.height))
        return discrete

    def rates(self, fourcc, width, height):
        """Return the frame rates as a list of `Fraction`, fastest first; of a range, its two ends."""
        rates = []
        for item in calls.enum_frame_intervals(self.ioctl, raw.fourcc(fourcc), width, height):
            if item.type == raw.V4L2_FRMIVAL_TYPE_DISCRETE:
                intervals = [item.discrete]
            else:
                intervals = [item.stepwise.min, item.stepwise.max]
            rates += [Fraction(i.denominator, i.numerator) for i in intervals if i.numerator and i.denominator]
        return sorted(set(rates), reverse=True)

    def get_format(self, buffer_type):
        return read_format(calls.get_format(self.ioctl, buffer_type))

    def set_format(self, buffer_type, width, height, fourcc, planes=1, size=0, stride=0, probe=False, colours=None):
        """Ask for a format and return the `Format` that the driver made of it.

        *size* and *stride* are wishes for every memory plane; *probe* only asks; *colours* is a `Format`
        whose colour space is passed on.
        """
        fmt = write_format(buffer_type, width, height, fourcc, planes, size, stride, colours)
        return read_format((calls.try_format if probe else calls.set_format)(self.ioctl, fmt))

    def set_rate(self, buffer_type, rate):
        """Ask for *rate* frames per second; return the `Fraction` that it became, None where rates can't be set."""
        rate = Fraction(rate).limit_denominator(1001)
        parameters = raw.v4l2_streamparm(type=buffer_type)
        side = parameters.parm.output if is_output(buffer_type) else parameters.parm.capture
        side.timeperframe = raw.v4l2_fract(rate.denominator, rate.numerator)
        try:
            calls.set_parameters(self.ioctl, parameters)
        except OSError as error:
            if error.errno in calls.NO_SUCH_CALL:
                return None
            raise
        interval = side.timeperframe
        return Fraction(interval.denominator, interval.numerator) if interval.numerator else None

    def get_rate(self, buffer_type):
        """Return the frame rate, None where the driver does not tell."""
        try:
            parameters = calls.get_parameters(self.ioctl, buffer_type)
        except OSError as error:
            if error.errno in calls.NO_SUCH_CALL:
                return None
            raise
        interval = (parameters.parm.output if is_output(buffer_type) else parameters.parm.capture).timeperframe
        return Fraction(interval.denominator, interval.numerator) if interval.numerator and interval.denominator else None

    def follow_signal(self):
        """Set a receiver (HDMI) to the signal that comes in. Does nothing where there are no such timings.

        Raises `OSError`: ENOLINK without a signal, ENOLCK or ERANGE for one that it can't hold.
        """
        try:
            present = calls.get_dv_timings(self.ioctl)
        except OSError as error:
            if error.errno in calls.NO_SUCH_CALL + (errno.ENODATA,):
                return
            raise
        signal = calls.query_dv_timings(self.ioctl)
        if bytes(signal) != bytes(present):
            calls.set_dv_timings(self.ioctl, signal)

    def subscribe(self, event):
        """Ask for an event; return whether the driver has it."""
        try:
            calls.subscribe_event(self.ioctl, event)
        except OSError as error:
            if error.errno in calls.NO_SUCH_CALL:
                return False
            raise
        return True

    def events(self):
        """Yield the events that wait, without waiting for more."""
        while True:
            try:
                yield calls.dequeue_event(self.ioctl)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EAGAIN):
                    return
                raise

    def wait(self, events, timeout):
        """Poll for *events* (select.POLLIN ...) for *timeout* seconds; return those that came, 0 for none."""
        self._poll.register(self.fd, events)
        for _, came in self._poll.poll(max(0, timeout * 1000)):
            return came
        return 0

    def close(self):
        """Stop and free the queues and close the node; closing twice is fine."""
        if self.fd is None:
            return
        for queue in self.queues:
            queue.free()
        fd, self.fd = self.fd, None
        self.driver.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __repr__(self):
        return "<Device {} by {}>".format(self.path, self.driver.name)


def is_output(buffer_type):
    return buffer_type in (raw.V4L2_BUF_TYPE_VIDEO_OUTPUT, raw.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE)


def read_capability(ioctl):
    answer = calls.query_capability(ioctl)
    flags = answer.device_caps if answer.capabilities & raw.V4L2_CAP_DEVICE_CAPS else answer.capabilities
    texts = (text.decode("utf-8", "replace") for text in (answer.driver, answer.card, answer.bus_info))
    return Capability(*texts, version=(answer.version >> 16, answer.version >> 8 & 255, answer.version & 255), flags=flags)


def read_format(fmt):
    """Make a `Format` of a filled `v4l2_format`."""
    if is_multiplanar(fmt.type):
        pix = fmt.fmt.pix_mp
        planes = tuple(MemoryPlane(p.bytesperline, p.sizeimage) for p in pix.plane_fmt[:pix.num_planes])
    else:
        pix = fmt.fmt.pix
        planes = (MemoryPlane(pix.bytesperline, pix.sizeimage),)
    return Format(pix.width, pix.height, raw.fourcc_text(pix.pixelformat), planes, pix.colorspace, pix.ycbcr_enc,
                  pix.quantization)


def write_format(buffer_type, width, height, fourcc, planes, size, stride, colours):
    """Make a `v4l2_format` that asks for these things."""
    fmt = raw.v4l2_format(type=buffer_type)
    pix = fmt.fmt.pix_mp if is_multiplanar(buffer_type) else fmt.fmt.pix
    pix.width, pix.height, pix.pixelformat, pix.field = width, height, raw.fourcc(fourcc), raw.V4L2_FIELD_NONE
    if colours is not None:
        pix.colorspace, pix.ycbcr_enc, pix.quantization = colours.colorspace, colours.ycbcr_enc, colours.quantization
    if not is_multiplanar(buffer_type):
        pix.sizeimage, pix.bytesperline = size, stride
        return fmt
    pix.num_planes = planes
    for plane in range(planes):
        pix.plane_fmt[plane].sizeimage, pix.plane_fmt[plane].bytesperline = size, stride
    return fmt
