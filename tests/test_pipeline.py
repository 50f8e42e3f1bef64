"""The lanes and their guests: nothing waits for a slow detector or a slow viewer, and no failure is swallowed."""
import threading
import time

import pytest

from clips import import_av
from edgecam.config import load_config
from edgecam.detect.detector import Detector
from edgecam.errors import DetectorError, OutputError
from edgecam.pipeline import Pipeline, choose_mode, detect_settings


@pytest.fixture(autouse=True)
def needs_pyav():
    import_av()


def settings(*words, **changes):
    words = ["capture.input=test://street?size=320x180&objects=6", "web.listen=off", "detect.backend=scene", "outputs.urls=null:"] + list(words)
    return load_config(overrides=words)


def in_background(pipeline):
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    return thread


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize("source, listen, mode", [
    ("a.mp4", "off", "exact"), ("a.mp4", "127.0.0.1:8080", "live"), ("test://street", "off", "live"),
    ("rtsp://cam/1", "off", "live"), ("/dev/video0", "off", "live"),
])
def test_the_mode_follows_the_source(source, listen, mode):
    assert choose_mode(load_config(overrides=["capture.input=" + source, "web.listen=" + listen])) == mode


class Slow(Detector):
    """Takes its time, then says nothing, or fails."""

    def __init__(self, seconds, fails_at=None):
        self._seconds, self._fails_at, self.calls = seconds, fails_at, 0

    def detect(self, frame, threshold=None):
        self.calls += 1
        if self.calls == self._fails_at:
            raise DetectorError("the engine fell over")
        time.sleep(self._seconds)
        return []


def test_a_slow_detector_never_makes_the_video_late(monkeypatch):
    slow = Slow(0.4)
    monkeypatch.setattr("edgecam.lanes.open_detector", lambda conf, **_: slow)
    pipeline = Pipeline(settings("pipeline.duration=3"))
    stats = pipeline.run()
    assert stats.encoded == stats.frames
    assert slow.calls == stats.detected < stats.frames / 3
    assert stats.skipped == stats.frames - stats.detected
    assert stats.stages["latency"].quantile(0.5) < 0.4      # it did not wait for the detector


@pytest.mark.parametrize("mode", ["live", "exact"])
def test_a_failing_detector_ends_the_run_with_its_reason(monkeypatch, mode):
    for where in ("edgecam.lanes.open_detector", "edgecam.pipeline.open_detector"):
        monkeypatch.setattr(where, lambda conf, **_: Slow(0, fails_at=3))
    with pytest.raises(DetectorError, match="fell over"):
        Pipeline(settings("pipeline.mode=" + mode, "pipeline.duration=20")).run()


def test_guests_follow_packets_from_a_keyframe_on():
    pipeline = Pipeline(settings())
    thread = in_background(pipeline)
    try:
        with pipeline.view.follow(size=30) as tap:
            pairs = [tap.get(timeout=10) for _ in range(10)]
        assert pairs[0][0].keyframe
        assert [p.number for p, _ in pairs] == list(range(pairs[0][0].number, pairs[0][0].number + 10))
        assert all(event["frame"] == packet.number for packet, event in pairs)
        assert pipeline.view.guests == 0
    finally:
        pipeline.stop()
        thread.join(20)


def test_a_guest_that_does_not_read_costs_nothing():
    pipeline = Pipeline(settings("pipeline.duration=3"))
    lazy = pipeline.view.follow(size=5)
    stats = pipeline.run()
    assert stats.encoded == stats.frames and len(lazy) <= 5 and lazy.drops > 0


def test_the_newest_frame_can_be_looked_at():
    pipeline = Pipeline(settings())
    thread = in_background(pipeline)
    try:
        with pipeline.view.glance(timeout=10) as first:
            assert first.frame.planes[0].shape == (180, 320) and first.event["frame"] == first.frame.number
            number = first.frame.number
        with pipeline.view.glance(after=number, timeout=10) as second:
            assert second.frame.number > number
    finally:
        pipeline.stop()
        thread.join(20)
    assert pipeline.view.glance(timeout=0.1) is None and pipeline.view.ended


def test_controls_change_the_run():
    pipeline = Pipeline(settings("capture.input=test://street?size=320x180&objects=6&noise=4"))
    thread = in_background(pipeline)
    try:
        wait_until(lambda: pipeline.view.controls())
        view = pipeline.view
        assert view.controls()["bitrate"]["value"] == 1000000
        view.set_control("bitrate", 200000)
        view.set_control("roi", False)
        assert view.controls()["bitrate"]["value"] == 200000
        with view.follow(size=60, keyframes_first=False) as tap:
            wait_until(lambda: tap.get(timeout=5)[1]["plan"]["regions"] == [])
        view.set_control("threshold", 0.9)
        for name, value, error in (("bitrate", 5, ValueError), ("roi", 1, ValueError), ("roi_qp", 7, ValueError),
                                   ("threshold", "x", ValueError), ("wings", 1, KeyError), ("camera.zoom", 1, KeyError)):
            with pytest.raises(error):
                view.set_control(name, value)
    finally:
        pipeline.stop()
        thread.join(20)


def test_stats_are_plain_values_and_add_up():
    import json
    pipeline = Pipeline(settings("pipeline.duration=2"))
    pipeline.run()
    stats = pipeline.view.stats()
    json.dumps(stats)
    assert stats["frames"]["encoded"] == stats["frames"]["captured"] > 20
    assert stats["stages_ms"]["latency"]["count"] == stats["frames"]["encoded"]
    assert stats["outputs"][0]["packets"] == stats["frames"]["encoded"]
    assert stats["drops"] == {"capture": pipeline.camera.drops, "outputs": 0, "events": 0}


@pytest.mark.parametrize("words, backend", [
    ([], "scene"), (["detect.backend=none"], "none"), (["detect.backend=onnx"], "onnx"), (["detect.model=x"], "auto"),
    (["capture.input=test://street"], "auto")])
def test_the_street_that_nobody_asked_for_tells_its_own_objects(words, backend):
    class Street:
        source = "test://street"

    class File:
        source = "walk.mp4"
    conf = load_config(overrides=words)
    assert detect_settings(conf, Street).backend == backend
    assert detect_settings(conf, File).backend == conf.detect.backend


@pytest.mark.parametrize("motion, source", [("off", "off"), ("detections", "detections"), ("luma", "luma"), ("auto", "luma")])
def test_stats_tell_what_follows_the_camera_and_how_sure_it_is(motion, source):
    pipeline = Pipeline(settings("pipeline.duration=0.5", "track.motion=" + motion))
    pipeline.run()
    told = pipeline.view.stats()["motion"]
    assert told["source"] == source
    assert told["confidence"] > 0.5 if source == "luma" else told["confidence"] is None


def test_live_and_exact_tell_the_same_story():
    """The same scene by both ways: the tracks of the live run lie where the exact ones do."""
    def tracks(mode):
        pipeline = Pipeline(settings("pipeline.mode=" + mode, "capture.input=test://street?size=320x180&objects=6&frames=90"))
        with pipeline.view.follow(size=200, keyframes_first=False) as tap:
            pipeline.run()
            events = {}
            while True:
                pair = tap.get(timeout=0)
                if pair is None:
                    return events
                events[pair[1]["frame"]] = pair[1]["tracks"]
    live, exact = tracks("live"), tracks("exact")
    assert set(exact) == set(range(90))
    both = [number for number in live if number >= 60 and number in exact]
    assert both
    for number in both:
        for track in live[number]:
            x, y = track["box"][:2]
            assert any(abs(x - other["box"][0]) < 8 and abs(y - other["box"][1]) < 8 for other in exact[number])


def test_frames_that_the_encoder_skips_go_home_and_are_counted(monkeypatch):
    from edgecam.encode.x264 import X264Encoder
    plain = X264Encoder.encode
    monkeypatch.setattr(X264Encoder, "encode", lambda self, frame, plan: [] if frame.number % 5 == 3 else plain(self, frame, plan))
    pipeline = Pipeline(settings("pipeline.mode=exact", "capture.input=test://street?size=320x180&frames=20"))
    stats = pipeline.run()
    assert (stats.frames, stats.encoded, stats.not_encoded) == (20, 16, 4)
    assert not pipeline._passing


def test_so_are_those_that_it_has_at_the_end(monkeypatch):
    from edgecam.encode.x264 import X264Encoder
    plain = X264Encoder.encode
    monkeypatch.setattr(X264Encoder, "encode", lambda self, frame, plan: [] if frame.number >= 17 else plain(self, frame, plan))
    pipeline = Pipeline(settings("pipeline.mode=exact", "capture.input=test://street?size=320x180&frames=20"))
    stats = pipeline.run()
    assert (stats.frames, stats.encoded, stats.not_encoded) == (20, 17, 3)
    assert not pipeline._passing


def test_frames_go_home_where_an_output_fails(monkeypatch):
    from edgecam.encode.x264 import X264Encoder
    from edgecam.outputs import Outputs
    plain, frames = X264Encoder.encode, []

    def write(self, packet):
        if packet.number == 2:
            raise OutputError("the disk is full")

    monkeypatch.setattr(X264Encoder, "encode", lambda self, frame, plan: frames.append(frame) or plain(self, frame, plan))
    monkeypatch.setattr(Outputs, "write", write)
    with pytest.raises(OutputError, match="the disk is full"):
        Pipeline(settings("pipeline.mode=exact", "capture.input=test://street?size=320x180&frames=20")).run()
    assert len(frames) == 3
    for frame in frames:
        with pytest.raises(ValueError, match="released already"):
            frame.release()
