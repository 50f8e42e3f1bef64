"""Several cameras on one engine: every result goes to its camera, none starves, cameras come and go."""
import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.config import load_config
from edgecam.detect import open_detector
from edgecam.detect.batching import BatchingEngine, DetectorPool, PooledDetector, choose, open_pool
from edgecam.detect.detector import Detector
from edgecam.errors import DetectorError, ModelError
from edgecam.vocabulary import Box, Detection
from test_contract_detector import picture
from tiny_onnx import write_bright


class Echo(Detector):
    """Finds the frame's number; notes what came together, and by which thread."""

    def __init__(self, batch=4, fails_at=None, gate=None):
        self.batch, self._fails_at, self._gate = batch, fails_at, gate
        self.calls, self.threads, self.closed = [], {threading.get_ident()}, False

    def detect_batch(self, frames, threshold=None):
        if self._gate is not None:
            self._gate.wait(60)
        self.threads.add(threading.get_ident())
        self.calls.append(([frame.number for frame in frames], threshold))
        if len(self.calls) == self._fails_at:
            raise DetectorError("the engine fell over")
        return [[Detection("n", 1.0, Box(frame.number, 0, 1, 1))] for frame in frames]

    def close(self):
        self.closed = True


def number_in(result):
    return result.detections[0].box.x


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, unique=True), st.dictionaries(st.integers(0, 9), st.integers(0, 50)), st.integers(1, 12))
def test_the_chosen_waited_longest(waiting, served, batch):
    chosen = choose(waiting, served, batch)
    assert len(chosen) == min(batch, len(waiting)) and set(chosen) <= set(waiting)
    left = [served.get(camera, -1) for camera in waiting if camera not in chosen]
    assert not left or max(served.get(camera, -1) for camera in chosen) <= min(left)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.lists(st.sets(st.integers(0, 11)), max_size=40))
def test_no_camera_with_a_frame_starves(cameras, batch, arrivals):
    served, waiting = {}, {}
    for turn, arrived in enumerate(arrivals + [set()] * cameras):
        for camera in arrived:
            if camera < cameras:
                waiting.setdefault(camera, turn)
        for camera in choose(sorted(waiting), served, batch):
            assert turn - waiting.pop(camera) < -(-cameras // batch)
            served[camera] = turn
    assert not waiting


def test_frames_of_many_cameras_are_computed_together_and_go_home():
    echo, gate = None, threading.Event()

    def opened():
        nonlocal echo
        echo = Echo(batch=3, gate=gate)
        return echo
    engine = BatchingEngine(opened, 3, wait=30.0)
    try:
        ports = [engine.add(str(index)) for index in range(7)]
        for index, port in enumerate(ports):
            port.offer(picture(number=100 + index))
        gate.set()
        for index, port in enumerate(ports[:6]):
            assert number_in(port.get(60)) == 100 + index
        ports[6].offer(picture(number=206))             # the seventh waits alone: others hurry it along
        for index, port in enumerate(ports[:2]):
            port.offer(picture(number=200 + index))
        assert number_in(ports[6].get(60)) == 206
    finally:
        engine.close()
    assert max(len(numbers) for numbers, _ in echo.calls) == 3 and echo.closed and len(echo.threads) == 1


def test_a_lone_frame_waits_no_longer_than_told():
    engine = BatchingEngine(lambda: Echo(), 4, wait=0.01)
    try:
        one, other = engine.add("one"), engine.add("silent")
        one.offer(picture(number=5))
        assert number_in(one.get(60)) == 5 and other.get(0) is None
    finally:
        engine.close()


def test_only_the_newest_frame_is_taken_and_leases_go_home():
    gate = threading.Event()
    engine = BatchingEngine(lambda: Echo(gate=gate), 4, wait=0.0)
    frames = [picture(number=number) for number in range(5)]
    try:
        port = engine.add("one")
        port.offer(frames[0])
        deadline = time.monotonic() + 60
        while port.pending is not None and time.monotonic() < deadline:
            time.sleep(0.005)                           # the engine has it
        for frame in frames[1:]:
            port.offer(frame)
        gate.set()
        seen = []
        while not seen or seen[-1] != 4:
            seen.append(number_in(port.get(60)))
        assert set(seen) <= {0, 4} and port.drops == 3
    finally:
        engine.close()
    for frame in frames:
        frame.release()
        with pytest.raises(ValueError):                 # ours was the last lease
            frame.hold()


def test_cameras_of_other_thresholds_are_not_mixed():
    echo = Echo()
    engine = BatchingEngine(lambda: echo, 4, wait=30.0)
    try:
        ports = [engine.add(str(index)) for index in range(2)]
        for index, port in enumerate(ports):
            port.offer(picture(number=index), threshold=index / 2.0)
        for port in ports:
            assert port.get(60) is not None
    finally:
        engine.close()
    assert sorted(echo.calls) == [([0], 0.0), ([1], 0.5)]


def test_cameras_come_and_go_while_running():
    engine = BatchingEngine(lambda: Echo(), 4, wait=0.001)
    wrong, counts = [], Counter()

    def camera(base):
        port = engine.add(str(base))
        for number in range(base, base + 10):
            port.offer(picture(number=number))
            result = port.get(60)
            counts[base] += 1
            if result is None or number_in(result) != number or result.number != number:
                wrong.append((number, result))
        port.close()
    threads = [threading.Thread(target=camera, args=(1000 * index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not wrong and len(counts) == 6 and engine.cameras == 0
    engine.close()


def test_a_removed_camera_gives_its_frame_back_and_is_refused():
    engine = BatchingEngine(lambda: Echo(), 4, wait=0.0)
    try:
        port = engine.add("one")
        port.close()
        with pytest.raises(DetectorError, match="camera one: its place at the detector is closed"):
            port.offer(picture())
    finally:
        engine.close()


def test_a_failure_reaches_every_camera():
    engine = BatchingEngine(lambda: Echo(fails_at=1), 2, wait=30.0)
    ports = [engine.add(str(index)) for index in range(2)]
    for port in ports:
        port.offer(picture())
    for port in ports:
        with pytest.raises(DetectorError, match="fell over"):
            port.get(60)
        with pytest.raises(DetectorError, match="fell over"):
            port.offer(picture())
    engine.close()


def test_a_detector_that_does_not_open_is_said():
    def refuses():
        raise ModelError("no such model")
    with DetectorPool([refuses], 2) as pool:
        with pytest.raises(ModelError, match="no such model"):
            while True:
                pool.add("one").get(0.05)


def test_cameras_are_spread_over_the_engines():
    with DetectorPool([lambda: Echo() for _ in range(3)], 4) as pool:
        ports = [pool.add(str(index)) for index in range(7)]
        assert sorted(engine.cameras for engine in pool.engines) == [2, 2, 3]
        emptied = ports[0]._engine
        for port in ports:
            if port._engine is emptied:
                port.close()
        assert emptied.cameras == 0 and pool.add("new")._engine is emptied


def test_with_onnx_runtime_every_camera_gets_its_own_boxes(tmp_path):
    pytest.importorskip("onnxruntime")
    write_bright(tmp_path)
    conf = load_config().detect.replace(backend="onnx", model="bright", models=str(tmp_path), batch=4)
    sizes = [(96, 64), (192, 128), (96, 64)]
    with open_pool(conf) as pool, open_detector(conf) as alone:
        cameras = [PooledDetector(pool, str(index)) for index in range(3)]
        found = {}

        def look(index):
            frame = picture("NV12", *sizes[index], squares=((index + 1, 2),), number=index)
            found[index] = cameras[index].detect(frame)
        threads = [threading.Thread(target=look, args=(index,)) for index in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        for index in range(3):
            assert found[index] == alone.detect(picture("NV12", *sizes[index], squares=((index + 1, 2),)))
        for camera in cameras:
            camera.close()
