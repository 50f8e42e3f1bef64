"""A detector whose engine is still being built: a child process builds, video streams meanwhile.

TensorRT holds the interpreter for minutes and can't be stopped; a process can, at once.
"""
import logging
import os
import subprocess
import sys
import threading
from collections import deque

from edgecam import clock
from edgecam.detect.detector import Detector
from edgecam.errors import EXIT_CONFIG, EXIT_OK, DetectorError, ModelError, reason

log = logging.getLogger(__name__)
PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEYS = ("precision", "batch", "workspace", "calibration", "calibrator", "plans", "gpu")
PATIENCE = 5.0          # seconds between asking a builder to end and ending it
PREFIX = "edgecam: "


def build_command(model, settings):
    """Return the words that build the plan of *model* in a process of its own."""
    words = [sys.executable, "-m", "edgecam", "models", "build", os.path.abspath(model.path)]
    for key in KEYS:
        value = getattr(settings, key)
        if value is not None:
            words += ["--set", "detect.{}={}".format(key, value)]
    return words


class Builder:
    """The child process that runs *command*; what it says goes into our log."""

    def __init__(self, command):
        self._last = deque(["it said nothing"], maxlen=1)
        self._started = clock.now()
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")])))
        environment.pop("JOURNAL_STREAM", None)             # our own log gives the priorities
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                             env=environment, universal_newlines=True, errors="replace", start_new_session=True)
        except OSError as error:
            raise DetectorError("the engine can't be built: {}: {}".format(command[0], reason(error))) from error
        self._reader = threading.Thread(target=self._relay, name="edgecam-build-log", daemon=True)
        self._reader.start()

    def _relay(self):
        with self._process.stderr as lines:
            for line in filter(None, map(str.strip, lines)):
                text = line[len(PREFIX):] if line.startswith(PREFIX) else line
                self._last.append(text)
                log.info("%s", text)

    @property
    def seconds(self):
        """How long it has been running."""
        return clock.now() - self._started

    def done(self):
        """Return whether it has built. Raises `ModelError` or `DetectorError` with its last words where it failed."""
        code = self._process.poll()
        if code is None:
            return False
        self._reader.join(PATIENCE)
        if code != EXIT_OK:
            kind = ModelError if code == EXIT_CONFIG else DetectorError
            raise kind("the engine can't be built: {} (exit code {})".format(self._last[0], code))
        return True

    def stop(self):
        """End it, whatever it is at; stopping twice is fine."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(PATIENCE)


class BuildingDetector(Detector):
    """Sees nothing until *builder* is done, then is the detector that ``open_built()`` returns.

    While it builds, `model` says so and for how long: that is what pages and summaries show.
    """

    def __init__(self, model, name, builder, open_built):
        self.name, self.labels, self.size = name, model.labels, (model.input.width, model.input.height)
        self.threads = 1
        self._name, self._builder, self._open, self._built = model.name, builder, open_built, None
        log.info("%s: its engine is being built; until then nothing is detected", model.name)

    @property
    def model(self):
        return self._name if self._built is not None else "{} (building its engine, {:.0f} s)".format(self._name, self._builder.seconds)

    def prepare(self):
        if self._built is None and self._builder.done():
            self._built = self._open()
            log.info("detector: %r", self._built)
        return self._built is not None

    def detect(self, frame, threshold=None):
        return self._built.detect(frame, threshold) if self.prepare() else []

    @property
    def batch(self):
        return self._built.batch if self._built is not None else 1

    def detect_batch(self, frames, threshold=None):
        return self._built.detect_batch(frames, threshold) if self.prepare() else [[] for _ in frames]

    def close(self):
        self._builder.stop()
        if self._built is not None:
            self._built.close()

    def __repr__(self):
        return repr(self._built) if self._built is not None else "<{}>".format(self.model)
