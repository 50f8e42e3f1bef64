"""Where the bits go while an encoder runs: samples a packet now and then, in a thread of its own."""
import queue

from edgecam.encode.qp import PacketReader, inside
from edgecam.worker import Worker

EVERY = 1.0         # seconds between two samples of one kind
IDLE = 0.2          # seconds the thread waits at a time
PATIENCE = 60       # seconds that closing waits for the samples in hand: milliseconds of work, but the machine may be busy
WAITING = 8         # samples; when the machine is too busy to look, further ones are let go


class Tally:
    """The packets of one kind, keyframes or others: all counted, some looked into."""

    def __init__(self):
        self.frames = self.bytes = 0                # of all packets
        self.samples = 0
        self.next = float("-inf")                   # time of the next sample
        self.area = self.bits = 0.0                 # sums over samples of the shares inside
        self.qp, self.blocks = [0.0, 0.0], [0, 0]   # sums over macroblocks outside and inside

    def due(self, size, time):
        """Count a packet, and tell whether to look into it."""
        self.frames += 1
        self.bytes += size
        if time < self.next:
            return False
        self.next = time + EVERY
        return True

    def add(self, look, mask):
        """Take in the `Look` at a packet whose regions are *mask*."""
        total = float(look.bits.sum())
        self.samples += 1
        self.area += float(mask.mean())
        self.bits += float(look.bits[mask].sum()) / total if total else 0.0
        if not mask.any():
            return                      # a frame without regions says nothing about inside against outside
        for where, chosen in enumerate((~mask, mask)):
            self.qp[where] += float(look.qp[chosen].sum())
            self.blocks[where] += int(chosen.sum())


class Meter:
    """Estimates from samples what the regions get; *av* is the module PyAV."""

    def __init__(self, av):
        self._reader = PacketReader(av)
        self._tallies = {True: Tally(), False: Tally()}         # keyframes, others
        self._samples = queue.Queue(WAITING)
        self._worker = None

    def count(self, packet, plan):
        """Take notice of every packet; costs next to nothing."""
        if not self._tallies[packet.keyframe].due(len(packet.payload), packet.time):
            return
        if packet.keyframe:
            self._reader.remember(packet.payload)
        if self._worker is None:
            self._worker = Worker("bits", self._work).start()
        if not self._samples.full():
            self._samples.put((packet, plan))

    def _work(self, stopping):
        while not (stopping.is_set() and self._samples.empty()):
            try:
                packet, plan = self._samples.get(timeout=IDLE)
            except queue.Empty:
                continue
            tally = self._tallies[packet.keyframe]
            if stopping.is_set() and tally.samples:
                continue                    # enough is known; whoever closes is not kept waiting
            look = self._reader.look(packet.payload, packet.keyframe)
            if look is not None:
                tally.add(look, inside(plan, look.qp.shape))

    def spent(self):
        """Return the averages so far as `Encoder.spent` promises them, None before the first sample."""
        seen = [tally for tally in self._tallies.values() if tally.samples]
        if not seen:
            return None
        return {"area_share": average([(tally.area / tally.samples, tally.frames) for tally in seen]),
                "bits_share": average([(tally.bits / tally.samples, tally.bytes) for tally in seen]),
                "qp_inside": mean_qp(seen, 1), "qp_outside": mean_qp(seen, 0)}

    def close(self):
        """Look into what is still waiting where nothing is known yet, and end the thread."""
        if self._worker is not None:
            self._worker.stop(PATIENCE)
            self._worker.check()
            self._worker = None


def mean_qp(tallies, where):
    """Return the average QP over the macroblocks outside (0) or inside (1), None where there were none."""
    known = [(tally.qp[where] / tally.blocks[where], tally.frames) for tally in tallies if tally.blocks[where]]
    return average(known) if known else None


def average(pairs):
    """Return the mean of (value, weight) pairs."""
    return sum(value * weight for value, weight in pairs) / max(sum(weight for _, weight in pairs), 1)
