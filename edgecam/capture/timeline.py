"""The times of a file's frames: from 0, always growing, and without the jumps that no camera has made.

Transport streams that were put together, recorded across a restart or damaged jump in their timestamps, back to
the start or on by a day. FFmpeg's program bridges such jumps for its outputs, and so is it done here, by its limits.
"""
import logging
from collections import deque
from statistics import median_low

log = logging.getLogger(__name__)

TS_DISCONT = 0x200      # AVFMT_TS_DISCONT: the container's timestamps may jump
JUMP = 10.0             # seconds forwards in such a container (FFmpeg: dts_delta_threshold); a shorter gap may be real
ERROR = 108000.0        # seconds forwards in any other (dts_error_threshold): a recording may well pause for an hour
BACK = 0.1              # seconds backwards; what is less may be pictures in the wrong order, or coarse stamps
REORDERED = 4           # frames backwards, where they last longer: three B-frames that the decoder did not expect
RECENT = 9              # steps from frame to frame whose median is one frame's time
TOLD = 10               # jumps that are logged; a damaged file may have thousands


class Timeline:
    """Places frames one after the other. *step* is the time of a frame, where nothing better is known.

    *step* and pts are in units of *time_base*; *jumpy*: the container's timestamps may jump.
    *shown* is how messages call the file.
    """

    def __init__(self, shown, step, time_base, jumpy):
        self._shown, self._step, self._base = shown, step, time_base
        self._limit, self._back = (JUMP if jumpy else ERROR) / float(time_base), BACK / float(time_base)
        self._shift = self._last = self._last_stamp = None
        self._steps, self._jumps = deque(maxlen=RECENT), 0

    def place(self, stamp, number):
        """Return the pts of frame *number*, whose timestamp in the file is *stamp* (None: it has none)."""
        if self._last is None:
            self._shift, pts = -(stamp or 0), 0
        elif stamp is None:
            pts = self._last + self._step
        else:
            pts = self._follow(stamp, number)
        self._last, self._last_stamp = pts, pts - self._shift if stamp is None else stamp
        return pts

    def _follow(self, stamp, number):
        ahead, step = stamp + self._shift - self._last, self._usual()
        if ahead > self._limit or -ahead > max(self._back, REORDERED * step):
            self._shift += step - ahead
            self._say(stamp, number, step)
            return self._last + step
        if ahead > 0:
            self._steps.append(ahead)
        return self._last + max(ahead, 1)

    def _usual(self):
        """One frame's time by the frames of late: at such a seam, the rate that the container claims is often wrong."""
        return median_low(self._steps) if self._steps else self._step

    def _say(self, stamp, number, step):
        self._jumps += 1
        log.log(logging.WARNING if self._jumps <= TOLD else logging.DEBUG,
                "%s: its timestamps jump from %.3f s to %.3f s at frame %d: it is placed %.3f s after the one before, and all that follow are shifted with it%s",
                self._shown, self._last_stamp * self._base, stamp * self._base, number, step * self._base,
                "; further jumps are bridged without a word" if self._jumps == TOLD else "")


def may_jump(container):
    """Whether timestamps in this PyAV container may jump by its nature, as in MPEG-TS, and HLS which is made of it."""
    return bool(int(container.format.flags) & TS_DISCONT)
