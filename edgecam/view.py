"""The window through which guests (the live page, an exporter) look at a running pipeline.

A guest reads numbers, follows packets and events through bounded queues, looks at the newest
frame, and may turn the few controls. It can't reach into the rooms, and can't slow them.
"""
import threading
from collections import deque

from edgecam import clock
from edgecam.zones import parse_zones


class Tap:
    """A guest's own bounded queue of (packet, event); when full it is emptied and resumes at a keyframe.

    *keyframes_first*: start with a keyframe (a player needs that; a reader of events does not).
    A guest that has just come gets a keyframe of its own; one that fell behind waits for the
    next that comes anyway, so that slow guests cost the others no bits.
    """

    def __init__(self, size, keyframes_first, closed):
        self._items, self._size, self._closed_by = deque(), size, closed
        self._ready = threading.Condition()
        self._skipping, self._waits_for_key, self.ended = keyframes_first, keyframes_first, False
        self._new = True
        self.drops = 0

    def put(self, packet, event):
        """Queue one pair without waiting; return whether a keyframe is wanted for a guest that has just come."""
        with self._ready:
            if len(self._items) >= self._size:
                self.drops += len(self._items)
                self._items.clear()
                self._skipping = self._waits_for_key
            if self._skipping and not packet.keyframe:
                self.drops += 1
                return self._new
            self._skipping = self._new = False
            self._items.append((packet, event))
            self._ready.notify()
            return False

    def get(self, timeout=None):
        """Return the next (packet, event), or None when *timeout* passed or the pipeline ended."""
        with self._ready:
            self._ready.wait_for(lambda: self._items or self.ended, timeout)
            return self._items.popleft() if self._items else None

    def end(self):
        with self._ready:
            self.ended = True
            self._ready.notify_all()

    def close(self):
        """Leave; closing twice is fine."""
        self._closed_by(self)

    def __len__(self):
        return len(self._items)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Glance:
    """The newest frame and its event; the frame is under a lease that `close` gives back."""

    def __init__(self, frame, event):
        self.frame, self.event = frame, event

    def close(self):
        if self.frame is not None:
            self.frame.release()
            self.frame = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class View:
    """One camera's pipeline as its guests see it.

    Attributes: *name* of the camera, *source* (the input, credentials hidden), *mode*,
    *video* (`VideoFormat`), *stream* (`StreamFormat`), None until they are known; *zones*, a list of `Zone`.
    Raises `ConfigError` for zones that make no sense.
    """

    KEYFRAME_EVERY = 1.0        # seconds: guests can't ask for more

    def __init__(self, name, source, settings):
        self.name, self.source, self._settings = name, source, settings
        self.mode = self.video = self.stream = None
        self.zones = parse_zones(settings.zones)
        self.started = clock.now()
        self._taps, self._lock = [], threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._frame, self._event, self._ended = None, None, False
        self.published = None                   # clock of the newest packet
        self._asked_keyframe = float("-inf")
        self._pipeline = None                   # from the moment that its rooms are open

    # -- for guests -------------------------------------------------------------------------------

    @property
    def ended(self):
        return self._ended

    def stats(self):
        """Return the numbers of this moment as plain values (see docs/stats in the API's document)."""
        return pipeline_stats(self._pipeline) if self._pipeline is not None else {}

    def config(self):
        """Return the settings in force as plain values, secrets hidden."""
        settings = self._settings.redacted()
        for key, value in (self._pipeline.controls.changed if self._pipeline is not None else {}).items():
            section, name = key.split(".")
            settings[section][name] = value
        return settings

    def follow(self, size=90, keyframes_first=True):
        """Return a `Tap` of at most *size* queued packets; asks the encoder for a keyframe if it needs one."""
        tap = Tap(size, keyframes_first, self._leave)
        with self._lock:
            self._taps.append(tap)
            if self._ended:
                tap.end()
        if keyframes_first:
            self.request_keyframe()
        return tap

    def glance(self, after=-1, timeout=None):
        """Wait for a frame newer than number *after* and return a `Glance`, or None."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._frame is not None and self._frame.number > after, timeout)
            if self._frame is None or self._frame.number <= after:
                return None
            return Glance(self._frame.hold(), self._event)

    def request_keyframe(self):
        """Ask for a keyframe, at most once a second for all guests together; return whether it was passed on."""
        now = clock.now()
        with self._lock:
            if now - self._asked_keyframe < self.KEYFRAME_EVERY:
                return False
            self._asked_keyframe = now
        if self._pipeline is not None:
            self._pipeline.encoder.request_keyframe()
        return True

    def controls(self):
        """Return {name: {"value", "min", "max", "step", ...}} of what can be changed while running."""
        return self._pipeline.controls.read() if self._pipeline is not None else {}

    def set_control(self, name, value):
        """Change one control. Raises `KeyError` for an unknown name, `ValueError` for a bad value."""
        self.set_controls({name: value})

    def set_controls(self, changes):
        """Change controls, {name: value}, all of them or none. Raises as `set_control` does."""
        if self._pipeline is None:
            raise KeyError(", ".join(changes))
        self._pipeline.controls.change(changes)
        self.stream = self.stream._replace(bitrate=self._pipeline.controls.bitrate)

    # -- for the pipeline -------------------------------------------------------------------------

    def open(self, pipeline):
        """The rooms of *pipeline* are open: formats are known, controls work."""
        self.video, self.stream, self._pipeline = pipeline.camera.format, pipeline.encoder.format, pipeline

    def publish(self, frame, packet, event):
        """Give one encoded frame to all guests; never waits."""
        with self._changed:
            taps = list(self._taps)
            old, self._frame = self._frame, frame.hold()
            self._event, self.published = event, clock.now()
            self._changed.notify_all()
        if old is not None:
            old.release()
        wanted = [tap.put(packet, event) for tap in taps]
        if any(wanted):
            self.request_keyframe()

    @property
    def guests(self):
        return len(self._taps)

    def end(self):
        """No more frames will come."""
        with self._changed:
            self._ended = True
            old, self._frame = self._frame, None
            taps = list(self._taps)
            self._changed.notify_all()
        if old is not None:
            old.release()
        for tap in taps:
            tap.end()

    def _leave(self, tap):
        with self._lock:
            if tap in self._taps:
                self._taps.remove(tap)
        tap.end()


def pipeline_stats(pipeline):
    """Return the numbers of a running pipeline as plain values."""
    camera, now = pipeline.camera, clock.now()
    stats = pipeline.stats.as_dict(now)
    stats.update(mode=pipeline.mode, detector=pipeline.detector_name, encoder=pipeline.encoder.name,
                 seconds=round(pipeline.stats.seconds, 3), outputs=pipeline.outputs.stats(),
                 drops={"capture": camera.drops, "outputs": sum(o["drops"] for o in pipeline.outputs.stats()),
                        "events": pipeline.events.drops if pipeline.events else 0},
                 reconnects=camera.reconnects, broken=camera.broken, bits=pipeline.encoder.spent(), newest_frame_age=frame_age(pipeline.stats, now))
    return stats


def frame_age(stats, now):
    """Seconds since the newest frame came, or None before the first."""
    return round(now - stats.last, 3) if stats.last is not None else None
