"""Recording as fragmented MP4: playable up to the last fragment, however the recording ended."""
import logging

from edgecam import mp4
from edgecam.errors import OutputError
from edgecam.h264 import nal_units, parameter_sets
from edgecam.naming import NewName
from edgecam.outputs.output import Output
from edgecam.outputs.recording import begin_recording

log = logging.getLogger(__name__)
MEHD_SIZE = 20


class Mp4Output(Output):
    """Writes x.mp4 in fragments of at most *fragment* seconds, each keyframe opening a new one.

    Times are the packets' own, counted from the first; each frame lasts until the next,
    the last one as long as the stream's rate says. When the parameter sets change (a new
    picture size), the recording goes on in x-2.mp4. With *sync* each fragment is on the
    disk before the next is begun, so that a power cut costs no more than a crash. Without
    *overwrite* files that hold an earlier recording are passed over, and what other outputs have
    *claimed* always (`NewName`).
    """

    def __init__(self, url, fragment=1.0, sync=False, overwrite=False, claimed=None):
        self.url, self._length, self._sync = url, fragment, sync
        self._stream, self._name, self.files = None, NewName(url, overwrite, claimed), []
        self._file, self._movie = None, None

    @property
    def held(self):
        return self._movie.held if self._movie is not None else (0, 0)

    def open(self, stream):
        self._stream = stream
        self._file = self._next_file()                          # early, so that a bad path is told at once

    def _next_file(self):
        file = begin_recording(self._name, self._sync)
        self.files.append(file.path)
        return file

    def write(self, packet):
        if packet.keyframe:
            self._enter(packet)
        if self._movie is not None:
            self._movie.add(packet)

    def _enter(self, packet):
        """Begin a new file where the keyframe's parameter sets are new."""
        sets = parameter_sets(nal_units(packet.payload))
        if self._movie is None:
            self._begin(packet, sets)
        elif all(sets) and sets != self._movie.sets:
            self._movie.finish()
            self._file = self._next_file()
            log.warning("%s: the stream's parameters changed, recording goes on in %s", self.url, self._file.path)
            self._begin(packet, sets)

    def _begin(self, packet, sets):
        if not all(sets):
            raise OutputError("{}: keyframe {} comes without SPS or PPS".format(self.url, packet.number))
        try:
            self._movie = Movie(self._file, sets, packet, self._stream.rate, self._length)
        except ValueError as error:
            raise OutputError("{}: {}".format(self.url, error)) from error

    def idle(self):
        if self._movie is not None:
            self._movie.flush()

    def close(self):
        if self._movie is not None:
            self._movie.finish()
        if self._file is not None:
            self._file.close()


class Movie:
    """One fragmented MP4 in the making."""

    def __init__(self, file, sets, first, rate, length):
        self.sets, self._file = sets, file
        self._scale, timescale = first.time_base.numerator, first.time_base.denominator
        self._nominal = max(round(timescale / (rate or 25)), 1)
        self._longest = length * timescale
        self._origin = first.pts * self._scale          # tick 0 of the file
        self._newest = None                             # (units, tick, keyframe), waits for its duration
        self._samples, self._start = [], 0              # of the fragment that is being collected
        self._waiting = []                              # sizes of the packets that are not in the file
        self._sequence, self._end, self._keyframes = 0, 0, []       # of what is in the file
        self._head = mp4.init_segment(sets[0], sets[1], first.time_base, mp4.placeholder(MEHD_SIZE))
        self._mehd_at = self._head.index(b"free") - 4   # the head goes into the file with the first frames: alone it is no recording

    @property
    def held(self):
        """(Packets, bytes) that are not in the file; should it take no more, they never will be."""
        waiting = tuple(self._waiting)
        return len(waiting), sum(waiting)

    def add(self, packet):
        """Take the next packet; what came before it is complete, for now its duration is known."""
        tick = packet.pts * self._scale - self._origin
        if self._newest is not None:
            tick = self._grown(tick)
            self._complete(tick - self._newest[1])
            if packet.keyframe or tick - self._start + self._samples[-1][1] > self._longest:
                self.flush()
        if not self._samples:
            self._start = tick
        self._newest = mp4.sample(packet.payload), tick, packet.keyframe
        self._waiting.append(len(packet.payload))

    def _grown(self, tick):
        """Return *tick*, or where a clock jumped back, the end of the newest frame, and go on from there."""
        follows = self._newest[1] + self._nominal
        if tick > self._newest[1]:
            return tick
        log.warning("%s: a frame is older than the one before it; the recording goes on without a gap", self._file.path)
        self._origin += tick - follows
        return follows

    def _complete(self, duration):
        units, _, keyframe = self._newest
        self._samples.append((units, duration, keyframe))
        self._newest = None

    def flush(self):
        """Write the fragment that is being collected: every frame but the newest."""
        if not self._samples:
            return
        samples, self._samples = self._samples, []
        offset = self._file.size + len(self._head)
        self._file.append(self._head + mp4.moof_mdat(samples, self._start, self._sequence + 1))
        self._head = b""
        self._sequence += 1
        del self._waiting[:len(samples)]
        if samples[0][2]:
            self._keyframes.append((self._start, offset))
        self._start += sum(duration for _, duration, _ in samples)
        self._end = self._start

    def finish(self):
        """Write the rest, the duration and the index, and close the file; a broken file gets what still fits."""
        if self._file.closed:
            return
        try:
            if not self._file.broken:
                if self._newest is not None:
                    self._complete(self._nominal)
                self.flush()
                self._file.append(mp4.index(self._keyframes))
            if self._sequence:
                self._file.overwrite(self._mehd_at, mp4.mehd(self._end))
        finally:
            self._file.close()
