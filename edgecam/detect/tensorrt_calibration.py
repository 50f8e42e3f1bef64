"""INT8: the ranges of a network's activations, measured on real pictures by TensorRT's calibrators.

"minmax" takes every value that it saw into the range, "entropy" cuts rare ones off where that loses less of the
distribution. A detector lives from rare values: entropy costs the shipped network a point of AP50, minmax nothing.
The result, a small table, is kept beside the plans and used again: it depends on the network, its
description and the pictures, and not on the GPU.
"""
import hashlib
import json
import logging
import os

import numpy as np

from edgecam.detect.description import sha256
from edgecam.detect.letterbox import Letterbox
from edgecam.detect.plans import FORMAT
from edgecam.detect.stills import read_still
from edgecam.detect.tensorrt_api import import_tensorrt
from edgecam.errors import CaptureError, ConfigError, reason

log = logging.getLogger(__name__)
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MOST, LEAST = 512, 16           # more pictures change nothing, fewer say too little
CALIBRATORS = {"minmax": "IInt8MinMaxCalibrator", "entropy": "IInt8EntropyCalibrator2"}


class Calibration:
    """The pictures of *folder* for *model*, and the table that they give by the calibrator *kind*, in *cache*."""

    def __init__(self, model, folder, kind, cache):
        self.model, self.pictures = model, chosen_pictures(folder)
        self._kind, self._cache, self._table = kind, cache, None
        self.key = {"format": FORMAT, "calibrator": kind, "model": sha256(model.file), "description": sha256(model.path),
                    "pictures": [[os.path.basename(path), sha256(path)] for path in self.pictures]}
        self.digest = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:16]
        self._name = "{}-{}.calibration".format(model.name, self.digest)

    def table(self):
        """Return the table of this or an earlier calibration, or None."""
        if self._table is None:
            self._table = self._cache.load(self._name, self.key)
        return self._table

    def keep(self, table):
        """Have *table* from now on, also where no folder takes it: a build without one would measure on its own, and wrongly."""
        self._table = table
        self._cache.store(self._name, table, self.key)

    def batches(self, size):
        """Yield tensors [size, ...] of the pictures. What can't be read is said and left out."""
        letterbox = Letterbox(self.model.input, self.model.resize)
        batch = []
        for number, path in enumerate(self.pictures):
            try:
                batch.append(letterbox.fill(read_still(path))[0].copy())
            except CaptureError as error:
                log.warning("calibration leaves out %s", error)
            if len(batch) == size:
                yield np.stack(batch)
                batch = []
                log.debug("calibration: %d of %d pictures", number + 1, len(self.pictures))

    def calibrator(self, gpu, size):
        """Return what TensorRT asks for pictures; *size* is the network's own batch."""
        base = getattr(import_tensorrt(), CALIBRATORS[self._kind])

        class Calibrator(base):
            """Hands one batch after the other to the builder, on the GPU."""

            def __init__(self, calibration):
                base.__init__(self)
                self._calibration, self._batches = calibration, calibration.batches(size)
                self._memory = None

            def get_batch_size(self):
                return size

            def get_batch(self, names):
                batch = next(self._batches, None)
                if batch is None:
                    return None
                if self._memory is None:
                    self._memory = gpu.driver.mem_alloc(batch.nbytes)
                gpu.driver.memcpy_htod(self._memory, np.ascontiguousarray(batch))
                return [int(self._memory)]

            def read_calibration_cache(self):
                return self._calibration.table()

            def write_calibration_cache(self, cache):
                self._calibration.keep(bytes(cache))
        return Calibrator(self)


def chosen_pictures(folder):
    """Return the paths of up to MOST pictures in *folder*, evenly picked. Raises `ConfigError` for too few."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith(ENDINGS))
    except OSError as error:
        raise ConfigError("calibration: {}: {}".format(folder, reason(error))) from error
    if len(names) < LEAST:
        raise ConfigError("calibration: {} holds {} pictures ({}); some hundred that look like the camera's are wanted, at least {}".format(
            folder, len(names), ", ".join(ENDINGS), LEAST))
    step = max(1.0, len(names) / float(MOST))
    return [os.path.join(folder, names[int(index * step)]) for index in range(min(len(names), MOST))]
