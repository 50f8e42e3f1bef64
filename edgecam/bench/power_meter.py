"""Watts while something runs: NVML's of the GPU (by nvidia-smi), or the rails of a Jetson's INA3221."""
import contextlib
import glob
import os
import subprocess

from edgecam.detect.cuda.driver import import_driver
from edgecam.errors import BackendUnavailable
from edgecam.worker import Worker

EVERY = 0.1             # seconds between samples of the rails
QUERY = ["nvidia-smi", "--query-gpu=power.draw,utilization.gpu,name", "--format=csv,noheader,nounits", "-i"]
# JetPack 4 has the rails as IIO devices, in milliwatts; from 5 on they are hwmon, in millivolts and milliamperes
IIO = "/sys/bus/i2c/drivers/ina3221x/*/iio:device*"
HWMON = "/sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*"
TOTAL = ("VDD_IN", "POM_5V_IN")       # the board's own input where it has such a rail


class PowerMeter:
    """Samples from a thread between `__enter__` and `__exit__`; *watts* is the mean, or None where nothing can be read.

    *gpu* is CUDA's number of the GPU in this process.
    *busy* is the mean share of time, in percent, in which the GPU ran a kernel: NVML's, and None for a board's rails.
    """

    def __init__(self, gpu=0, root="/"):
        self.device, self._read = find_source(gpu, root)
        self._samples, self._worker = [], None

    def __enter__(self):
        if self._read is not None:
            self._worker = Worker("power", self._run).start()
        return self

    def __exit__(self, *exc):
        if self._worker is not None:
            self._worker.stop(timeout=20)

    def _run(self, stopping):
        with self._read() as samples:
            for value in samples:
                if value is not None:
                    self._samples.append(value)
                if stopping.wait(EVERY):
                    return

    @property
    def watts(self):
        return mean([watts for watts, _ in self._samples])

    @property
    def busy(self):
        return mean([busy for _, busy in self._samples if busy is not None])


def mean(values):
    return round(sum(values) / len(values), 2) if values else None


def find_source(gpu, root):
    """Return (name, context manager that gives an endless iterator of (watts, busy)) of what this machine has, or (None, None)."""
    rail = find_rail(root)
    if rail is not None:
        return rail[0], lambda: rail_samples(rail[1])
    gpu = nvidias_name(gpu)
    said = ask_nvidia(gpu)
    return (None, None) if said is None else (said[2], lambda: NvidiaSamples(gpu))


def nvidias_name(gpu):
    """Return what nvidia-smi calls CUDA's GPU number *gpu*: CUDA sorts by speed and sees what CUDA_VISIBLE_DEVICES lists, nvidia-smi goes by the bus."""
    try:
        driver = import_driver()
        return driver.Device(gpu).pci_bus_id()
    except BackendUnavailable:
        visible = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
        return visible[gpu] if gpu < len(visible) else str(gpu)


@contextlib.contextmanager
def rail_samples(watts):
    """Give an endless iterator of (watts, None); None where the rail can't be read."""
    yield ((value, None) if value is not None else None for value in iter(watts, object()))


class NvidiaSamples:
    """What one nvidia-smi says again and again: to start one for each sample would disturb what is measured."""

    def __init__(self, gpu):
        words = QUERY + [gpu, "--loop-ms={:.0f}".format(1e3 * EVERY)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __iter__(self):
        for line in self._process.stdout:
            yield parsed(line.decode())[:2]

    def __exit__(self, *exc):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def ask_nvidia(gpu):
    """Return (watts, busy percent, name) of the GPU, or None."""
    try:
        text = subprocess.check_output(QUERY + [gpu], stderr=subprocess.DEVNULL, timeout=20).decode()
        return parsed(text.strip().splitlines()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def parsed(line):
    power, busy, name = line.strip().split(", ", 2)
    return float(power), float(busy), name


def find_rail(root):
    """Return (name, function) of the board's input rail, or None."""
    rails = {}
    for folder in glob.glob(os.path.join(root, IIO.lstrip("/"))):
        for path in glob.glob(os.path.join(folder, "rail_name_*")):
            number = path.rsplit("_", 1)[1]
            power = os.path.join(folder, "in_power{}_input".format(number))
            rails[text_of(path)] = lambda power=power: scaled(power, 1e-3)
    for folder in glob.glob(os.path.join(root, HWMON.lstrip("/"))):
        for path in glob.glob(os.path.join(folder, "in*_label")):
            number = os.path.basename(path)[2:-len("_label")]
            volts, amperes = os.path.join(folder, "in{}_input".format(number)), os.path.join(folder, "curr{}_input".format(number))
            rails[text_of(path)] = lambda volts=volts, amperes=amperes: product(scaled(volts, 1e-3), scaled(amperes, 1e-3))
    for name in TOTAL:
        if name in rails:
            return name, rails[name]
    return None


def text_of(path):
    try:
        with open(path) as stream:
            return stream.read().strip()
    except OSError:
        return None


def scaled(path, factor):
    """Return the number in *path* times *factor*, or None."""
    try:
        return float(text_of(path)) * factor
    except (TypeError, ValueError):
        return None


def product(one, other):
    return None if one is None or other is None else one * other
