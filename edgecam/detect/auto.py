"""`model: auto`: the largest shipped model that is fast enough beside the video, on this machine.

Measured once, from the largest down until one reaches `detect.min_rate`, and remembered in the
user's cache folder under everything that the figure depends on.
"""
import hashlib
import json
import logging
import os
import platform
from fractions import Fraction

import numpy as np

from edgecam.clock import thread_seconds
from edgecam.claiming import locked
from edgecam.detect.engine import cores, thread_count
from edgecam.detect.models import nearest_models
from edgecam.errors import ModelError, reason
from edgecam.vocabulary import Frame, VideoFormat
from edgecam.whole_file import write_whole

log = logging.getLogger(__name__)

VIDEO_LANE = 0.4        # cores that decoding, tagging and encoding 960x540 at 30 frames per second take
PARALLEL = 0.8          # what each further thread adds, in threads
ROUNDS = 5
CACHE_FORMAT = 1
ON_CPUS, ON_TENSORRT = ("int8", "fp32", "fp16"), ("fp32", "fp16", "int8")        # which of a variant's precisions is taken


def choose_model(settings, engine):
    """Return the `ModelDescription` for this machine and *engine*, and log why. Raises `ModelError` where there is none."""
    models = nearest_models(settings.models)
    candidates = ranked(models, ON_TENSORRT if engine.NAME == "tensorrt" else ON_CPUS)
    if not candidates:
        raise ModelError("model: auto finds no model: none came with this edgecam, and detect.models and EDGECAM_MODELS name "
                         "no folder with one; or run with --detector none")
    if len(candidates) == 1:
        log.info("model: auto takes %s, the only one%s", candidates[0].name, "" if len(models) == 1 else " but for other precisions")
        return candidates[0]
    if engine.NAME == "tensorrt":           # measuring would build an engine of each, minutes a piece
        log.info("model: auto takes %s, the largest: TensorRT chooses the arithmetic itself", candidates[0].name)
        return candidates[0]
    cache = RateCache(cache_file(), machine_key(engine, settings.threads))
    rates = {}
    for model in candidates:
        rates[model.name] = rate_of(model, engine, settings, cache)
        if rates[model.name] >= settings.min_rate:
            log.info("model: auto takes %s: %.1f a second beside the video, %g wanted", model.name, rates[model.name], settings.min_rate)
            return model
        log.info("model: auto passes over %s: %.1f a second beside the video, %g wanted",
                 model.name, rates[model.name], settings.min_rate)
    best = max(candidates, key=lambda model: rates[model.name])
    log.warning("model: auto takes %s, the fastest: %.1f a second beside the video, though %g are wanted",
                best.name, rates[best.name], settings.min_rate)
    return best


def ranked(models, preferred):
    """Return the models worth measuring, largest first: of each variant in each input size the one whose precision is *preferred*.
    CPUs run INT8 in half the time or less; TensorRT makes its own INT8 and FP16 of FP32. What says nothing of its work comes last.
    """
    chosen = {}
    for model in models:
        key = model.variant or model.name, model.input.width, model.input.height
        if key not in chosen or preferred.index(model.precision) < preferred.index(chosen[key].precision):
            chosen[key] = model
    return sorted(chosen.values(), key=lambda model: (model.gflops or 0, model.input.width * model.input.height), reverse=True)


def rate_of(model, engine, settings, cache):
    """Return detections per second beside the video lane, from the cache or measured now. 0 for a model that fails."""
    key = model.sha256 or "{} {}".format(model.file, os.path.getsize(model.file) if os.path.exists(model.file) else 0)
    remembered = cache.get(key)
    if remembered is not None:
        log.debug("model: auto remembers %s: %.1f a second (%s)", model.name, remembered, cache.path)
        return remembered
    log.info("model: auto measures %s on this machine, once", model.name)
    try:
        rate = measure(model, engine, settings)
    except ModelError as error:
        log.warning("model: auto passes over %s: %s", model.name, error)
        return 0.0
    return cache.put(key, rate)


def measure(model, engine, settings):
    """Return detections per second of *model* beside the video lane.

    The whole of `detect` counts, on one thread and in that thread's CPU time, so that a machine that is busy at this
    moment, if only with the video lane itself, gives the same answer. A hopelessly slow model is given up after one round.
    """
    from edgecam.detect import open_named
    frame = noise(model.input.width, model.input.height)
    spent = []
    with open_named(model, engine, settings.replace(threads=1, classes=())) as detector:
        detector.detect(frame)
        while len(spent) < ROUNDS and not (spent and spent[0] * settings.min_rate > 2 * cores()):
            start = thread_seconds()
            detector.detect(frame)
            spent.append(thread_seconds() - start)
    return usable_cores(thread_count(model, settings.threads)) / float(np.median(spent))


def usable_cores(threads):
    """Return how many cores *threads* can fill beside the video lane."""
    return min(1 + PARALLEL * (threads - 1), max(0.5, cores() - VIDEO_LANE))


def noise(width, height):
    """Return a grey frame with noise: content costs nothing but a few candidates."""
    video = VideoFormat(width, height, "I420", Fraction(30), Fraction(1, 30), False)
    random = np.random.RandomState(1)
    sizes = (height, width), ((height + 1) // 2, (width + 1) // 2), ((height + 1) // 2, (width + 1) // 2)
    return Frame(0, 0.0, 0, video, tuple(random.randint(96, 160, size).astype(np.uint8) for size in sizes))


def machine_key(engine, threads):
    """Return a text that changes with the processor, its number of cores, the engine's version or the thread setting."""
    return "{}, {} cores, {} {}, threads {}".format(processor(), cores(), engine.NAME, engine.version(), threads)


def processor():
    """Return the processor's name, with what it can do beyond it: two machines may bear one name and differ in VNNI."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                field, _, value = line.partition(":")
                if field.strip() in ("model name", "Hardware"):
                    name = value.strip()
                elif field.strip() in ("flags", "Features"):
                    flags = value.strip()
    except OSError:
        pass                                    # not Linux: the platform's own name has to do
    return "{} {}".format(name, hashlib.sha256(flags.encode()).hexdigest()[:8])


def cache_file():
    """Return where measured rates are kept: $XDG_CACHE_HOME/edgecam, by default ~/.cache/edgecam."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "edgecam", "detector-rates.json")


class RateCache:
    """{machine: {model: rate}} in a JSON file. A broken file is rebuilt, one that can't be written is said and lived with.

    Several processes may have it: what another one has measured meanwhile stays.
    """

    def __init__(self, path, machine):
        self.path, self._machine = path, machine
        self._rates = self._load()

    def get(self, model):
        """Return the rate of *model* on this machine, or None."""
        return self._rates.get(self._machine, {}).get(model)

    def put(self, model, rate):
        """Remember *rate* and return it, or what another process has remembered meanwhile: the first figure counts, so that all choose alike,
        now and later. The file is replaced as a whole, so that a reader never sees half of it.
        """
        self._rates.setdefault(self._machine, {})[model] = round(rate, 2)
        try:
            with locked(self.path + ".lock"):
                for machine, row in self._load(log.debug).items():
                    self._rates.setdefault(machine, {}).update(row)
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                write_whole(self.path, json.dumps({"format": CACHE_FORMAT, "rates": self._rates}, indent=1).encode())
        except OSError as error:
            log.warning("%s can't be written (%s): the measurement will be made again next time", self.path, reason(error))
        return self.get(model)

    def _load(self, say=log.warning):
        try:
            with open(self.path, encoding="utf-8") as stream:
                content = json.load(stream)
            if content["format"] == CACHE_FORMAT and all_rates(content["rates"]):
                return content["rates"]
            say("%s is of another version: measuring anew", self.path)
        except FileNotFoundError:
            pass                                # the first time
        except (OSError, ValueError, KeyError, TypeError) as error:
            say("%s can't be read (%s): measuring anew", self.path, error)
        return {}


def all_rates(rates):
    """Say whether *rates* is {text: {text: positive number}}."""
    return isinstance(rates, dict) and all(
        isinstance(row, dict) and all(isinstance(rate, (int, float)) and rate > 0 for rate in row.values())
        for row in rates.values())
