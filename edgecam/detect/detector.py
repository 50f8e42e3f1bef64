"""The promise of this room: a detector names and boxes what it sees in a frame."""
import difflib

from edgecam.errors import ConfigError


def refuse_unknown(key, names, model, labels):
    """Raise `ConfigError` where some of *names*, which the setting *key* gives, are no *labels* of the model called *model*."""
    unknown = [name for name in names if name not in labels]
    if unknown:
        near = difflib.get_close_matches(unknown[0], labels, 1)
        hint = "did you mean {}? ".format(near[0]) if near else ""
        raise ConfigError("{}: {} knows no {}; {}its labels are {}".format(key, model, ", ".join(unknown), hint, ", ".join(labels)),
                          keys=(key + "." + unknown[0], key))


class Detector:
    """Finds objects in single frames.

    A descendant sets *name*, *model* (the description's name), *labels* (tuple of str) and
    *size* (width, height of the network's input), and must override `detect` and `close`.
    A detector belongs to one thread: the one that opened it calls it.
    """

    name = "detector"
    model = "none"
    labels = ()
    size = (0, 0)
    batch = 1               # frames that `detect_batch` computes together

    def detect(self, frame, threshold=None):
        """Return the list of `Detection` in *frame*, best first, boxes in the frame's pixels.

        *threshold* (0 to 1) replaces the model's own. Raises `DetectorError`.
        """
        raise NotImplementedError

    def detect_batch(self, frames, threshold=None):
        """Return a list of detections for each of *frames*, at most `batch` of them; engines that can compute them together do."""
        return [self.detect(frame, threshold) for frame in frames]

    def prepare(self):
        """Return whether frames are looked at: False while the engine is still built in the background. Raises `DetectorError`."""
        return True

    def close(self):
        """Free the engine; closing twice is fine."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class NoDetector(Detector):
    """Sees nothing: for `--detector none`."""

    name = "none"

    def detect(self, frame, threshold=None):
        return []
