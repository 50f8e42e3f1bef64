"""NVRTC, CUDA's compiler as a library, through ctypes: no nvcc, no host compiler, a second instead of ten.

Functions and their signatures: CUDA's "NVRTC" reference. Every board and every CUDA runtime has the library.
"""
import ctypes
import ctypes.util
import glob
import importlib.util
import os

from edgecam.errors import BackendUnavailable, DetectorError

NAMES = ("libnvrtc.so",) + tuple("libnvrtc.so." + number for number in ("13", "12", "11.2", "11.1", "11.0", "10.2", "10.1", "10.0"))
FOLDERS = ("/usr/local/cuda/lib64", "/usr/local/cuda/targets/*/lib")


def load():
    """Return the library. Raises `BackendUnavailable` where there is none."""
    for path in candidates():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise BackendUnavailable("NVRTC, CUDA's run-time compiler, is not installed here")


def candidates():
    """Return names and paths where the library may be: the loader's, CUDA's, and those of the package index's wheels."""
    found = [ctypes.util.find_library("nvrtc")] + list(NAMES)
    for folder in FOLDERS + wheel_folders():
        found += sorted(path for path in glob.glob(os.path.join(folder, "libnvrtc.so*")) if "alt" not in path)
    return [path for path in found if path]


def wheel_folders():
    spec = importlib.util.find_spec("nvidia")
    roots = list(spec.submodule_search_locations) if spec else []
    return tuple(os.path.join(root, "*", "lib") for root in roots)


def compile_source(source, name, options, capability):
    """Return (code, "cubin" or "ptx") of *source* for the compute *capability* (major, minor). Raises `DetectorError`."""
    library = load()
    binary = hasattr(library, "nvrtcGetCUBIN")          # from CUDA 11.1 on: needs no newer driver than the machine has
    target = "--gpu-architecture={}_{}{}".format("sm" if binary else "compute", *capability)
    words = [option.encode() for option in tuple(options) + (target,)]
    program = ctypes.c_void_p()
    check(library, library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None))
    try:
        status = library.nvrtcCompileProgram(program, len(words), (ctypes.c_char_p * len(words))(*words))
        if status:
            raise DetectorError("{} can't be compiled for {}: {}".format(name, target, fetch(library, program, "ProgramLog").decode()))
        kind = "cubin" if binary else "ptx"
        return fetch(library, program, kind.upper()), kind
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def fetch(library, program, what):
    """Return the bytes of one of the program's results."""
    size = ctypes.c_size_t()
    check(library, getattr(library, "nvrtcGet{}Size".format(what))(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    check(library, getattr(library, "nvrtcGet" + what)(program, buffer))
    return buffer.raw


def check(library, status):
    if status:
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise DetectorError("NVRTC failed: {}".format(library.nvrtcGetErrorString(status).decode()))
