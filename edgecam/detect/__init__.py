"""Detection: the second room on a frame's way. `open_detector` picks the engine and the model."""
import importlib
import logging

from edgecam.detect.detector import Detector, NoDetector
from edgecam.errors import BackendUnavailable, ConfigError
from edgecam.redaction import hide

__all__ = ["Detector", "NoDetector", "has_detector", "open_detector", "open_named"]
log = logging.getLogger(__name__)

REMOTE = "triton"
DIRECT = ("jetson-inference", REMOTE)
WITHOUT_MODEL = ("none", "scene")               # backends
ENGINES = ("tensorrt", "openvino", "onnx")      # on x86 OpenVINO is level in FP32 and ahead in bf16 and INT8


def open_detector(settings, background=False):
    """Return the `Detector` that the section `detect` of the settings asks for.

    A backend that is named works or fails with the reason (`BackendUnavailable`); "auto" takes the
    fastest that is installed and logs what was passed over. *background*: an engine that takes minutes to
    build is built beside, and the detector's `prepare` says when it sees. Raises `ModelError` and `ConfigError`.
    """
    if not has_detector(settings):
        return NoDetector()
    if settings.backend == "scene":
        from edgecam.detect.scripted import SceneDetector
        return SceneDetector(0.3 if settings.threshold is None else settings.threshold)
    backend = direct(settings)
    if backend:
        detector = open_direct(backend, settings, background)
        log.info("detector: %r", detector)
        return detector
    engine = choose_engine(settings.backend)
    if settings.model == "auto":
        from edgecam.detect.auto import choose_model
        model = choose_model(settings, engine)
    else:
        from edgecam.detect.models import find_model
        model = find_model(settings.model, settings.models)
    detector = open_named(model, engine, settings, background)
    log.info("detector: %r", detector)
    return detector


def has_detector(settings):
    """Return whether anything looks at the frames: where nothing does, none counts as looked at, nor as passed over."""
    return settings.backend != "none"


def runs_a_network(settings):
    """Return whether one of our engines runs a network: not without a detector, and not where a backend keeps its own."""
    return settings.backend not in WITHOUT_MODEL and not direct(settings)


def direct(settings):
    """Return the backend with models of its own that *settings* choose, by its name or by a model's address, or None.

    Raises `ConfigError` where the two say different things.
    """
    if not settings.model.startswith(REMOTE + "://"):
        return settings.backend if settings.backend in DIRECT else None
    if settings.backend not in ("auto", REMOTE) + WITHOUT_MODEL:
        raise ConfigError("detect.model = {}: is not for detect.backend = {}".format(hide(settings.model), settings.backend))
    return REMOTE


def find_remote(settings):
    """Return the description of the model on a server, or None where none is asked. Raises `ConfigError` and `ModelError`."""
    if settings.backend in WITHOUT_MODEL or direct(settings) != REMOTE:
        return None
    from edgecam.detect import triton
    return triton.find(settings)[1]


def preload(settings):
    """Import what `open_detector` will need: imports hold the interpreter's lock, which a running video lane would feel.

    An engine or a model that is named and not there is told at once: `BackendUnavailable`, `ModelError`.
    """
    if settings.backend in WITHOUT_MODEL:
        return
    backend = direct(settings)
    if backend:
        importlib.import_module("edgecam.detect." + backend.replace("-", "_")).import_library()
        return
    for name in ENGINES if settings.backend == "auto" else (settings.backend,):
        try:
            importlib.import_module("edgecam.detect." + name).version()
            break
        except BackendUnavailable:          # of "auto" told by choose_engine, if nothing else serves
            if settings.backend != "auto":
                raise
            log.debug("detector engine %s is not there", name)
    importlib.import_module("edgecam.detect.network")
    if settings.model == "auto":
        importlib.import_module("edgecam.detect.auto")
    else:
        importlib.import_module("edgecam.detect.models").find_model(settings.model, settings.models)


def open_direct(backend, settings, background):
    """Return the detector of a backend that has models of its own, or keeps them elsewhere."""
    if backend == REMOTE:
        from edgecam.detect import triton
        return triton.open_direct(settings, background)
    from edgecam.detect import jetson_inference
    return jetson_inference.open_direct(settings)


def open_named(model, engine, settings, background=False):
    """Return the detector that runs the `ModelDescription` *model* on the engine module *engine*."""
    if hasattr(engine, "open_detector"):        # takes whole frames
        return engine.open_detector(model, settings, background)
    from edgecam.detect.network import NetworkDetector
    return NetworkDetector(model, engine.open_engine, settings)


def choose_engine(name):
    """Return the engine module *name*, or for "auto" the first that is installed. Raises `BackendUnavailable`."""
    if name != "auto":
        engine = importlib.import_module("edgecam.detect." + name)
        engine.version()
        return engine
    reasons = []
    for candidate in ENGINES:
        engine = importlib.import_module("edgecam.detect." + candidate)
        try:
            log.debug("detector engine: %s %s", candidate, engine.version())
            return engine
        except BackendUnavailable as error:
            log.info("detector engine %s passed over: %s", candidate, error)
            reasons.append(str(error))
    raise BackendUnavailable("no inference engine is installed: {}; or run with --detector none".format("; ".join(reasons)))
