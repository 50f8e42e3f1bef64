"""TensorRT's engine alone, on a tensor of noise that is on the GPU: what the whole detect step is held against."""
import threading

import numpy as np

from edgecam.detect.cuda.driver import open_gpu
from edgecam.detect.cuda.graph import Graph, GraphRefused
from edgecam.detect.tensorrt import NON_BLOCKING
from edgecam.detect.tensorrt_api import LoadedEngine, import_tensorrt
from edgecam.detect.tensorrt_plans import plan_for
from edgecam.errors import DetectorError


class BareEngine:
    """One plan with buffers of its own; replayed as a CUDA graph where the driver does that.

    Raises `BackendUnavailable`, `ModelError`, `DetectorError` when it is opened. Belongs to the thread that opened it.
    """

    def __init__(self, model, settings):
        plan = plan_for(model, settings)[0]
        self._gpu, self._thread = open_gpu(settings.gpu), threading.get_ident()
        self._gpu.enter()
        self._graph = self._engine = None
        self._memory = []
        try:
            self._start(plan)
        except BaseException:
            self.close()
            raise

    def _start(self, plan):
        driver = self._gpu.driver
        self._engine = LoadedEngine(import_tensorrt(), plan)
        self._stream = driver.Stream(NON_BLOCKING)
        addresses = {tensor.name: self._buffer(tensor) for tensor in self._engine.tensors}
        driver.Context.synchronize()                    # the noise went up by the default stream
        queue = self._engine.runner(addresses)
        self._queue = lambda: queue(self._stream.handle)
        self._queue()                                   # engines allocate on their first run, which no graph may record
        self._stream.synchronize()
        try:
            self._graph = Graph(self._stream, self._queue)
            self._queue = self._graph.launch
        except GraphRefused:
            pass                                        # the detector runs, and is measured, without graphs too

    def _buffer(self, tensor):
        content = np.zeros(tensor.held, tensor.dtype)
        if tensor.is_input:
            tensor.view(content)[...] = np.random.RandomState(0).uniform(0, 255, tensor.shape)
        memory = self._gpu.driver.to_device(content)
        self._memory.append(memory)
        return int(memory)

    def run(self, times=1):
        """Queue the network *times* over and wait for the last."""
        for _ in range(times):
            self._queue()
        self._stream.synchronize()

    def close(self):
        if threading.get_ident() != self._thread:
            raise DetectorError("an engine is closed by the thread that opened it")
        if self._graph is not None:
            self._graph.close()
        if self._engine is not None:
            self._engine.close()
        for memory in self._memory:
            memory.free()
        self._memory, self._graph, self._engine = [], None, None
        self._gpu.leave()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
