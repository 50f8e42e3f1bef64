"""NVIDIA's buffer libraries, for the one thing that an encoder's client needs of them: telling the
device that the CPU wrote into a buffer (the caches are not coherent)."""
import ctypes

from edgecam.v4l2.driver import NVIDIA_FOLDERS, load


def open_sync(layout, folders=NVIDIA_FOLDERS):
    """Return ``sync(fd, plane, address)`` for the release's library. Raises `OSError` where it can't be loaded.

    R32 and older have it in nvbuf_utils, R34 and later in NvBufSurface.
    """
    stem = "libnvbufsurface" if layout.surface else "libnvbuf_utils"
    names = [folder + "/" + stem + ".so" for folder in folders] + [stem + ".so", stem + ".so.1.0.0"]
    _, library = load(names)
    return surface_sync(library) if layout.surface else utils_sync(library)


def utils_sync(library):
    call = library.NvBufferMemSyncForDevice
    call.argtypes = ctypes.c_int, ctypes.c_uint, ctypes.POINTER(ctypes.c_void_p)

    def sync(fd, plane, address):
        check("NvBufferMemSyncForDevice", call(fd, plane, ctypes.byref(ctypes.c_void_p(address))))
    return sync


def surface_sync(library):
    find, call = library.NvBufSurfaceFromFd, library.NvBufSurfaceSyncForDevice
    find.argtypes = ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)
    call.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_int

    def sync(fd, plane, address):
        surface = ctypes.c_void_p()
        check("NvBufSurfaceFromFd", find(fd, ctypes.byref(surface)))
        check("NvBufSurfaceSyncForDevice", call(surface, 0, plane))
    return sync


def check(name, result):
    if result != 0:
        raise OSError(5, "{} failed with {}".format(name, result))
