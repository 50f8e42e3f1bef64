"""The kernels' sources, compiled once per machine and source, and loaded."""
import functools
import hashlib
import os

from edgecam.detect.cuda import nvrtc
from edgecam.errors import BackendUnavailable, DetectorError

FOLDER = os.path.dirname(os.path.abspath(__file__))
OPTIONS = ("--fmad=false", "-std=c++11")     # a * b + c rounds twice, as on the CPU


def source(name):
    """Return the text of *name*.cu."""
    with open(os.path.join(FOLDER, name + ".cu"), encoding="utf-8") as stream:
        return stream.read()


class Kernels:
    """One compiled source: ``kernels.function(name, "PPi")`` is ready to be called."""

    def __init__(self, gpu, name):
        self._module = gpu.driver.module_from_buffer(compiled(name, gpu.capability))

    def function(self, name, arguments):
        """Return ``call(grid, block, stream, *args)`` of the kernel *name*; *arguments* as `struct` writes them, one each."""
        function = self._module.get_function(name)
        function.prepare(arguments)
        return function.prepared_async_call


@functools.lru_cache(maxsize=None)
def compiled(name, capability):
    """Return *name*.cu as machine code or PTX, by NVRTC or else by nvcc. Raises `DetectorError` and `BackendUnavailable`."""
    text = source(name)
    try:
        return nvrtc.compile_source(text, name + ".cu", OPTIONS, capability)[0]
    except BackendUnavailable as error:
        return with_nvcc(text, name, capability, error)


def with_nvcc(text, name, capability, reason):
    import pycuda.compiler
    try:
        return pycuda.compiler.compile(text, no_extern_c=True, options=list(OPTIONS), arch="sm_{}{}".format(*capability))
    except OSError as error:                        # pycuda's word for "no nvcc"
        raise BackendUnavailable("{}, nor nvcc ({})".format(reason, error)) from error
    except pycuda.compiler.CompileError as error:
        raise DetectorError("{}.cu can't be compiled: {}".format(name, " ".join(str(error).split()))) from error


def digest(name):
    """Return a short sum of the source: part of what a measurement or a cache depends on."""
    return hashlib.sha256(source(name).encode()).hexdigest()[:12]
