"""Where models are: a path, or a name in one of the folders that hold descriptions."""
import difflib
import logging
import os

from edgecam.detect.description import SUFFIX, read_description
from edgecam.errors import ConfigError, ModelError, NoSuchModel

log = logging.getLogger(__name__)
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def folders(setting=None):
    """Return the folders that are searched, first one first: the setting
    `detect.models`, the environment's EDGECAM_MODELS, what came with the package, and the
    repository's own models/ beside it. Raises `ConfigError` for one that was named and is not there.
    """
    own = os.environ.get("EDGECAM_MODELS", "").split(os.pathsep)
    for key, folder in [("detect.models", setting)] + [("EDGECAM_MODELS", folder) for folder in own]:
        if folder and not os.path.isdir(folder):
            raise ConfigError("{} = {}: there is no such folder; name one that holds models, or none".format(key, folder), keys=(key,))
    shipped = os.path.join(PACKAGE, "models"), os.path.join(os.path.dirname(PACKAGE), "models")
    wanted = [setting] + own + [shipped_folder(shipped)]
    return [folder for folder in wanted if folder]


def shipped_folder(candidates):
    """The installed models, or in a checkout those of the repository; never both."""
    return next((folder for folder in candidates if descriptions_in(folder)), None)


def descriptions_in(folder):
    """Return the paths of the model descriptions in *folder*, sorted: JSON files that hold "format" and "decoder"."""
    if not os.path.isdir(folder):
        return []
    paths = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(SUFFIX))
    return [path for path in paths if looks_like_description(path)]


def looks_like_description(path):
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read(1 << 20)
    except (OSError, UnicodeDecodeError):
        return False
    return '"decoder"' in text and '"format"' in text


def models_in(folder):
    """Return the `ModelDescription` of each model in *folder*; broken ones are logged and left out."""
    models = []
    for path in descriptions_in(folder):
        try:
            models.append(read_description(path))
        except ModelError as error:
            log.warning("model passed over: %s", error)
    return models


def list_models(setting=None):
    """Return the `ModelDescription` of every model that can be named; of two with one name the nearer folder's."""
    models = {}
    for folder in folders(setting):
        for model in models_in(folder):
            models.setdefault(model.name, model)
    return list(models.values())


def nearest_models(setting=None):
    """Return the models of the first folder that holds any: a folder of the user's own stands for the shipped one."""
    return next(filter(None, map(models_in, folders(setting))), [])


def find_model(name, setting=None):
    """Return the `ModelDescription` of *name*: a path to a description or its network, or a model's name.

    Raises `NoSuchModel` that says where was looked, `ModelError` for one that can't be used.
    """
    if os.sep in name or name.endswith((SUFFIX, ".onnx", ".caffemodel", ".uff")):
        return model_at(name)
    models = list_models(setting)
    for model in models:
        if model.name == name:
            return model
    raise NoSuchModel(unknown(name, models, setting))


def unknown(name, models, setting):
    names = [model.name for model in models]
    if not names:
        return "no model {}: {} no description; set detect.models or EDGECAM_MODELS".format(
            name, "searched " + ", ".join(folders(setting)) + ":" if folders(setting) else "no models folder is installed, so there is")
    near = difflib.get_close_matches(name, names, 1, 0.4)
    return "no model {}: {}there are {}".format(
        name, "did you mean {}? ".format(near[0]) if near else "", ", ".join(names))


def model_at(path):
    """Return the `ModelDescription` at *path*, which may be the network that it lies beside."""
    if not os.path.isfile(path):
        raise NoSuchModel("no model file {}".format(path))
    if path.endswith(SUFFIX):
        return read_description(path)
    own = os.path.splitext(path)[0] + SUFFIX
    if os.path.isfile(own):
        model = read_description(own)
        if describes(model, path):
            return model
    for model in models_in(os.path.dirname(path) or "."):       # a broken one is passed over: it may be of another network
        if describes(model, path):
            return model
    raise ModelError("{0} has no description: write {1} beside it, which says what its input and outputs mean "
                     "(docs/models.md holds one per kind of network to start from)".format(
                         path, os.path.splitext(os.path.basename(path))[0] + SUFFIX))


def describes(model, path):
    return os.path.realpath(model.file) == os.path.realpath(path)
