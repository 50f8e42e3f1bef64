"""One row of `edgecam bench detect`: one model on one engine, measured three ways."""
import platform
from fractions import Fraction

import numpy as np

from edgecam import clock
from edgecam.bench.power import PowerMeter
from edgecam.detect import choose_engine, open_named
from edgecam.detect.auto import processor
from edgecam.detect.engine import cores
from edgecam.detect.letterbox import Letterbox
from edgecam.vocabulary import Frame, VideoFormat

WARM_UP = 3
LAUNCHES = 20           # of the preprocessing kernel in one measurement
LEAST = 5               # rounds of every measurement, however slow


def variants(model, engine, precisions, batches):
    """Return [(precision, batch)] that are measured of *model* on *engine*; CPU engines run the file's own, one at a time."""
    if engine == "tensorrt":
        wanted = precisions or ("fp32", "fp16")
        return [(precision, batch) for precision in wanted for batch in batches or (1, 8)] if model.precision == "fp32" else []
    if engine == "torch":
        return [(kind, batch) for kind in ("eager", "graph") for batch in batches or (1, 8)] if model.precision == "fp32" else []
    return [(model.precision, 1)]


def run(model, engine, variant, settings, size, seconds):
    """Return the row of figures. Raises `BackendUnavailable`, `ModelError`, `DetectorError`."""
    precision, batch = variant
    row = {"model": model.name, "engine": engine, "precision": precision, "batch": batch}
    if engine == "torch":
        from edgecam.bench.detect_torch import open_torch
        bare = open_torch(model, precision, batch)
        row.update(bare_figures(bare, batch, seconds))
        return row
    settings = settings.replace(batch=batch, threshold=None)
    if engine == "tensorrt":
        settings = settings.replace(precision=precision)
    frames = [busy_nv12(number, *size) for number in range(batch)]
    with open_named(model, choose_engine(engine), settings) as detector:
        row.update(bare_figures(detector.bare_engine(frames[0]), batch, seconds))
        row.update(whole_figures(detector, frames, seconds))
        row.update(preprocess_figures(model, detector, frames, seconds))
        row["threads"] = detector.threads
    row["whole/bare"] = round(row["whole images/s"] / row["images/s"], 3)
    return row


def bare_figures(work, batch, seconds):
    with PowerMeter() as meter:
        spent = timed(work, seconds)
    rate, watts = batch / float(np.median(spent)), meter.watts
    return {"images/s": round(rate, 2), "latency ms": ms(spent), "p99 ms": round(1e3 * float(np.percentile(spent, 99)), 3),
            "watts": watts, "images/s/W": round(rate / watts, 2) if watts else None, "rounds": len(spent)}


def whole_figures(detector, frames, seconds):
    """From planes in host memory to detections; with batches under way side by side where the detector can."""
    latency = timed(lambda: detector.detect_batch(frames), seconds)
    if hasattr(detector, "submit"):
        period = np.median(streamed(detector, frames, seconds))
    else:
        period = np.median(latency)
    return {"whole ms": ms(latency), "whole images/s": round(len(frames) / float(period), 2)}


def streamed(detector, frames, seconds):
    """Return the seconds between results while the next batch is uploaded behind the one that is computed."""
    detector.submit(frames)

    def step():
        detector.submit(frames)
        detector.collect()
    spent = timed(step, seconds)
    detector.collect()
    return spent


def preprocess_figures(model, detector, frames, seconds):
    """Time of a batch's preprocessing alone, and the bytes that it reads and writes."""
    if hasattr(detector, "bare_preprocess"):            # on the GPU, where one launch costs more than the kernel
        spent = [value / LAUNCHES for value in timed(detector.bare_preprocess(frames, LAUNCHES), seconds / 2)]
        written = detector.input_bytes
    else:
        letterbox = Letterbox(model.input, model.resize)
        spent, written = timed(lambda: letterbox.fill(frames[0]), seconds / 2), letterbox.tensor.nbytes
    moved = sum(plane.nbytes for frame in frames for plane in frame.planes) + written
    return {"preprocess ms": ms(spent), "preprocess bytes": moved, "preprocess GB/s": round(moved / float(np.median(spent)) / 1e9, 2)}


def timed(work, seconds):
    """Return the seconds of each call of *work*, after some that warm up."""
    for _ in range(WARM_UP):
        work()
    spent, end = [], clock.now() + seconds
    while len(spent) < LEAST or clock.now() < end:
        started = clock.now()
        work()
        spent.append(clock.now() - started)
    return spent


def ms(spent):
    return round(1e3 * float(np.median(spent)), 3)


def busy_nv12(number, width, height):
    """Return an NV12 frame of blocks and noise."""
    video = VideoFormat(width, height, "NV12", Fraction(30), Fraction(1, 30), False)
    random = np.random.RandomState(number)
    luma = np.kron(random.randint(30, 200, (height // 32 + 1, width // 32 + 1)), np.ones((32, 32), int))[:height, :width]
    chroma = random.randint(100, 156, ((height + 1) // 2, (width + 1) // 2, 2))
    return Frame(number, number / 30.0, number, video, ((luma + random.randint(0, 30, luma.shape)).astype(np.uint8), chroma.astype(np.uint8)))


def machine():
    """Return what the figures were measured on."""
    return {"processor": processor(), "cores": cores(), "system": platform.platform(), "python": platform.python_version(),
            "gpu": PowerMeter().device}
