"""Who answers an ioctl: the kernel, or libv4l2 and the plugins behind it.

NVIDIA's codecs are such plugins and nothing else: their device nodes refuse every
V4L2 call with ENOTTY, and only a program that goes through NVIDIA's libv4l2 reaches
them. Everything above this file is the same for both.
"""
import ctypes
import errno
import fcntl
import os
import threading

NVIDIA_FOLDERS = ("/usr/lib/aarch64-linux-gnu/tegra", "/usr/lib/aarch64-linux-gnu/nvidia", "/usr/lib/aarch64-linux-gnu")
NVIDIA_LIBRARIES = tuple(os.path.join(folder, "libnvv4l2.so") for folder in NVIDIA_FOLDERS)


class Kernel:
    """Plain system calls."""

    name = "kernel"

    def open(self, path, flags=0):
        """Return a file descriptor; raises `OSError`."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | flags)

    def close(self, fd):
        os.close(fd)

    def bind(self, fd):
        """Return ``ioctl(request, struct)`` for *fd*; the struct is changed in place. It raises `OSError`."""
        call = fcntl.ioctl

        def ioctl(request, argument):
            while True:
                try:
                    return call(fd, request, argument)
                except InterruptedError:        # a signal that Python has handled by now
                    continue
        return ioctl


class LibV4L2:
    """libv4l2 by ctypes, which gives the GIL back while a call blocks.

    *names* are tried in order. Raises `OSError` where none can be loaded.
    """

    name = "libv4l2"
    opening = threading.Lock()          # libv4l2's open may not race with another

    def __init__(self, names=NVIDIA_LIBRARIES + ("libv4l2.so.0",)):
        self.path, self._library = load(names)
        self._open = self._function("v4l2_open", ctypes.c_char_p, ctypes.c_int)
        self._close = self._function("v4l2_close", ctypes.c_int)
        self._ioctl = self._function("v4l2_ioctl", ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)

    def _function(self, name, *argtypes):
        function = getattr(self._library, name)
        function.restype, function.argtypes = ctypes.c_int, argtypes
        return function

    def open(self, path, flags=0):
        """Return a file descriptor; raises `OSError`."""
        with self.opening:
            fd = self._open(os.fsencode(path), os.O_RDWR | os.O_CLOEXEC | flags)
        if fd < 0:
            raise last_error(path)
        return fd

    def close(self, fd):
        if self._close(fd) < 0:
            raise last_error()

    def bind(self, fd):
        """Return ``ioctl(request, struct)`` for *fd*; the struct is changed in place. It raises `OSError`."""
        call, address = self._ioctl, ctypes.addressof

        def ioctl(request, argument):
            while True:
                result = call(fd, request, address(argument))
                if result >= 0:
                    return result
                code = ctypes.get_errno()
                if code != errno.EINTR:
                    raise OSError(code, os.strerror(code))
        return ioctl


def load(names):
    """Return (name, library) of the first of *names* that loads; raises `OSError` with each one's reason."""
    reasons = []
    for name in names:
        try:
            return name, ctypes.CDLL(name, use_errno=True)
        except OSError as error:
            reasons.append(str(error))
    raise OSError(errno.ENOENT, "no libv4l2: " + "; ".join(reasons))


def last_error(path=None):
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), path) if path else OSError(code, os.strerror(code))


KERNEL = Kernel()
