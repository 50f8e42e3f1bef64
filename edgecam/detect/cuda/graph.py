"""CUDA graphs through libcuda: pycuda has no API for them.

A stream's work is recorded once and replayed with one call, which saves the launch of each of an
engine's hundred kernels. Signatures: CUDA driver API, "Graph Management" and "Stream Management";
CUDA 10.2 (JetPack 4.6) has all that is used here.
"""
import ctypes

from edgecam.errors import DetectorError

THREAD_LOCAL = 1            # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile does not disturb


class GraphRefused(DetectorError):
    """The driver, or something that was recorded, does not do graphs."""


class Graph:
    """What *work* queues on *stream* (a pycuda stream), ready to be queued again by `launch`."""

    def __init__(self, stream, work):
        self._library, self._run = load(), ctypes.c_void_p()
        self._handle = ctypes.c_void_p(stream.handle)
        graph = self._record(work)
        try:
            self._instantiate(graph)
        finally:
            self._library.cuGraphDestroy(graph)

    def _record(self, work):
        graph = ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", self._handle, THREAD_LOCAL)
        try:
            work()
        finally:                                    # whatever happens, the stream must leave its capture mode
            status = self._library.cuStreamEndCapture(self._handle, ctypes.byref(graph))
        self._check("cuStreamEndCapture", status)
        return graph

    def _instantiate(self, graph):
        if hasattr(self._library, "cuGraphInstantiateWithFlags"):
            self._call("cuGraphInstantiateWithFlags", ctypes.byref(self._run), graph, ctypes.c_ulonglong(0))
        else:
            self._call("cuGraphInstantiate", ctypes.byref(self._run), graph, None, None, ctypes.c_size_t(0))

    def launch(self):
        """Queue the recorded work once more."""
        status = self._library.cuGraphLaunch(self._run, self._handle)
        if status:
            self._check("cuGraphLaunch", status)

    def close(self):
        if self._run:
            self._library.cuGraphExecDestroy(self._run)
            self._run = ctypes.c_void_p()

    def _call(self, name, *arguments):
        self._check(name, getattr(self._library, name)(*arguments))

    def _check(self, name, status):
        if status:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(text))
            raise GraphRefused("{} failed: {}".format(name, (text.value or str(status).encode()).decode()))


def load():
    """Return libcuda. Raises `GraphRefused` where it is older than graphs."""
    library = ctypes.CDLL("libcuda.so.1")
    if not hasattr(library, "cuStreamBeginCapture_v2"):
        raise GraphRefused("this driver is older than CUDA graphs")
    return library
