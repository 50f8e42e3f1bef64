"""As much of pycuda's driver as the TensorRT detector calls, in host memory: its kernels run compiled for the CPU, its engine is Python."""
import ctypes

import numpy as np

import cuda_on_cpu
from edgecam.detect.cuda import pictures, suppression


class Memory:
    """An allocation, full of NaN for floats and halves: who reads what was not written is found out."""

    def __init__(self, size):
        self.content = np.full(size, 255, np.uint8)
        self.__array_interface__ = self.content.__array_interface__

    def __int__(self):
        return self.content.ctypes.data

    def free(self):
        self.content = None


class Stream:
    handle = 0

    def __init__(self, flags=0):
        pass

    def synchronize(self):
        pass

    def wait_for_event(self, event):
        pass


class Event:
    def __init__(self, flags=0):
        pass

    def record(self, stream):
        pass

    def synchronize(self):
        pass


class Driver:
    Stream, Event, mem_alloc = Stream, Event, Memory

    class event_flags:
        DISABLE_TIMING = 2

    class Context:
        @staticmethod
        def synchronize():
            pass

    @staticmethod
    def pagelocked_empty(size, dtype):
        return np.asarray(Memory(size))

    @staticmethod
    def memcpy_htod_async(memory, host, stream):
        memory.content[:host.nbytes] = host

    @staticmethod
    def memcpy_dtoh(host, memory):
        host[...] = memory.content

    def memcpy_dtoh_async(self, host, memory, stream):
        self.memcpy_dtoh(host, memory)

    @staticmethod
    def to_device(array):
        memory = Memory(array.nbytes)
        memory.content[...] = array.reshape(-1).view(np.uint8)
        return memory


class Gpu:
    name, capability = "this CPU", (0, 0)

    def __init__(self):
        self.driver, self.entered = Driver(), 0

    def enter(self):
        self.entered += 1

    def leave(self):
        self.entered -= 1


class Engine:
    """What `LoadedEngine` is to the detector, with *tensors*; ``compute(image) -> {output: array}`` is the network."""

    generation = "none"

    def __init__(self, tensors, compute):
        self.tensors, self._compute = tensors, compute

    def runner(self, addresses):
        memory = {tensor.name: (ctypes.c_char * tensor.nbytes).from_address(addresses[tensor.name]) for tensor in self.tensors}

        def run(stream):
            image, = [tensor.view(memory[tensor.name]) for tensor in self.tensors if tensor.is_input]
            outputs = self._compute(image)
            for tensor in self.tensors:
                if not tensor.is_input:
                    tensor.view(memory[tensor.name])[...] = outputs[tensor.name]
        return run

    def close(self):
        self.tensors = None


def kernels(compiled):
    """Return a class that stands for `Kernels`, with `preprocess` of the library *compiled*."""
    class Kernels:
        def __init__(self, gpu, name):
            assert name == "preprocess"

        def function(self, name, arguments):
            def call(grid, block, stream, records, target, tensor, stride):
                for index in range(grid[2]):
                    compiled.preprocess(ctypes.c_void_p(records + index * pictures.PICTURE.itemsize), target, ctypes.c_void_p(tensor + index * stride))
            return call
    return Kernels


def suppression_with(compiled, crowd):
    """Return a class that stands for `Suppression`, on the library *compiled*; with *crowd* there are always more candidates than fit."""
    class Suppression:
        def __init__(self, gpu, record, batch):
            self._record, self._counts = record, np.zeros(batch, suppression.COUNT)
            self._found = np.zeros((batch, int(record["limit"])), suppression.CANDIDATE)

        def launch(self, stream, wanted):
            asked = np.frombuffer((ctypes.c_char * self._counts.nbytes).from_address(wanted), suppression.COUNT)
            for index, least in enumerate(asked["least"]):
                kept = compiled.detectnet(cuda_on_cpu.address(self._record), index, ctypes.c_float(least), cuda_on_cpu.address(self._found[index]))
                self._counts[index] = 0, least, suppression.CAPACITY + 1 if crowd else kept, kept

        def read(self):
            return self._counts, self._found

        def close(self):
            self._found = None
    return Suppression
