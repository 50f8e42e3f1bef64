"""What all V4L2 encoders share: raw pictures go into the OUTPUT queue, packets come out of CAPTURE."""
import logging
from collections import deque
from fractions import Fraction

from edgecam.encode.encoder import Encoder
from edgecam.encode.v4l2_framing import FRAMINGS
from edgecam.encode.v4l2_input import check, check_range, even, extending, lies_alike, painter
from edgecam.errors import EncoderError, reason
from edgecam.v4l2 import raw
from edgecam.v4l2.dmabuf import DmaBuf
from edgecam.v4l2.layout import PICTURES, colour_planes
from edgecam.vocabulary import Packet, StreamFormat

log = logging.getLogger(__name__)

STALL = 2.0             # seconds without a packet or a free buffer: the encoder is stuck
INPUTS = 8              # OUTPUT buffers asked for; a camera's descriptors each keep one of them
OUTPUTS = 6             # CAPTURE buffers


class M2MEncoder(Encoder):
    """The common part; a profile overrides the steps that differ.

    Buffers are made with the first frame, which shows whether pictures come as dma-buf
    descriptors (handed on, nothing is copied) or as views (copied once). *copies* counts
    the frames that were copied.
    """

    def __init__(self, settings, video_format, device, codec="h264"):
        check(video_format)
        self._settings, self._video, self.device = settings, video_format, device
        self.codec, (self._coded_fourcc, framing) = codec, FRAMINGS[codec]
        self._framing = framing()
        self._size = even(video_format)
        self.format = StreamFormat(codec, self._size[0], self._size[1], Fraction(video_format.rate),
                                   Fraction(video_format.time_base), settings.bitrate)
        self._raw = self._coded = None              # queues
        self._imports, self._slots = False, {}      # DMABUF: descriptors -> the buffer that knows them
        self._free = deque()                        # OUTPUT buffers that we have
        self._inside = deque()                      # (microseconds, pts, number, time) of frames, in the order they went in
        self._rate_wanted, self._range_wanted = settings.bitrate, (settings.min_qp, settings.max_qp)
        self._key_wanted = False
        self._wishes = False                        # whether one of these may be new; set last, cleared first
        self._last_key = None                       # pts of the newest keyframe, asked for or come by itself
        self._time_base = self.format.time_base
        self._tick = 1e6 * float(self.format.time_base)     # microseconds; Fractions are too slow for each frame
        self._interval = (settings.keyframe_interval - 1e-6) * 1e6 / self._tick
        self._last, self._started, self._closed = -1, False, False
        self.copies = self.broken = 0

    # -- steps of a profile -------------------------------------------------------------------------

    def _wait_free(self):
        """Return a free OUTPUT buffer; raises `EncoderError` when none comes."""
        raise NotImplementedError

    def _attach(self, buffer, plan):
        """Tell the device what else belongs to the picture in *buffer*."""

    def _ready_packets(self):
        """Return the packets that have come out, without waiting."""
        raise NotImplementedError

    def _wait_packets(self, behind):
        """Return packets until no more than *behind* frames are inside, or a frame's time has passed."""
        raise NotImplementedError

    def _begin(self):
        """Everything between the buffers and the first frame."""
        raise NotImplementedError

    def _change_rate(self, bits_per_second):
        raise NotImplementedError

    def _change_range(self, low, high):
        """Set a QP range; return the packets that came out on the way."""
        raise NotImplementedError

    def _check_range(self, low, high):
        """Raise `EncoderError` for a QP range that this encoder can't have."""

    def _force_keyframe(self):
        raise NotImplementedError

    # -- setting up ---------------------------------------------------------------------------------

    def _start(self, frame):
        """Make the queues' buffers as the first frame needs them, and start."""
        self._imports = self._can_import(frame)
        self._raw.request(INPUTS, raw.V4L2_MEMORY_DMABUF if self._imports else raw.V4L2_MEMORY_MMAP, len(self._input.planes))
        if not self._imports:
            self._map_inputs()
            colours = colour_planes(self._input, *self._size)
            for buffer in self._raw.buffers:
                buffer.owner = tuple(plane.view(buffer.memory) for plane in colours)
            self._paint = painter(self._video.fourcc, PICTURES[self._input.fourcc][0])
            if self._size != (self._video.width, self._video.height):
                self._paint = extending(self._paint)
        log.info("%s: %dx%d %s to %s, %s", self.device.path, self._video.width, self._video.height, self._input.fourcc,
                 self.codec, "pictures as dma-buf, without copies" if self._imports else "pictures are copied once")
        self._free.extend(self._raw.buffers)
        for buffer in self._raw.buffers:
            buffer.set_bytesused(self._bytesused())
        self._patience = min(max(1 / float(self._video.rate), 0.02), 0.2)
        self._begin()
        self._started = True

    def _map_inputs(self):
        self._raw.map()

    def _can_import(self, frame):
        """Whether the frame's descriptors lie in memory exactly as the encoder reads it."""
        native = frame.native
        if not isinstance(native, DmaBuf) or not native.fds or self._size != (self._video.width, self._video.height):
            return False
        same = lies_alike(native.format, self._input)
        if not same:
            log.info("%s: dma-buf pictures are %r, the encoder reads %r", self.device.path, native.format, self._input)
        return same

    def _bytesused(self):
        return tuple(plane.size for plane in self._input.planes)

    # -- a frame's way ------------------------------------------------------------------------------

    def encode(self, frame, plan):
        self._check(frame)
        wished = self._wishes
        if wished:
            self._wishes = False
        packets = self._apply_range() if wished else []
        if not self._started:
            self._translate(self._start, frame)
        if wished or self._key_due(frame.pts):
            self._apply_wishes(frame.pts)
        if self._inside:
            packets += self._ready_packets()
        behind = len(self._inside)          # an encoder that keeps frames back by design is not waited for
        buffer = self._slot_of(frame) if self._imports else self._wait_free()
        self._load(buffer, frame)
        self._attach(buffer, plan)
        self._submit(buffer, frame)
        return packets + self._wait_packets(behind)

    def _check(self, frame):
        if self._closed:
            raise EncoderError("the encoder is closed")
        got, want = frame.format, self._video
        if got is not want and (got.width, got.height, got.fourcc) != (want.width, want.height, want.fourcc):
            raise EncoderError("frame {} is {}x{} {}, but the encoder was opened for {}x{} {}".format(
                frame.number, got.width, got.height, got.fourcc, want.width, want.height, want.fourcc))

    def _translate(self, step, *arguments):
        """Do *step*; an `OSError` of the driver becomes an `EncoderError`."""
        try:
            return step(*arguments)
        except OSError as error:
            raise EncoderError("{}: {}: {}".format(self.device.path, step.__name__.strip("_").replace("_", " "),
                                                   reason(error))) from error

    def _apply_range(self):
        wanted = self._range_wanted
        if wanted == (self._settings.min_qp, self._settings.max_qp):
            return []
        self._settings = self._settings.replace(min_qp=wanted[0], max_qp=wanted[1])
        return self._translate(self._change_range, *wanted)

    def _apply_wishes(self, pts):
        """Rates and keyframes that were asked for, perhaps by another thread, or that are due."""
        rate = self._rate_wanted
        if rate != self.format.bitrate:
            self._translate(self._change_rate, rate)
            self.format = self.format._replace(bitrate=rate)
        if self._key_wanted or self._key_due(pts):
            self._key_wanted = False
            self._translate(self._force_keyframe)
            self._last_key = pts

    def _key_due(self, pts):
        """Devices count frames between keyframes; when frames are rare the interval is over sooner."""
        if self._last_key is None:
            self._last_key = pts                # the first one is a keyframe by itself
        return pts - self._last_key >= self._interval

    def _slot_of(self, frame):
        """Return the OUTPUT buffer that these descriptors had before: the driver then knows their memory already."""
        native = frame.native
        if not isinstance(native, DmaBuf):
            raise EncoderError("frame {} comes without a dma-buf, but the first one had one".format(frame.number))
        known = self._slots.get(native.fds)
        if known is not None and known in self._free:
            self._free.remove(known)
            return known
        buffer = self._wait_free()
        self._slots = {fds: slot for fds, slot in self._slots.items() if slot is not buffer}
        self._slots[native.fds] = buffer
        self._import(buffer, native)
        return buffer

    def _load(self, buffer, frame):
        if self._imports:
            buffer.owner = frame.hold()
        else:
            if not frame.planes:
                raise EncoderError("frame {} lives in device memory, but the first one did not".format(frame.number))
            self._paint(frame.planes, buffer.owner)
            self.copies += 1

    def _import(self, buffer, native):
        buffer.import_fds(native.fds, native.bytesused)
        buffer.set_bytesused(native.bytesused)

    def _submit(self, buffer, frame):
        microseconds = int(frame.pts * self._tick)
        if microseconds <= self._last:
            microseconds = self._last + 1
        self._last = microseconds
        buffer.raw.flags = raw.V4L2_BUF_FLAG_TIMESTAMP_COPY
        buffer.set_time(microseconds)
        self._inside.append((microseconds, frame.pts, frame.number, frame.time))
        self._translate(self._raw.enqueue, buffer)

    def _take_input_back(self, buffer):
        """An OUTPUT buffer was read: its frame may go home."""
        if self._imports:
            frame, buffer.owner = buffer.owner, None
            frame.release()
        self._free.append(buffer)

    def _packet(self, payload, flags, microseconds, qp=None):
        """Make the `Packet` of a CAPTURE buffer; None for headers alone and for broken pictures."""
        if flags & raw.V4L2_BUF_FLAG_ERROR:
            self.broken += 1
            log.warning("%s: the encoder marked a picture as broken; asking for a keyframe", self.device.path)
            self.request_keyframe()
            self._passenger(microseconds)
            return None
        framed = self._framing.feed(payload, flags)
        if framed is None:
            return None
        passenger = self._passenger(microseconds)
        if passenger is None:
            log.warning("%s: a packet belongs to no frame (time %d us)", self.device.path, microseconds)
            return None
        _, pts, number, time = passenger
        if framed[1]:
            self._last_key = max(self._last_key, pts)
        return Packet(framed[0], pts, self._time_base, framed[1], number, time, qp)

    def _passenger(self, microseconds):
        """Return who has this time stamp; frames before it that the encoder skipped are forgotten."""
        while self._inside and self._inside[0][0] <= microseconds:
            passenger = self._inside.popleft()
            if passenger[0] == microseconds:
                return passenger
            log.debug("%s: the encoder skipped frame %d", self.device.path, passenger[2])
        return None

    # -- the rest of the promise --------------------------------------------------------------------

    def set_bitrate(self, bits_per_second):
        if bits_per_second < 1000:
            raise EncoderError("a bitrate of {} bit/s is too low: at least 1000".format(bits_per_second))
        self._rate_wanted = int(bits_per_second)
        self._wishes = True

    def set_qp_range(self, low, high):
        check_range(low, high)
        self._check_range(low, high)
        self._range_wanted = low, high
        self._wishes = True

    def request_keyframe(self):
        self._key_wanted = self._wishes = True

    def close(self):
        if not self._closed:
            self._closed = True
            self._end()

    def _end(self):
        """End the session: stop, give everything back, close the device."""
        self._stop()
        lent = [buffer.owner for buffer in self._raw.buffers if buffer.owner is not None] if self._imports else []
        self._close_device()
        for frame in lent:                  # now that no device reads them any more
            frame.release()

    def _forget(self):
        """Be as before the first frame; what the encoder was told to do stays."""
        self._started, self._imports, self._last_key = False, False, None
        for part in (self._slots, self._free, self._inside):
            part.clear()

    def _close_device(self):
        self.device.close()

    def _stop(self):
        """Whatever must end before the device is closed."""
