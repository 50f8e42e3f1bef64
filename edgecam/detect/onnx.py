"""ONNX Runtime: runs everywhere that numpy does, from Python 3.6 on."""
import os

import numpy as np

from edgecam.detect.engine import check_tensors, thread_count
from edgecam.errors import BackendUnavailable, DetectorError, ModelError

NAME = "onnx"


def open_engine(model, threads):
    """Return the engine for *model*. Raises `BackendUnavailable` without ONNX Runtime, `ModelError` for a wrong file."""
    return OnnxEngine(import_runtime(), model, thread_count(model, threads))


def version():
    """Return the version of the library. Raises `BackendUnavailable` where there is none."""
    return import_runtime().__version__


def import_runtime():
    """Return the library, which reports to Microsoft and writes into the home folder from version 1.29 on unless it is told before it begins."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendUnavailable("ONNX Runtime is not installed here ({}): pip install onnxruntime".format(error)) from error
    return onnxruntime


class OnnxEngine:
    """One session on the CPU whose outputs are written into arrays made once."""

    name = NAME

    def __init__(self, runtime, model, threads):
        self.threads = threads
        self._model, self._runtime = model, runtime
        self._session = open_session(runtime, model, threads)
        check_tensors(model, [(entry.name, entry.shape, dtype_of(entry.type)) for entry in self._session.get_inputs()],
                      [entry.name for entry in self._session.get_outputs()])
        self._bound = self._outputs = None

    def run(self, tensor):
        """Return {output name: array} for *tensor*; the arrays belong to the engine, until the next run."""
        try:
            if self._bound is not tensor:
                self._bind(tensor)
            self._session.run_with_iobinding(self._binding)
        except Exception as error:          # the runtime's errors have no common base class
            raise DetectorError("{}: ONNX Runtime failed: {}".format(self._model.file, first_line(error))) from error
        return self._outputs

    def _bind(self, tensor):
        """Run once the plain way to learn the shapes, then tie *tensor* and one array per output to the session."""
        names = list(self._model.outputs)
        results = self._session.run(names, {self._model.input.name: tensor})
        self._outputs = {name: np.empty_like(result) for name, result in zip(names, results)}
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input(self._model.input.name, tensor)
        for name, array in self._outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._bound = tensor

    def close(self):
        self._session = self._binding = self._bound = None


def open_session(runtime, model, threads):
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3          # errors only: ours say what matters
    if threads > 1:                         # idle workers that spin would take the video lane's time
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(model.file, options, providers=["CPUExecutionProvider"])
    except Exception as error:              # the runtime's errors have no common base class
        raise ModelError("{}: ONNX Runtime can't load it: {}".format(model.file, first_line(error))) from error


def dtype_of(text):
    """Return numpy's name for "tensor(float)"."""
    name = text[len("tensor("):-1]
    return {"float": "float32", "double": "float64", "float16": "float16"}.get(name, name)


def first_line(error):
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
