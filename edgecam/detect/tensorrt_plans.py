"""From a model and the settings to a plan: found in the cache, or built into it."""
import contextlib
import logging
import time

from edgecam.claiming import locked
from edgecam.detect.cuda.driver import open_gpu
from edgecam.detect.plans import PlanCache, plan_key, plan_name
from edgecam.detect.tensorrt_api import import_tensorrt
from edgecam.detect.tensorrt_build import BuildFlags, build_plan, calibrate, choose_precision
from edgecam.errors import ConfigError

log = logging.getLogger(__name__)


class PlanRequest:
    """Which plan is wanted: everything that its key is made of."""

    def __init__(self, model, settings):
        trt = import_tensorrt()
        self.model, self.gpu = model, open_gpu(settings.gpu)
        self.batch, self.precision = settings.batch, choose_precision(trt, settings.precision)
        self.flags = BuildFlags(trt, settings.workspace)
        self.cache = PlanCache(settings.plans)
        self.calibration = self._calibration(settings)
        self.key = plan_key(model, trt.__version__, self.gpu, self.precision, self.batch, self.flags.as_dict(),
                            self.calibration.digest if self.calibration else None)
        self.name = plan_name(model, self.key)
        self._timing_key = {"tensorrt": trt.__version__, "gpu": self.gpu.name, "capability": self.key["capability"]}
        self._timing_name = "timing-{}-{}.cache".format(self.gpu.name.replace(" ", "-"), trt.__version__)

    def _calibration(self, settings):
        if self.precision != "int8":
            return None
        from edgecam.detect.tensorrt_calibration import Calibration
        if not settings.calibration:
            raise ConfigError("detect.precision = int8 takes pictures to measure ranges on: name a folder of some hundred that look "
                              "like the camera's with detect.calibration, or with --calibration DIR of: edgecam models build")
        return Calibration(self.model, settings.calibration, settings.calibrator, self.cache)

    def load(self):
        """Return the plan's bytes from the cache, or None."""
        return self.cache.load(self.name, self.key)

    def build(self, anew=False):
        """Build the plan, keep it and return (bytes, path or None). One process at a time builds into a folder."""
        with locked(self.cache.path(self.name + ".lock")):
            content = None if anew else self.load()     # another process may have built it while we waited
            if content is not None:
                return content, self.cache.path(self.name)
            started = time.time()
            log.info("building %s for %s in %s, batch %d: this takes minutes, once", self.model.name, self.gpu.name, self.precision, self.batch)
            timing = self.cache.load(self._timing_name, self._timing_key) or b""
            content, timing = build_plan(self.model, self.precision, self.batch, self.flags, timing, self._calibrator())
            self.cache.store(self._timing_name, timing, self._timing_key)
            path = self.cache.store(self.name, content, self.key)
            log.info("built %s in %.0f s: %.1f MB", self.name, time.time() - started, len(content) / 1e6)
            return content, path

    def _calibrator(self):
        """Return the calibrator of an INT8 build, its table measured, or None."""
        if self.calibration is None:
            return None
        if self.calibration.table() is None:
            calibrate(self.model, self.batch, self.flags, self.calibration.calibrator(self.gpu, self.batch))
        return self.calibration.calibrator(self.gpu, self.batch)


def has_plan(model, settings):
    """Say whether a whole plan for *model* is in the cache."""
    with on_gpu(settings.gpu):
        return PlanRequest(model, settings).load() is not None


def plan_for(model, settings, anew=False):
    """Return (bytes of the plan for *model*, whether it was built now). Raises `ModelError`, `BackendUnavailable`."""
    with on_gpu(settings.gpu):
        request = PlanRequest(model, settings)
        content = None if anew else request.load()
        return (request.build(anew)[0], True) if content is None else (content, False)


@contextlib.contextmanager
def on_gpu(index):
    """Have the GPU current on this thread."""
    gpu = open_gpu(index)
    gpu.enter()
    try:
        yield gpu
    finally:
        gpu.leave()
