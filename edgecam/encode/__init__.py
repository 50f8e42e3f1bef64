"""Encoding: frames and plans in, H.264 packets out."""
import importlib
import logging

from edgecam.encode.encoder import Encoder
from edgecam.errors import BackendUnavailable

log = logging.getLogger(__name__)

# Name, module and class, in the order in which "auto" tries them.
BACKENDS = (
    ("v4l2", "edgecam.encode.v4l2", "open_v4l2"),
    ("x264", "edgecam.encode.x264", "X264Encoder"),
)


def open_encoder(settings, video_format):
    """Open the encoder that *settings* (the section ``encode``) names for frames of *video_format*.

    A backend named by the user is used or raises `BackendUnavailable`; ``auto`` takes the first
    that works here and logs why others were passed over. Raises `EncoderError` for settings
    that the encoder refuses, `ConfigError` where it is known to be encode.options.
    """
    if settings.backend != "auto":
        return load(settings.backend)(settings, video_format)
    reasons = []
    for name, _, _ in BACKENDS:
        try:
            return load(name)(settings, video_format)
        except BackendUnavailable as error:
            log.info("encoder %s passed over: %s", name, error)
            reasons.append("{}: {}".format(name, error))
    raise BackendUnavailable("no encoder works here: " + "; ".join(reasons))


def load(name):
    """Return the class of the backend *name*."""
    for known, module, attribute in BACKENDS:
        if known == name:
            return getattr(importlib.import_module(module), attribute)
    raise BackendUnavailable("no encoder is called {!r}: there are {}".format(
        name, ", ".join(known for known, _, _ in BACKENDS)))


__all__ = ["BACKENDS", "Encoder", "open_encoder"]
