"""The simulated Jetson encoder, for tests: NVIDIA's place behind the real libv4l2 is taken by our plugin.

The plugin is compiled by the machine's compiler; libv4l2 is the distribution's own, byte for byte
but for the folder in which it looks for plugins. What edgecam runs is what it runs on a board.
"""
import atexit
import ctypes
import glob
import os
import shutil
import subprocess
import tempfile

from edgecam.v4l2.driver import LibV4L2
from edgecam.v4l2.tegra import Board

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER_IN_LIBRARY = b"/libv4l/plugins"
RELEASES = ("28.2.0", "32.7.1", "35.4.1", "36.3.0", "36.4.0")
FLAGS = "-std=gnu11 -O2 -Wall -Wextra -Werror -Wno-parentheses -shared -fPIC".split()


def missing():
    """Return why the simulator can't be built here, None if it can."""
    if shutil.which("gcc") is None:
        return "no gcc to build the Tegra simulator with"
    if not os.path.exists("/usr/include/x264.h"):
        return "no x264.h (package libx264-dev) to build the Tegra simulator with"
    if find_libv4l2() is None:
        return "no libv4l2.so.0 (package libv4l-0)"
    return None


def find_libv4l2():
    found = glob.glob("/usr/lib/*/libv4l2.so.0") + glob.glob("/lib/*/libv4l2.so.0")
    return found[0] if found else None


def build(folder):
    """Compile everything into *folder* (a short path: it must fit where the library had its own)."""
    os.makedirs(os.path.join(folder, "plugins"))
    sources = [os.path.join(HERE, name) for name in ("plugin.c", "worker.c", "formats.c", "controls.c", "buffers.c", "coder.c", "report.c")]
    gcc(sources + ["-Wl,-Bsymbolic", "-o", os.path.join(folder, "plugins", "sim.so"), "-lx264", "-lpthread", "-lm"])
    buffers = [os.path.join(HERE, name) for name in ("nvbuf.c", "report.c")]
    for name, flags in (("libnvbuf_utils.so", ["-DNVBUF_UTILS"]), ("libnvbufsurface.so", [])):
        gcc(buffers + flags + ["-Wl,-soname," + name, "-o", os.path.join(folder, name)])
    redirect(find_libv4l2(), os.path.join(folder, "libv4l2.so.0"), os.path.join(folder, "plugins"))
    return folder


def gcc(arguments):
    subprocess.run(["gcc"] + FLAGS + arguments, check=True)


def redirect(library, copy, plugins):
    """Copy *library*, with another folder for plugins written over its own."""
    with open(library, "rb") as stream:
        code = stream.read()
    at = code.index(FOLDER_IN_LIBRARY)
    start, end = code.rindex(b"\0", 0, at) + 1, code.index(b"\0", at)
    pattern = os.fsencode(plugins) + b"/*.so"
    if len(pattern) > end - start:
        raise ValueError("{} is too long a folder for the simulator".format(plugins))
    with open(copy, "wb") as stream:
        stream.write(code[:start] + pattern.ljust(end - start, b"\0") + code[end:])


class Simulator:
    """A simulated board with one L4T release. Everything that the client does wrong is in `mistakes`."""

    def __init__(self, built, folder, release="32.7.1", fault=""):
        self.release, self.built = release, built
        self.node = os.path.join(str(folder), "nvhost-msenc")
        self.report = os.path.join(str(folder), "mistakes-" + release)
        open(self.node, "w").close()
        os.environ.update(TEGRA_SIM_RELEASE=release, TEGRA_SIM_REPORT=self.report, TEGRA_SIM_FAULT=fault)
        for name in ("libnvbuf_utils.so", "libnvbufsurface.so"):
            ctypes.CDLL(os.path.join(built, name))          # found by name from now on, as on a board
        self.driver = LibV4L2((os.path.join(built, "libv4l2.so.0"),))
        self.board = Board("simulated Jetson", tuple(int(part) for part in release.split(".")), "nvidia,p3448-0000")

    def mistakes(self):
        """Return the lines of the report."""
        if not os.path.exists(self.report):
            return []
        with open(self.report) as report:
            return report.read().splitlines()


def open_for(release, video, **settings):
    """Open the Tegra encoder on a simulated board, as the contract suite opens every encoder."""
    from edgecam.config import load_config
    from edgecam.encode.v4l2_tegra import TegraEncoder
    folder = tempfile.mkdtemp(prefix="sim", dir="/tmp")
    atexit.register(shutil.rmtree, folder, True)
    simulator = Simulator(built_once(), folder, release)
    return TegraEncoder(load_config().encode.replace(**settings), video, simulator.board, simulator.node, simulator.driver)


def built_once(folders=[]):
    if not folders:
        folders.append(build(tempfile.mkdtemp(prefix="sim", dir="/tmp")))
        atexit.register(shutil.rmtree, folders[0], True)
    return folders[0]
