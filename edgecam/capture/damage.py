"""What comes damaged from a file or a stream: counted, and the first of it said.

FFmpeg mends what it can and goes on. Its decoder marks the pictures that it has mended (not so H.264's with slice threads, which
we do not use), and the container marks packets where a part is missing: a picture that is gone is not missed by the decoder.
"""
import logging

from edgecam.capture.timeline import JUMP

log = logging.getLogger(__name__)

SEAM = 2                # packets from a marked one to the first behind a seam: FFmpeg's parser puts the mark one too early


class Damage:
    """Told of each packet before it is decoded, of what can't be decoded, and of each picture. *shown* is how messages call the source."""

    def __init__(self, shown):
        self._shown, self._told = shown, False
        self.skipped = 0                        # packets that could not be decoded
        self._incomplete = self._mended = 0     # packets that the container marked, pictures that the decoder marked
        self._before, self._marked = None, []   # the last packet's end; for each marked one, the packets to wait for a seam

    @property
    def frames(self):
        """Frames that came damaged. Both marks may tell of one damage, and do not say so: at least as many as there are of either."""
        return max(self._incomplete, self._mended)

    @property
    def count(self):
        return self.skipped + self.frames

    def packet(self, packet):
        """Count a packet that is marked as incomplete, unless a seam follows.

        Where transport streams were put together their packets' numbers begin anew, which looks like a loss; nothing is missing there.
        """
        if not follows(self._before, packet):
            self._marked = []
        self._before = packet.dts, packet.time_base
        if packet.is_corrupt:
            self._marked.append(SEAM + 1)
        self._marked = [left - 1 for left in self._marked]
        while self._marked and (self._marked[0] == 0 or not packet.size):       # the flushing packet is the last
            del self._marked[0]
            self._incomplete += 1
            self._say("a packet is incomplete")

    def picture(self, picture, number):
        """Count a picture that the decoder had to mend."""
        if picture.is_corrupt:
            self._mended += 1
            self._say("frame {} came damaged, and is passed on as the decoder mended it".format(number))

    def skip(self, why):
        """Count what was being decoded when the decoder gave up."""
        self.skipped += 1
        self._say("a packet can't be decoded and is skipped: {}".format(why))

    def _say(self, what):
        log.log(logging.DEBUG if self._told else logging.WARNING, "%s: %s%s", self._shown, what,
                "" if self._told else "; what else is damaged is counted")
        self._told = True

    def words(self):
        """Return what there was, "" for nothing."""
        frames = "{} frame{} came damaged".format(self.frames, "" if self.frames == 1 else "s")
        packets = "{} packet{} could not be decoded and {} skipped".format(self.skipped, *(("", "was") if self.skipped == 1 else ("s", "were")))
        return ", ".join(words for words, count in ((frames, self.frames), (packets, self.skipped)) if count)


def follows(before, packet):
    """Whether *packet* goes on where *before*, (dts, time base) or None, has ended, as far as their times tell."""
    if before is None or before[0] is None or packet.dts is None:
        return True
    return 0 < (packet.dts - before[0]) * before[1] <= JUMP
