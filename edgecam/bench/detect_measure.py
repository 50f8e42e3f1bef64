"""One row of `edgecam bench detect`: one model on one engine, measured three ways."""
import contextlib
import platform
from fractions import Fraction

import numpy as np

from edgecam import clock
from edgecam.bench.power_meter import PowerMeter
from edgecam.detect import choose_engine, open_named
from edgecam.detect.auto import processor
from edgecam.detect.engine import cores
from edgecam.detect.letterbox import Letterbox
from edgecam.vocabulary import Frame, VideoFormat

WARM_UP = 3
BURST = 20              # launches on a GPU that are queued before one wait: one of them costs less than waiting for it
LEAST = 5               # rounds of every measurement, however slow
TURNS = 3               # at least, of bare engine and whole step, one after the other: clocks and temperatures drift
A_TURN = 0.1            # seconds of each


def variants(model, engine, precisions, batches):
    """Return [(precision, batch)] that are measured of *model* on *engine*; CPU engines run the file's own, one at a time.

    None for what can't be measured there: their bare run is a detector's, so that a network whose outputs are no boxes has none.
    """
    if engine == "tensorrt":
        wanted = precisions or ("fp32", "fp16")
        return [(precision, batch) for precision in wanted for batch in batches or (1, 8)] if model.precision == "fp32" else []
    if engine == "torch":
        return [(kind, batch) for kind in ("eager", "graph") for batch in batches or (1, 8)] if model.precision == "fp32" else []
    return [(model.precision, 1)] if model.decoder["kind"] != "none" else []


def run(model, engine, variant, settings, size, seconds):
    """Return the row of figures. Raises `BackendUnavailable`, `ModelError`, `DetectorError`."""
    precision, batch = variant
    row = {"model": model.name, "engine": engine, "precision": precision, "batch": batch}
    settings = settings.replace(batch=batch, threshold=None)
    if engine == "torch":
        from edgecam.bench.detect_torch import open_torch
        row.update(bare_figures(open_torch(model, precision, batch), batch, BURST, seconds))
        return row
    if engine == "tensorrt":
        settings = settings.replace(precision=precision)
        if model.decoder["kind"] == "none":
            with bare_tensorrt(model, settings) as bare:
                row.update(bare_figures(bare.run, batch, BURST, seconds))
            return row
    frames = [busy_nv12(number, *size) for number in range(batch)]
    with open_named(model, choose_engine(engine), settings) as detector, contextlib.ExitStack() as stack:
        if engine == "tensorrt":
            bare, burst = stack.enter_context(bare_tensorrt(model, settings)).run, BURST
        else:
            bare, burst = repeated(detector.bare_engine(frames[0])), 1
        row.update(bare_figures(bare, batch, burst, seconds))
        row.update(whole_figures(bare, burst, detector, frames, seconds))
        row.update(preprocess_figures(model, detector, frames, seconds))
        row["preprocess/bare"] = round(row["preprocess ms"] * row["images/s"] / batch / 1e3, 3)
        row["threads"] = detector.threads
    return row


def bare_tensorrt(model, settings):
    from edgecam.bench.detect_bare import BareEngine
    return BareEngine(model, settings)


def repeated(work):
    def run(times):
        for _ in range(times):
            work()
    return run


def bare_figures(bare, batch, burst, seconds):
    """The network alone: how long one answer takes, and the rate and watts of answers without a pause."""
    spent = timed(lambda: bare(1), seconds / 2)
    with PowerMeter() as meter:
        period = float(np.median(timed(lambda: bare(burst), seconds))) / burst
    rate, watts = batch / period, meter.watts
    return {"images/s": round(rate, 2), "latency ms": ms(spent), "p99 ms": round(1e3 * float(np.percentile(spent, 99)), 3),
            "watts": watts, "images/s/W": round(rate / watts, 2) if watts else None, "rounds": len(spent)}


def whole_figures(bare, burst, detector, frames, seconds):
    """From planes in host memory to detections: alone, and without a pause in turns with the bare engine."""
    latency = timed(lambda: detector.detect_batch(frames), seconds / 2)
    step = Streamed(detector, frames) if hasattr(detector, "submit") else lambda: detector.detect_batch(frames)
    shares, periods, end = [], [], clock.now() + 2 * seconds
    while len(shares) < TURNS or clock.now() < end:
        alone = float(np.median(timed(lambda: bare(burst), A_TURN, 1))) / burst
        periods.append(float(np.median(timed(lambda: many(step, burst), A_TURN, 1))) / burst)
        shares.append(alone / periods[-1])
    if hasattr(step, "finish"):
        step.finish()
    return {"whole ms": ms(latency), "whole images/s": round(len(frames) / float(np.median(periods)), 2),
            "whole/bare": round(float(np.median(shares)), 3)}


def many(step, times):
    for _ in range(times):
        step()


class Streamed:
    """One step: the next batch is submitted, the last one collected, so that one is uploaded while the other is computed."""

    def __init__(self, detector, frames):
        self._detector, self._frames = detector, frames
        detector.submit(frames)

    def __call__(self):
        self._detector.submit(self._frames)
        self._detector.collect()

    def finish(self):
        self._detector.collect()


def preprocess_figures(model, detector, frames, seconds):
    """Time of a batch's preprocessing alone, and the bytes that it reads and writes."""
    if hasattr(detector, "bare_preprocess"):            # on the GPU, where one launch costs more than the kernel
        spent = [value / BURST for value in timed(detector.bare_preprocess(frames, BURST), seconds / 2)]
        written = detector.input_bytes
    else:
        letterbox = Letterbox(model.input, model.resize)
        spent, written = timed(lambda: letterbox.fill(frames[0]), seconds / 2), letterbox.tensor.nbytes
    moved = sum(plane.nbytes for frame in frames for plane in frame.planes) + written
    return {"preprocess ms": ms(spent), "preprocess bytes": moved, "preprocess GB/s": round(moved / float(np.median(spent)) / 1e9, 2)}


def timed(work, seconds, least=LEAST):
    """Return the seconds of each call of *work*, at least *least* of them, after some that warm up."""
    for _ in range(min(WARM_UP, least)):
        work()
    spent, end = [], clock.now() + seconds
    while len(spent) < least or clock.now() < end:
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
