"""TensorRT: the engine of the boards, and of any NVIDIA GPU.

The whole way from a frame's planes to finished boxes runs on the GPU: one copy up, one kernel that
resizes, converts and normalises, the engine, thresholds and suppression, one small copy down. All
of it but the copy up is recorded in a CUDA graph and replayed with one call.
"""
import logging
import threading

import numpy as np

from edgecam.detect.building import BuildingDetector, Builder, build_command
from edgecam.detect.cuda.driver import open_gpu
from edgecam.detect.cuda.graph import Graph, GraphRefused
from edgecam.detect.cuda.kernels import Kernels
from edgecam.detect.cuda.pictures import TARGET, Geometry, target
from edgecam.detect.cuda.slot import Slot
from edgecam.detect.detector import Detector
from edgecam.detect.engine import check_tensors
from edgecam.detect.network import Interpreter
from edgecam.detect.priority import lower_this_thread
from edgecam.detect.tensorrt_api import LoadedEngine, import_tensorrt
from edgecam.errors import DetectorError, ModelError

log = logging.getLogger(__name__)
NAME = "tensorrt"
SLOTS = 2               # batches under way at once: one is uploaded and interpreted while the other is computed
NON_BLOCKING = 1        # CU_STREAM_NON_BLOCKING: never waits for the default stream, which graphs must not touch
TILE, QUAD = (32, 8, 1), 4      # threads of a block in `preprocess`, and the neighbours that each writes


def version():
    """Return the version of the library. Raises `BackendUnavailable` without TensorRT, pycuda or a GPU."""
    trt = import_tensorrt()
    open_gpu()
    return trt.__version__


def open_detector(model, settings, background=False):
    """Return the detector that runs *model* on the GPU that *settings* name; its plan is built first where there is none,
    with *background* in a child process while the detector sees nothing.
    """
    from edgecam.detect.tensorrt_plans import has_plan, plan_for
    import_tensorrt()
    model.check_file()
    if background and not has_plan(model, settings):
        return BuildingDetector(model, NAME, Builder(build_command(model, settings)), lambda: open_detector(model, settings))
    plan, fresh = plan_for(model, settings)
    try:
        return TensorRtDetector(model, settings, plan)
    except ModelError as error:
        if fresh:
            raise
        log.warning("%s: its plan is useless (%s): it is built again", model.name, error)
    return TensorRtDetector(model, settings, plan_for(model, settings, anew=True)[0])


class TensorRtDetector(Detector):
    """Runs one plan, up to its batch of frames at a time.

    `detect` is the detectors' promise. Who wants throughput calls `submit` for the next frames
    before it `collect`s the last: up to two batches are under way at once.
    """

    name = NAME
    threads = 1

    def __init__(self, model, settings, plan, generation=None, graphs=True):
        self.description, self.model = model, model.name
        self.labels, self.size = model.labels, (model.input.width, model.input.height)
        self._interpreter = Interpreter(model, settings)
        self.threshold = self._interpreter.threshold
        self._gpu, self._thread = open_gpu(settings.gpu), threading.get_ident()
        self._gpu.enter()
        self._parts, self._under_way = [], []
        lower_this_thread(settings.nice)                # the one thread that may use it
        try:
            self._start(model, plan, generation, graphs)
        except BaseException:
            self.close()
            raise

    def _start(self, model, plan, generation, graphs):
        self._engine = LoadedEngine(import_tensorrt(), plan, generation)
        self._parts.append(self._engine)
        self.generation = self._engine.generation
        image = self._check(model)
        self.batch = image.shape[0]
        self._check_outputs()
        driver = self._gpu.driver
        self._compute, self._copies = driver.Stream(NON_BLOCKING), driver.Stream(NON_BLOCKING)
        self.input_bytes = image.nbytes
        self._input = driver.mem_alloc(self.input_bytes)
        self._parts.append(Allocation(self._input))
        self._preprocess = self._preprocessing(model, image)
        self._slots = []
        for _ in range(SLOTS):
            self._slots.append(Slot(self._gpu, self._engine, self._interpreter, self.batch, int(self._input)))
            self._parts.append(self._slots[-1])
        self._geometries = {}
        self._next = 0
        self._rehearse(graphs)

    def _check(self, model):
        """Return the input's `TensorInfo`. Raises `ModelError` unless the plan is one of *model*."""
        inputs = [tensor for tensor in self._engine.tensors if tensor.is_input]
        names = [tensor.name for tensor in self._engine.tensors if not tensor.is_input]
        check_tensors(model, [(tensor.name, (-1,) + tensor.shape[1:], model.input.dtype) for tensor in inputs], names)
        if any(size < 1 for tensor in self._engine.tensors for size in tensor.shape):
            raise ModelError("{}: its plan has free dimensions".format(model.file))
        if any(tensor.layout not in ("linear", "chw4") for tensor in inputs):
            raise ModelError("{}: its plan takes pictures in the layout {}".format(model.file, inputs[0].layout))
        return inputs[0]

    def _check_outputs(self):
        """Decode blank outputs once on the CPU, which raises `ModelError` for shapes that the description does not fit:
        the kernels would read beside them."""
        self._interpreter.decoder.decode({tensor.name: np.zeros((1,) + tensor.shape[1:], tensor.dtype)
                                          for tensor in self._engine.tensors if not tensor.is_input}, 1.0)

    def _preprocessing(self, model, image):
        """Return ``launch(slot)``, which queues the kernel that writes the input."""
        record = target(model.input, model.resize, image)
        kernel = Kernels(self._gpu, "preprocess").function("preprocess", ("P", TARGET, "P", "q"))
        grid = ((model.input.width + QUAD * TILE[0] - 1) // (QUAD * TILE[0]), (model.input.height + TILE[1] - 1) // TILE[1], self.batch)
        stride = image.nbytes // self.batch
        data = record.tobytes()
        return lambda slot: kernel(grid, TILE, self._compute, slot.pictures, data, int(self._input), stride)

    def _rehearse(self, graphs):
        """Run each slot once, the plain way: engines allocate on their first run, which no graph may record. Then record."""
        self._gpu.driver.Context.synchronize()      # what was copied so far went by the default stream
        for slot in self._slots:
            slot.work = lambda slot=slot: self._queue(slot)
            slot.blank()
            slot.upload(self._copies, self._compute)
            slot.work()
            self._compute.synchronize()
        self.graphs = graphs and self._record()

    def _record(self):
        try:
            for slot in self._slots:
                graph = Graph(self._compute, slot.work)
                self._parts.append(graph)
                slot.work = graph.launch
            return True
        except GraphRefused as error:
            log.info("TensorRT runs without CUDA graphs: %s", error)
            for slot in self._slots:
                slot.work = lambda slot=slot: self._queue(slot)
            return False

    def _queue(self, slot):
        """Queue everything behind the upload."""
        self._preprocess(slot)
        slot.infer(self._compute.handle)
        slot.finish(self._compute)

    def detect(self, frame, threshold=None):
        return self.detect_batch([frame], threshold)[0]

    def detect_batch(self, frames, threshold=None):
        """Return a list of detections for each of *frames*, which may differ in size and format; at most `batch` of them."""
        if self._under_way:
            raise DetectorError("detect while a submitted batch is under way: collect it first")
        self.submit(frames, threshold)
        return self.collect()

    def submit(self, frames, threshold=None):
        """Start on *frames*, 1 to `batch` of them, and return at once; their planes may be reused. At most two batches at once."""
        self._check_call(frames)
        slot = self._slots[self._next]
        geometries = [self._geometry(frame) for frame in frames]
        slot.fill(frames, geometries, self.threshold if threshold is None else threshold)
        slot.upload(self._copies, self._compute)
        slot.work()
        slot.done.record(self._compute)
        self._under_way.append(slot)
        self._next = (self._next + 1) % SLOTS

    def collect(self):
        """Wait for the batch that was submitted first and return a list of detections for each of its frames."""
        if not self._under_way:
            raise DetectorError("collect without a submitted batch")
        slot = self._under_way.pop(0)
        slot.done.synchronize()
        return slot.detections()

    def _check_call(self, frames):
        if threading.get_ident() != self._thread:
            raise DetectorError("a TensorRT detector belongs to the thread that opened it")
        if not 1 <= len(frames) <= self.batch:
            raise DetectorError("{} frames at once: this engine was built for 1 to {}".format(len(frames), self.batch))
        if len(self._under_way) == SLOTS:
            raise DetectorError("{} batches are under way: collect one first".format(SLOTS))

    def _geometry(self, frame):
        geometry = self._geometries.get(frame.format)
        if geometry is None:
            if len(self._geometries) > 64:          # cameras come and go
                self._geometries.clear()
            geometry = self._geometries[frame.format] = Geometry(frame.format, self.description.input, self.description.resize)
        return geometry

    def bare_engine(self, frame):
        """Return a function of nothing that runs the network alone, by a plain enqueue, and returns its outputs as they are, {name: array}."""
        self.detect(frame)
        slot = self._slots[0]

        def run():
            slot.infer(self._compute.handle)
            for output in slot.outputs.values():
                output.memory.download(self._compute)
            self._compute.synchronize()
            return {name: output.array for name, output in slot.outputs.items()}
        return run

    def bare_preprocess(self, frames, times):
        """Return a function of nothing that runs the first kernel *times* over, on *frames* that are on the GPU already."""
        self.detect_batch(frames)
        slot = self._slots[(self._next - 1) % SLOTS]

        def run():
            for _ in range(times):
                self._preprocess(slot)
            self._compute.synchronize()
        return run

    def close(self):
        if self._parts is None:
            return
        if threading.get_ident() != self._thread:
            raise DetectorError("a TensorRT detector is closed by the thread that opened it")
        if hasattr(self, "_compute"):
            self._compute.synchronize()
            self._copies.synchronize()
        for part in reversed(self._parts):
            part.close()
        self._parts = None
        self._preprocess = self._slots = self._engine = self._compute = self._copies = None
        self._gpu.leave()

    def __repr__(self):
        return "<{} on TensorRT, batch {}, {}{}>".format(self.model, self.batch, self.generation, ", graphs" if self.graphs else "")


class Allocation:
    """Device memory that is freed with the rest."""

    def __init__(self, memory):
        self._memory = memory

    def close(self):
        self._memory.free()
