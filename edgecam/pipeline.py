"""The whole way of a frame: capture -> detect -> track -> roi -> encode -> outputs. Read this second.

`Pipeline._exact` is the story; `Pipeline._live` is the same one told by two lanes.
"""
import logging
import threading
from collections import OrderedDict
from contextlib import ExitStack
from typing import Any, NamedTuple

from edgecam import clock
from edgecam.calm import calm
from edgecam.capture import open_camera, parse_source
from edgecam.controls import Controls
from edgecam.detect import has_detector, open_detector, preload
from edgecam.encode import open_encoder
from edgecam.errors import CaptureTimeout
from edgecam.event_lane import open_events
from edgecam.events import make_event
from edgecam.lanes import DetectionLane
from edgecam.outputs import open_outputs
from edgecam.redaction import hide
from edgecam.roi import RoiPlanner, open_background
from edgecam.stats import Stats
from edgecam.track import Tracker, open_motion
from edgecam.twins import refuse_twins
from edgecam.view import View

log = logging.getLogger(__name__)

POLL = 0.5              # seconds: how soon a stop is noticed while no frame comes


class Passage(NamedTuple):
    """What is known about a frame while the encoder has it."""

    frame: Any
    tracks: list
    plan: Any
    seen: Any               # (frame time, detections) that became known with this frame, or None
    arrived: float          # on the clock, seconds


class Pipeline:
    """One camera's way through all rooms, by the settings *conf* (see `edgecam.load_config`).

    `run` does everything and returns when the source ends, *duration* is over or `stop` was
    called from elsewhere (a signal handler, another thread). *view* is the window for guests.
    """

    def __init__(self, conf, name="camera"):
        self.conf, self.mode = conf, choose_mode(conf)
        self.stats = Stats()
        self.view = View(name, hide(conf.capture.input), conf)
        self.view.mode = self.mode
        self.begun = False                  # whether there is anything open
        self._stopping = threading.Event()
        self._passing = OrderedDict()       # frame number -> Passage
        self.camera = self.encoder = self.outputs = self.events = self.detect = self.detector_name = None

    def stop(self):
        """End the run after the frame in hand; may be called from any thread, and twice."""
        self._stopping.set()

    def run(self):
        """Open everything, pass every frame, close everything; return the `Stats`."""
        refuse_twins(self.conf)
        with ExitStack() as rooms:
            preload(self.conf.detect)
            self._open(rooms)
            rooms.enter_context(calm())
            lane = self._exact if self.mode == "exact" else self._live
            if not self._stopping.is_set():
                lane()
            for packet in self.encoder.flush():
                self._deliver(packet)
        return self.stats

    def _open(self, rooms):
        conf, self.begun = self.conf, True
        self.camera = rooms.enter_context(open_camera(capture_settings(conf), keeps_time(conf, self.mode), self._stopping.is_set))
        rooms.callback(self._leave_none)
        video = self.camera.format
        self.view.source = self.camera.source
        log.info("%s: %dx%d %s, %.4g frames/s, %s mode", self.camera.source, video.width, video.height,
                 video.fourcc, float(video.rate), self.mode)
        rooms.callback(self.view.end)
        self.detect = detect_settings(conf, self.camera)
        self.motion = open_motion(conf.track)
        self.stats.motion = {"source": conf.track.motion, "confidence": None}
        size = video.width, video.height
        self.tracker = Tracker(conf.track, size)
        self.planner = RoiPlanner(conf.roi, size)
        self.background = open_background(conf.roi, size)
        self.encoder = rooms.enter_context(open_encoder(conf.encode, video))
        if conf.events.file:
            self.events = rooms.enter_context(open_events(conf.events.file, conf.outputs.overwrite, self.mode, self._stopping.is_set))
        self.outputs = rooms.enter_context(open_outputs(
            conf.outputs, self.encoder.format, request_keyframe=self.encoder.request_keyframe, lossless=self.mode == "exact",
            stopping=self._stopping.is_set))
        self.controls = Controls(self)
        self.view.open(self)

    # -- the two ways -------------------------------------------------------------------------------

    def _exact(self):
        """Every frame waits for its own detections; nothing is dropped."""
        with open_detector(self.detect.replace(nice=0)) as detector:      # nothing runs beside it
            self.detector_name = detector.model
            for frame in self._frames():
                with frame:
                    arrived = clock.now()
                    seen = self._look(detector, frame, arrived)
                    self._follow_camera(frame)
                    tracks = self.tracker.update(seen[1] if seen else [], frame.time)
                    self._send(frame, tracks, seen, arrived)

    def _live(self):
        """Every frame leaves at once; the detector takes the newest, and the tracks are carried forward."""
        with DetectionLane(self.detect, self.tracker, self.stats) as lane:
            for frame in self._frames():
                with frame:
                    arrived = frame.time if self.camera.format.live else clock.now()
                    lane.threshold = self.controls.threshold
                    lane.offer(frame)
                    self._follow_camera(frame)
                    self._send(frame, self.tracker.at(frame.time), lane.news(), arrived)
                    lane.check()
                    self.detector_name = lane.detector and lane.detector.model

    # -- the steps ----------------------------------------------------------------------------------

    def _frames(self):
        """Yield frames until the source ends, the time is over, or somebody says stop."""
        duration = self.conf.pipeline.duration or float("inf")
        first = begun = None
        while not self._stopping.is_set():
            asked = clock.now()
            try:
                frame = self.camera.read(timeout=POLL)
            except CaptureTimeout:              # the next frame is later than now, also where frames have a time of their own
                if begun is not None and clock.now() - begun >= duration:
                    return
                continue
            if frame is None:
                return
            now = clock.now() if self.mode == "live" else frame.time
            if first is None:
                first, begun = now, clock.now()
            if now - first >= duration:
                frame.release()
                return
            self.stats.stages["wait"].add(clock.now() - asked)
            self.stats.captured(clock.now())
            yield frame

    def _look(self, detector, frame, started):
        """Return (frame time, detections), None where there is no detector."""
        if not has_detector(self.detect):
            return None
        detections = detector.detect(frame, self.controls.threshold)
        self.stats.detection(self._clocked("detect", started))
        return frame.time, detections

    def _follow_camera(self, frame):
        if self.motion is not None:
            started = clock.now()
            motion = self.motion.observe(frame)
            if motion is not None:
                self.tracker.move(motion)
            self.stats.motion = {"source": self.motion.source, "confidence": round(self.motion.confidence, 3)}
            self._clocked("motion", started)

    def _send(self, frame, tracks, seen, arrived):
        """Plan, encode, hand out."""
        started = clock.now()
        plan = self.planner.plan(tracks, frame.time)
        planned = self._clocked("plan", started)
        self._passing[frame.number] = Passage(frame.hold(), tracks, plan, seen, arrived)
        shown = self.background.apply(frame, plan) if self.background is not None else frame
        packets = self.encoder.encode(shown, plan)
        self._clocked("encode", planned)
        for packet in packets:
            self._deliver(packet)

    def _deliver(self, packet):
        """Everything that happens with one packet; the passage of its frame ends here."""
        passage = self._leave(packet.number)
        with passage.frame:                 # it goes home also where an output fails
            started = clock.now()
            self.outputs.write(packet)
            done = self._clocked("output", started)
            self.stats.packet(done, packet)
            self.stats.stages["latency"].add(done - passage.arrived)
            event = make_event(packet, self.mode, passage.seen, passage.tracks, passage.plan, done - passage.arrived,
                               (passage.frame.width, passage.frame.height))
            if self.events is not None:
                self.events.write(event)
            self.view.publish(passage.frame, packet, event)

    def _leave(self, number):
        """Return the passage of frame *number*; frames before it, which the encoder skipped, go home and are counted."""
        while True:
            first, passage = self._passing.popitem(last=False)
            if first == number:
                return passage
            self._send_home(passage)

    def _leave_none(self):
        """At the end: the encoder gives no more packets, of what it still had neither."""
        while self._passing:
            self._send_home(self._passing.popitem(last=False)[1])

    def _send_home(self, passage):
        passage.frame.release()
        self.stats.not_encoded += 1

    def _clocked(self, stage, started):
        now = clock.now()
        self.stats.stages[stage].add(now - started)
        return now


def choose_mode(conf):
    """Return "live" or "exact": files are exact unless somebody watches them on the page."""
    if conf.pipeline.mode != "auto":
        return conf.pipeline.mode
    return "exact" if parse_source(conf.capture.input).kind == "file" and conf.web.listen == "off" else "live"


def capture_settings(conf):
    """Return the section ``capture``, without motion vectors where the tracker would not look at them."""
    return conf.capture.replace(motion_vectors=conf.capture.motion_vectors and conf.track.motion in ("auto", "vectors"))


def detect_settings(conf, camera):
    """Return the section ``detect``; the built-in street tells its own objects where nobody asked for it, nor for a network."""
    detect = conf.detect
    if conf.capture.input != "auto" or not camera.source.startswith("test://") or (detect.backend, detect.model) != ("auto", "auto"):
        return detect
    log.info("detector: the scene's own truth, since its objects are drawn and networks know photographs (--detector onnx shows what one sees)")
    return detect.replace(backend="scene")


def keeps_time(conf, mode):
    """Whether a file or the scene is played at the speed of its own clock."""
    if conf.pipeline.realtime == "auto":
        return mode == "live"
    return conf.pipeline.realtime == "on"
