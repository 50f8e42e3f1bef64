"""One GPU as this process uses it.

edgecam takes the primary context, which the CUDA runtime inside TensorRT uses too: there is one
context per process and GPU, whatever libraries meet in it. It is current on the thread that opened
a detector, from `enter` to `leave`, and nowhere else.
"""
import threading

from edgecam.errors import BackendUnavailable

_gpus, _lock = {}, threading.Lock()


def import_driver():
    """Return pycuda.driver, initialised. Raises `BackendUnavailable` without pycuda, a driver or a GPU."""
    try:
        import pycuda.driver as driver
    except (ImportError, OSError) as error:
        raise BackendUnavailable("pycuda is not installed here, or finds no NVIDIA driver ({}): pip install pycuda".format(error)) from error
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as error:
        raise BackendUnavailable("no NVIDIA GPU answers here: {}".format(error)) from error
    if not count:
        raise BackendUnavailable("no NVIDIA GPU answers here: the driver counts none")
    return driver


def open_gpu(index=0):
    """Return the `Gpu` number *index*, the same object each time. Raises `BackendUnavailable`."""
    driver = import_driver()
    with _lock:
        if index >= driver.Device.count():
            raise BackendUnavailable("detect.gpu = {}: there are {} GPUs here, counted from 0".format(index, driver.Device.count()))
        if index not in _gpus:
            _gpus[index] = Gpu(driver, index)
        return _gpus[index]


class Gpu:
    """A device and its primary context."""

    def __init__(self, driver, index):
        self.driver, self.index = driver, index
        device = driver.Device(index)
        self.name, self.capability = device.name(), device.compute_capability()
        self.context = device.retain_primary_context()

    def enter(self):
        """Make the context current on this thread; `leave` takes it off again."""
        self.context.push()

    def leave(self):
        self.driver.Context.pop()

    def __repr__(self):
        return "<{} {}.{}>".format(self.name, *self.capability)


class Pinned:
    """Bytes in page-locked host memory and as many on the GPU, copied without staging in between. Grows, never shrinks."""

    def __init__(self, gpu, size=0):
        self._gpu, self.size = gpu, 0
        self.host = self.device = None
        self.grow(size)

    def grow(self, size):
        """Have at least *size* bytes; the contents are lost when that means new memory."""
        if size <= self.size:
            return
        self.close()
        self.host = self._gpu.driver.pagelocked_empty(size, "uint8")
        self.device = self._gpu.driver.mem_alloc(size)
        self.size = size

    @property
    def address(self):
        """Of the bytes on the GPU."""
        return int(self.device)

    def upload(self, stream, size=None):
        self._gpu.driver.memcpy_htod_async(self.device, self.host[:size], stream)

    def download(self, stream):
        self._gpu.driver.memcpy_dtoh_async(self.host, self.device, stream)

    def close(self):
        if self.device is not None:
            self.device.free()
            self.host.base.free()
            self.host = self.device = None
            self.size = 0
