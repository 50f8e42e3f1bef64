"""OpenVINO: the second engine, on a PC; level with ONNX Runtime in FP32 on AVX2, ahead where there is bf16 or INT8."""
import sys
from contextlib import contextmanager

from edgecam.detect.engine import check_tensors, thread_count
from edgecam.errors import BackendUnavailable, DetectorError, ModelError

NAME = "openvino"
TELEMETRY = "openvino_telemetry"


def open_engine(model, threads):
    """Return the engine for *model*. Raises `BackendUnavailable` without OpenVINO, `ModelError` for a wrong file."""
    return OpenVinoEngine(import_runtime(), model, thread_count(model, threads))


def version():
    """Return the version of the library. Raises `BackendUnavailable` where there is none."""
    return import_runtime().__version__


def import_runtime():
    try:
        with left_out(TELEMETRY):
            import openvino
        openvino.Core
    except (ImportError, AttributeError) as error:
        raise BackendUnavailable("OpenVINO is not installed here ({}): pip install openvino".format(error)) from error
    return openvino


@contextmanager
def left_out(package):
    """Let what is imported inside find no *package*, and leave to others what they have imported of it.

    The telemetry of OpenVINO calls Google Analytics and writes into the home folder at each import, without being asked; nothing but a file
    in that folder forbids it. Where it is not installed, OpenVINO takes an empty stand-in of its own.
    """
    before = {package: sys.modules[package]} if package in sys.modules else {}
    sys.modules[package] = None
    try:
        yield
    finally:
        del sys.modules[package]
        sys.modules.update(before)


class OpenVinoEngine:
    """One compiled model with one request, fed from the caller's own tensor."""

    name = NAME

    def __init__(self, runtime, model, threads):
        self.threads = threads
        self._runtime, self._model = runtime, model
        core = runtime.Core()
        network = read_network(core, model)
        check_tensors(model, [(port.get_any_name(), shape_of(port), dtype_of(port)) for port in network.inputs],
                      [name for port in network.outputs for name in port.get_names()])
        try:
            network.reshape(list(model.input.shape))
            compiled = core.compile_model(network, "CPU", {
                "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads), "ENABLE_CPU_PINNING": "NO",
                "CPU_DENORMALS_OPTIMIZATION": "NO"})    # it would flush denormals to zero in our own thread, for good
        except RuntimeError as error:
            raise ModelError("{}: OpenVINO can't compile it: {}".format(model.file, last_line(error))) from error
        self._request = compiled.create_infer_request()
        self._bound = self._outputs = None

    def run(self, tensor):
        """Return {output name: array} for *tensor*; the arrays belong to the engine, until the next run."""
        try:
            if self._bound is not tensor:
                self._request.set_tensor(self._model.input.name, self._runtime.Tensor(tensor, shared_memory=True))
                self._bound = tensor
            self._request.infer()
            return {name: self._request.get_tensor(name).data for name in self._model.outputs}
        except RuntimeError as error:
            raise DetectorError("{}: OpenVINO failed: {}".format(self._model.file, last_line(error))) from error

    def close(self):
        self._request = self._bound = None


def read_network(core, model):
    try:
        return core.read_model(model.file)
    except RuntimeError as error:
        raise ModelError("{}: OpenVINO can't load it: {}".format(model.file, last_line(error))) from error


def shape_of(port):
    return [dimension.get_length() if dimension.is_static else -1 for dimension in port.get_partial_shape()]


def dtype_of(port):
    return {"f32": "float32", "f16": "float16", "u8": "uint8"}.get(port.get_element_type().get_type_name(),
                                                                    port.get_element_type().get_type_name())


def last_line(error):
    """OpenVINO's messages end with the reason, after lines of its own source code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
