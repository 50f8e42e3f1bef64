"""Numbers about a running pipeline: counters, and how long things took.

All of it has a fixed size, so that a camera that runs for a year needs the memory of one
that runs for a minute.
"""
import math
import threading
from collections import deque

LOWEST = 1e-5           # seconds; everything faster shares the first bin
STEP = 1.04             # width of a bin: quantiles are right to 2 %
BINS = 420              # reaches to LOWEST * STEP ** BINS = 142 s


class Histogram:
    """Durations in logarithmic bins; `add` is cheap and one thread's business, reading is anybody's."""

    def __init__(self):
        self._bins = [0] * BINS
        self.count, self.total, self.largest = 0, 0.0, 0.0

    def add(self, seconds):
        index = int(math.log(seconds / LOWEST) / math.log(STEP)) if seconds > LOWEST else 0
        self._bins[min(index, BINS - 1)] += 1
        self.count += 1
        self.total += seconds
        self.largest = max(self.largest, seconds)

    @property
    def mean(self):
        return self.total / self.count if self.count else 0.0

    def quantile(self, share):
        """Return the duration in seconds that *share* (0..1) of all stay below; 0 when there are none."""
        wanted, seen = share * self.count, 0
        for index, count in enumerate(self._bins):
            seen += count
            if count and seen >= wanted:
                return min(LOWEST * STEP ** (index + 0.5), self.largest)
        return 0.0

    def as_dict(self):
        """Milliseconds: {"count", "mean", "p50", "p99", "max"}."""
        return {"count": self.count, "mean": round(1e3 * self.mean, 3), "p50": round(1e3 * self.quantile(.5), 3),
                "p99": round(1e3 * self.quantile(.99), 3), "max": round(1e3 * self.largest, 3)}


class Rate:
    """How many, and how much, a second over the last few seconds."""

    def __init__(self, window=3.0):
        self._window, self._events = window, deque(maxlen=4096)

    def add(self, now, amount=1):
        self._events.append((now, amount))
        while now - self._events[0][0] >= self._window:
            self._events.popleft()

    def per_second(self, now):
        """Return the events per second at the time *now*: what the steps between them say, less in a silence, 0 with fewer than two."""
        recent = [time for time, _ in list(self._events) if now - time < self._window]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(recent[-1] - recent[0], (now - recent[0]) * (1 - 1.0 / len(recent)), 1e-3)

    def lately(self):
        """Return the amount per second from the first to the last of the recent events; each lasts until the next, the last one nobody knows how long."""
        recent = list(self._events)
        span = recent[-1][0] - recent[0][0] if recent else 0
        return sum(a for _, a in recent[:-1]) / span if span else 0.0


class Stats:
    """What one pipeline counts. Written by its lanes, read by anybody through `as_dict`."""

    STAGES = ("wait", "motion", "plan", "encode", "output", "detect", "track", "latency")

    def __init__(self):
        self.frames = self.encoded = self.detected = self.keyframes = self.bytes = 0
        self.skipped = 0                    # frames that the detector did not look at
        self.not_encoded = 0                # frames that the encoder took and gave no packet for
        self.stages = {name: Histogram() for name in self.STAGES}
        self.captured_rate, self.encoded_rate, self.detected_rate = Rate(), Rate(), Rate()
        self.media_rate = Rate()            # by the video's own time, which a run as fast as it can leaves behind
        self.first = self.last = None       # clock of the first and the last frame
        self.span = 0.0                     # seconds of video from the first packet to the last
        self._begin = None
        self.motion = {"source": "off", "confidence": None}     # what tells the camera's motion, how sure it was lately
        self._lock = threading.Lock()

    def captured(self, now):
        with self._lock:
            self.frames += 1
            self.first = now if self.first is None else self.first
            self.last = now
        self.captured_rate.add(now)

    def packet(self, now, packet):
        with self._lock:
            self._begin = packet.seconds if self._begin is None else self._begin
            self.span = packet.seconds - self._begin
            self.media_rate.add(packet.seconds, 8 * len(packet.payload))
            self.encoded += 1
            self.bytes += len(packet.payload)
            self.keyframes += packet.keyframe
        self.encoded_rate.add(now)

    def detection(self, now):
        with self._lock:
            self.detected += 1
        self.detected_rate.add(now)

    def skip(self):
        """Count a frame that the detector did not look at; both lanes pass frames over, at times together."""
        with self._lock:
            self.skipped += 1

    @property
    def seconds(self):
        return self.last - self.first if self.first is not None else 0.0

    def per_second(self, count):
        """Return *count*, of something that frames bring, a second of the run; its n frames are n - 1 steps from first to last."""
        return count * (1 - 1.0 / self.frames) / self.seconds if self.seconds else 0.0

    def bitrate(self, now):
        """Return the bits per second of the video of late, by its own time; 0 where none has come for a while."""
        flows = self.encoded_rate.per_second(now)
        return int(self.media_rate.lately()) if flows else 0

    def as_dict(self, now):
        return {
            "frames": {"captured": self.frames, "encoded": self.encoded, "detected": self.detected,
                       "not_detected": self.skipped, "not_encoded": self.not_encoded, "keyframes": self.keyframes},
            "fps": {"captured": round(self.captured_rate.per_second(now), 2), "encoded": round(self.encoded_rate.per_second(now), 2),
                    "detected": round(self.detected_rate.per_second(now), 2)},
            "bitrate": self.bitrate(now), "bytes": self.bytes, "motion": self.motion,
            "stages_ms": {name: histogram.as_dict() for name, histogram in self.stages.items() if histogram.count},
        }
