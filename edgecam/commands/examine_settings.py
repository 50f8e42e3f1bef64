"""What only the rooms can judge of settings, looked at before anything is opened: addresses, folders, corners, hashes, certificates, models.

`Said` knows which settings were typed, so that these are wrong usage (2) and those of a file, told with their line, wrong configuration (78,
or 1 for what may pass by itself).
"""
import logging
import os
from collections import OrderedDict
from contextlib import contextmanager

from edgecam.errors import BackendUnavailable, ConfigError, NoSuchModel, OutputError, UsageError
from edgecam.naming import expand_time

log = logging.getLogger(__name__)


class Said:
    """Which settings were typed behind *command*, and by which option: *words* are those of --set, *options* {setting: option}. *conf*, the
    `Settings`, know in which line of a file the others stand.
    """

    def __init__(self, command, words, options=(), conf=None):
        self._command, self._conf = command, conf
        self._options = dict({word.partition("=")[0].strip(): "--set" for word in words}, **dict(options))

    def know(self, conf, options=()):
        """Take the `Settings`, which are read only when the command has begun, and further *options* {setting: option} that were typed."""
        self._conf = conf
        self._options.update(options)

    @contextmanager
    def judge(self, *keys):
        """What is wrong inside is wrong in the settings *keys*, or in those that the error itself names: `UsageError` in place of its own
        error where one of them was typed, the first one first; else the same error with file and line, where one of them stands in a file.
        """
        try:
            yield
        except (ConfigError, NoSuchModel, OutputError) as error:
            keys = getattr(error, "keys", ()) or keys
            option = next((self._options[key] for key in keys if key in self._options), None)
            if option is not None:
                raise UsageError("{}: {}: {}".format(self._command, option, error)) from error
            place = next(filter(None, map(self._place, keys)), None)
            if place is None:
                raise
            raise placed(error, place) from error

    def _place(self, key):
        return self._conf.place(key) if self._conf is not None else ""


def placed(error, place):
    """Return *error* with "file:line" before its words, and without its keys: who judges it once more need not say it again."""
    told = type(error)("{}: {}".format(place, error))
    told.keys = ()
    return told


def examine(conf, said):
    """Raise `ConfigError` or `UsageError` for what is no source, no output, no zone or no address at all, for two names of one file, and for a
    folder in a file's place; `OutputError` or `UsageError` for a recording that has no folder to go to.
    """
    from edgecam.capture.scene import scene_options
    from edgecam.capture.urls import parse_source
    from edgecam.outputs.urls import make_outputs
    from edgecam.twins import refuse_twins, written_files
    from edgecam.zones import parse_zones
    with said.judge("capture.input"):
        source = parse_source(conf.capture.input)
        if source.kind == "test":
            scene_options(source)
    with said.judge("detect.backend", "capture.input"):
        refuse_strangers(conf.detect, source)
    with said.judge("outputs.urls", "outputs.sdp"):
        make_outputs(conf.outputs)
    with said.judge():
        refuse_twins(conf)
    for key, path in written_files(conf):
        with said.judge(key):
            check_folder(key, path)
            refuse_folder(key, path)
    with said.judge("encode.min_qp", "encode.max_qp"):
        check_range(conf.encode)
    with said.judge("encode.options"):
        examine_options(conf.encode)
    with said.judge("zones.areas"):
        parse_zones(conf.zones)
    if conf.web.listen != "off":
        examine_web(conf.web, said)


def refuse_strangers(settings, source):
    """Raise `ConfigError` where the detector that is told by the built-in scene should look at something else."""
    if settings.backend == "scene" and source.kind not in ("auto", "test"):
        raise ConfigError("detect.backend = scene: knows test://street alone, and the input is {}; use auto, onnx or openvino".format(source.text))


def check_range(settings):
    """Raise `ConfigError` where the lowest QP is above the highest."""
    if None not in (settings.min_qp, settings.max_qp) and settings.min_qp > settings.max_qp:
        raise ConfigError("encode.min_qp = {}: is above encode.max_qp = {}; expected the lower one first, of 0 to 51".format(settings.min_qp, settings.max_qp))


def check_folder(key, path):
    """Raise `OutputError` where there is no folder for the file *path* that the setting *key* names: no run makes one.

    That is a failure and no wrong configuration: its disk may come later, and a service is started again after a failure only.
    """
    folder = os.path.dirname(expand_time(path)) or "."
    if not os.path.isdir(folder):
        raise OutputError("{} = {}: there is no folder {}; make it, or choose another place".format(key, path, folder))


def refuse_folder(key, path):
    """Raise `ConfigError` where the file *path* that the setting *key* names is a folder; one in the way of a name with time codes is passed over."""
    if expand_time(path) == path and os.path.isdir(path):
        raise ConfigError("{} = {}: is a folder; name a file in it".format(key, path))


def examine_options(settings):
    """Raise `ConfigError` for options of x264's that somebody set and that a run would refuse, as far as it can be asked here."""
    if settings.backend == "v4l2" or not settings.named("options"):
        return
    from edgecam.encode.x264 import check_options, try_options
    try:
        check_options(settings.options)
        try_options(settings)
    except BackendUnavailable as error:
        log.debug("encode.options were not shown to x264: %s", error)


def examine_web(settings, said):
    from edgecam.web.listen import parse_listen
    with said.judge("web.listen"):
        parse_listen(settings.listen)
    try:
        from edgecam.web.app import Keyring, check_certificate
        from edgecam.web.guard import check_hosts
        from edgecam.web.tls import adapter
        import cheroot      # noqa: F401
    except ImportError as error:            # without the page's libraries there will be no page
        log.warning("the section web was not examined: %s", error)
        return
    with said.judge("web.password", "web.viewer_password", "web.tokens"):
        Keyring(settings)
    with said.judge("web.hosts"):
        check_hosts(settings.hosts)
    with said.judge("web.certificate", "web.certificate_key"):
        check_certificate(settings)
        if settings.certificate:
            adapter(settings.certificate, settings.certificate_key)


def examine_model(conf, said):
    """Raise `ConfigError`, `UsageError` or `ModelError` for a model, or a folder of models, that is not there, and for classes and weights
    of what the model does not know; where it is still to be chosen, what none of them knows.
    """
    settings = conf.detect
    with said.judge():
        name, labels = known_labels(settings, said)
        if labels:
            from edgecam.detect.detector import refuse_unknown
            if settings.backend != "scene":         # which tells all that it knows
                refuse_unknown("detect.classes", settings.classes, name, labels)
            refuse_unknown("roi.weights", sorted(conf.roi.weights), name, labels)


def known_labels(settings, said):
    """Return (what the detector's model is called, its labels, as far as they are known here)."""
    from edgecam.detect import find_remote, runs_a_network
    from edgecam.detect.models import find_model, folders, nearest_models
    if settings.backend == "scene":
        from edgecam.detect.scripted import SceneDetector
        return SceneDetector.name, SceneDetector.labels
    if runs_a_network(settings):
        folders(settings.models)                # also where a path needs none of them
        models = nearest_models(settings.models) if settings.model == "auto" else [find_model(settings.model, settings.models)]
    else:
        with said.judge("detect.model", "detect.backend"):
            models = [model for model in [find_remote(settings)] if model is not None]
    labels = tuple(OrderedDict.fromkeys(label for model in models for label in model.labels))
    return models[0].name if len(models) == 1 else "model: auto", labels
