"""Plans: built engines, kept under everything that they depend on.

A plan works on the kind of GPU and with the TensorRT that built it, and nowhere else. Its name
ends in a sum over all that matters, so a disk that moves to another board finds no wrong plan;
beside it lies a JSON file with its own sum and what went into the name, for people and for the
check on reading. Whatever does not fit is built again; nothing here raises for a bad file.
"""
import hashlib
import json
import logging
import os
import tempfile

from edgecam.detect.description import sha256
from edgecam.detect.tensorrt_parsers import network_files
from edgecam.errors import reason
from edgecam.whole_file import write_whole

log = logging.getLogger(__name__)
FORMAT = 5          # of the way in which engines are built: one of before is built again
SIDECAR = ".json"


def plan_key(model, trt_version, gpu, precision, batch, flags, calibration=None):
    """Return {what: value} of all that decides whether a plan may be used.

    *gpu* has `name` and `capability`; *flags* is a dict of plain values; *calibration* the sum of what INT8 was calibrated with.
    """
    return {"format": FORMAT, "model": [sha256(path) for path in network_files(model)], "description": sha256(model.path),
            "tensorrt": trt_version, "gpu": gpu.name, "capability": "{}.{}".format(*gpu.capability), "precision": precision, "batch": batch,
            "flags": flags, "calibration": calibration}


def plan_name(model, key):
    """Return the file name of a plan: readable in front, exact at the end."""
    text = json.dumps(key, sort_keys=True)
    return "{}-{}-b{}-{}.plan".format(model.name, key["precision"], key["batch"], hashlib.sha256(text.encode()).hexdigest()[:16])


def cache_folder():
    """Return where plans are kept unless the settings say otherwise: $XDG_CACHE_HOME/edgecam/plans, by default in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "edgecam", "plans")


class PlanCache:
    """Plans in *folder*, or where that can't be written in the user's cache folder."""

    def __init__(self, folder=None):
        self.folder = folder or cache_folder()
        if not writable(self.folder) and self.folder != cache_folder():
            log.warning("%s can't be written: plans are kept in %s", self.folder, cache_folder())
            self._others = [self.folder]            # what lies there is still good
            self.folder = cache_folder()
        else:
            self._others = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def load(self, name, key):
        """Return the bytes of the plan *name*, or None where there is no whole one for *key*."""
        for folder in [self.folder] + self._others:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                content = read_checked(path, key)
                if content is not None:
                    return content
        return None

    def store(self, name, content, key=None):
        """Keep *content* as *name*, whole or not at all; return its path, or None where it can't be kept."""
        path = self.path(name)
        sidecar = json.dumps({"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "key": key}, indent=1, sort_keys=True)
        try:
            os.makedirs(self.folder, exist_ok=True)
            write_whole(path + SIDECAR, sidecar.encode(), sync=True)        # first: a plan without one is not believed
            write_whole(path, content, sync=True)
        except OSError as error:
            log.warning("%s can't be written (%s): it will be built again next time", path, reason(error))
            return None
        return path


def read_checked(path, key):
    """Return the content of *path* if it is what its sidecar says and was built for *key*; else say why not and return None."""
    try:
        with open(path + SIDECAR, encoding="utf-8") as stream:
            said = json.load(stream)
        with open(path, "rb") as stream:
            content = stream.read()
        if said["key"] != key:
            log.warning("%s was built for something else: it is built again", path)
        elif said["sha256"] != hashlib.sha256(content).hexdigest():
            log.warning("%s is damaged (%d bytes of %s, another sum): it is built again", path, len(content), said["bytes"])
        else:
            return content
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s can't be trusted (%s): it is built again", path, error)
    return None


def writable(folder):
    """Say whether files can be made in *folder*, which is made where it is missing."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
