"""TensorRT's two generations of API behind one face.

JetPack 4.6 and 5 number an engine's tensors ("bindings"); TensorRT 10 (JetPack 6.1) names them and
has nothing else; 8.5 has both. Which one an engine has is seen by its attributes: versions of
boards, containers and hand-made installations tell nothing.
"""
import logging
from typing import NamedTuple, Tuple

import numpy as np

from edgecam.errors import BackendUnavailable, DetectorError, ModelError

log = logging.getLogger(__name__)
LAYOUTS = {"LINEAR": "linear", "HWC8": "hwc8", "CHW4": "chw4", "CHW32": "chw32"}      # TensorRT's name: ours
PADDED = {"hwc8": 8, "chw4": 4, "chw32": 32}    # the channels of a place lie side by side, and zeros up to a multiple of this
MOST = {"CHW4": 4, "CHW32": 32}     # channels: more would be further planes, which we don't read


class TensorInfo(NamedTuple):
    """One input or output of an engine, and how it lies in memory."""

    name: str
    is_input: bool
    shape: Tuple[int, ...]
    dtype: str              # numpy's name
    layout: str = "linear"  # one axis after the other; or [n][h][w][c] of a tensor whose shape is [n, c, h, w]: "hwc8", "chw4" and "chw32" (up to as many channels)

    @property
    def strides(self):
        """Elements from one to the next along each axis of `shape`."""
        if self.layout in PADDED:
            _, channels, height, width = self.shape
            place = -(-channels // PADDED[self.layout]) * PADDED[self.layout]
            return height * width * place, 1, width * place, place
        return tuple(int(np.prod(self.shape[axis + 1:], dtype=np.int64)) for axis in range(len(self.shape)))

    @property
    def held(self):
        """Elements in memory, with those that only fill up."""
        return self.shape[0] * self.strides[0] if self.shape else 1

    @property
    def nbytes(self):
        return self.held * np.dtype(self.dtype).itemsize

    def view(self, memory):
        """Return the tensor in *memory*, a buffer of `nbytes`, as an array of `shape`."""
        size = np.dtype(self.dtype).itemsize
        return np.ndarray(self.shape, self.dtype, memory, 0, [stride * size for stride in self.strides])


def import_tensorrt():
    """Return the module. Raises `BackendUnavailable` where TensorRT is not installed or does not load."""
    try:
        import tensorrt
        tensorrt.Runtime
    except (ImportError, OSError, AttributeError) as error:
        raise BackendUnavailable("TensorRT is not installed here ({}): it comes with JetPack; on a PC see "
                                 "docs/tensorrt.md".format(error)) from error
    return tensorrt


def dtype_names(trt):
    """Return {TensorRT's type: numpy's name}. `tensorrt.nptype` would need a numpy older than 1.24 for this."""
    pairs = ("FLOAT", "float32"), ("HALF", "float16"), ("INT8", "int8"), ("INT32", "int32"), ("BOOL", "bool"), ("UINT8", "uint8"), ("INT64", "int64")
    return {getattr(trt.DataType, theirs): ours for theirs, ours in pairs if hasattr(trt.DataType, theirs)}


def readable(layout, channels):
    """Say whether a tensor of so many channels may lie in TensorRT's *layout*, for us."""
    return layout in LAYOUTS and channels <= MOST.get(layout, channels)


def tensor_info(trt, name, is_input, shape, dtype, layout):
    """Return the `TensorInfo` of what an engine says in TensorRT's types; *layout* None is linear. Raises `ModelError` for a layout that we can't read."""
    shape, dtype = tuple(shape), dtype_names(trt)[dtype]
    known = {getattr(trt.TensorFormat, theirs): theirs for theirs in LAYOUTS}
    theirs = "LINEAR" if layout is None else known.get(layout)
    if theirs != "LINEAR" and (len(shape) != 4 or dtype != "float16" or not readable(theirs, shape[1])):
        raise ModelError("the plan has its tensor {} ({} {}) in the layout {}: edgecam reads {} and, for float16 with 4 axes, {}, {} (up to 4 channels) and {} (up to 32)".format(
            name, dtype, "x".join(map(str, shape)), getattr(layout, "name", layout), *LAYOUTS))
    return TensorInfo(name, is_input, shape, dtype, LAYOUTS[theirs])


def batch_axis(network, batch):
    """Return what the shapes of *network*, or of an engine, lack in front: (), or (*batch*,) where the batch is implicit as in all of UFF."""
    return (batch,) if getattr(network, "has_implicit_batch_dimension", False) else ()


def unsaid(tensor):
    """Stand for an engine's method that tells layouts, where it has none."""
    return None


def make_logger(trt):
    """Return a logger for TensorRT that passes its words on to ours and keeps the last error."""
    levels = {trt.ILogger.INTERNAL_ERROR: logging.ERROR, trt.ILogger.ERROR: logging.ERROR, trt.ILogger.WARNING: logging.DEBUG,
              trt.ILogger.INFO: logging.DEBUG, trt.ILogger.VERBOSE: 5}

    class Logger(trt.ILogger):
        """Errors are kept and said by whoever fails; warnings are about details that nobody can change."""

        def __init__(self):
            trt.ILogger.__init__(self)
            self.last = "no reason given"

        def log(self, severity, message):
            level = levels.get(severity, logging.DEBUG)
            if level >= logging.ERROR:
                self.last = " ".join(message.split())[:400]
            log.log(min(level, logging.INFO), "TensorRT: %s", message)
    return Logger()


class NumberedTensors:
    """The API of TensorRT 7 to 8.5: bindings by index."""

    generation = "bindings"

    def __init__(self, trt, engine):
        self._engine, self._names = engine, [engine.get_binding_name(index) for index in range(engine.num_bindings)]
        self._batch, layout_of = batch_axis(engine, getattr(engine, "max_batch_size", 1)), getattr(engine, "get_binding_format", unsaid)
        self.tensors = [tensor_info(trt, name, bool(engine.binding_is_input(index)), self._batch + tuple(engine.get_binding_shape(index)),
                                    engine.get_binding_dtype(index), layout_of(index)) for index, name in enumerate(self._names)]

    def runner(self, context, addresses):
        """Return ``run(stream handle)`` with the tensors at *addresses*, {name: address on the GPU}."""
        bindings = [addresses[name] for name in self._names]
        if self._batch:
            return lambda stream: context.execute_async(batch_size=self._batch[0], bindings=bindings, stream_handle=stream)
        return lambda stream: context.execute_async_v2(bindings=bindings, stream_handle=stream)


class NamedTensors:
    """The API from TensorRT 8.5 on: tensors by name."""

    generation = "named tensors"

    def __init__(self, trt, engine):
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        layout_of = getattr(engine, "get_tensor_format", unsaid)
        self.tensors = [tensor_info(trt, name, engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT, engine.get_tensor_shape(name),
                                    engine.get_tensor_dtype(name), layout_of(name)) for name in names]

    def runner(self, context, addresses):
        """Return ``run(stream handle)`` with the tensors at *addresses*, {name: address on the GPU}."""
        def run(stream):
            for name, address in addresses.items():     # the context is shared by several sets of buffers
                context.set_tensor_address(name, address)
            return context.execute_async_v3(stream_handle=stream)
        return run


def generation_of(engine):
    """Return the class that speaks to *engine*. Raises `DetectorError` where it has neither API."""
    if hasattr(engine, "num_io_tensors") and not batch_axis(engine, 1):     # an implicit batch is told to the older calls only
        return NamedTensors
    if hasattr(engine, "num_bindings"):
        return NumberedTensors
    raise DetectorError("this TensorRT engine has neither named tensors nor bindings: edgecam knows TensorRT 7 to 10")


class LoadedEngine:
    """A plan brought to life on the GPU that is current."""

    def __init__(self, trt, plan, generation=None):
        self._logger = make_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelError("the plan can't be loaded: {}".format(self._logger.last))
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise DetectorError("no memory for the engine: {}".format(self._logger.last))
        self._api = (generation or generation_of(self._engine))(trt, self._engine)
        self.generation, self.tensors = self._api.generation, self._api.tensors

    def runner(self, addresses):
        """Return ``run(stream handle)``, which queues one inference. It raises `DetectorError`."""
        queue = self._api.runner(self._context, addresses)

        def run(stream):
            if not queue(stream):
                raise DetectorError("TensorRT failed: {}".format(self._logger.last))
        return run

    def close(self):
        """Free context, engine and runtime, in this order."""
        self._api = self._context = None
        self._engine = None
        self._runtime = None
