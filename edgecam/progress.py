"""A sign of life while a pipeline runs: a bar on a terminal, else a plain line now and then."""
import logging
import sys

from edgecam import clock
from edgecam.detect import has_detector
from edgecam.worker import Worker

log = logging.getLogger(__name__)

BAR_EVERY, LINE_EVERY = 0.25, 10.0      # seconds


class Progress:
    """Shows how far *pipeline* is, from a thread of its own. *quiet*: plain lines only, on stderr."""

    def __init__(self, pipeline, quiet=False):
        self._pipeline = pipeline
        self._bar = None
        self._terminal = sys.stderr.isatty() and not quiet
        self._worker = Worker("progress", self._run)

    def __enter__(self):
        self._worker.start()
        return self

    def __exit__(self, *exc):
        self._worker.stop()
        if self._bar is not None:
            self._bar.close()

    def _run(self, stopping):
        while not stopping.wait(BAR_EVERY if self._terminal else LINE_EVERY):
            if self._pipeline.outputs is None:
                continue
            if self._terminal:
                self._draw()
            else:
                log.info("%s", line(self._pipeline))

    def _draw(self):
        if self._bar is None:
            from tqdm import tqdm
            self._bar = tqdm(total=self._pipeline.camera.length, unit=" frames", file=sys.stderr, leave=False)
        self._bar.n = self._pipeline.stats.encoded
        now = self._pipeline.stats.as_dict(clock.now())
        self._bar.set_postfix_str("{}{:.0f} kbit/s".format(looked(self._pipeline, now), now["bitrate"] / 1e3), refresh=True)


def line(pipeline):
    """One line of numbers about this moment."""
    now = pipeline.stats.as_dict(clock.now())
    total = pipeline.camera.length
    return "{}{} frames, {:.1f} fps, {}{:.0f} kbit/s".format(
        now["frames"]["encoded"], " of {}".format(total) if total else "", now["fps"]["encoded"],
        looked(pipeline, now), now["bitrate"] / 1e3)


def looked(pipeline, now):
    """What a line of numbers says of the detector, where there is one."""
    return "detected {:.1f}/s, ".format(now["fps"]["detected"]) if has_detector(pipeline.detect) else ""
