"""Two names for one file: nobody wants his video replaced by its own recording."""
import os

from edgecam.config import redact
from edgecam.errors import ConfigError


def refuse_twins(conf):
    """Raise `ConfigError` where a run by the settings *conf* would write into its own input, or two things into one file."""
    seen = {}
    for key, name in [("capture.input", conf.capture.input)] + written(conf):
        mark = identity(name)
        if mark in seen:
            raise ConfigError("{} = {}: is the same file as {}; choose another name".format(key, redact("input", name), seen[mark]))
        if mark is not None:
            seen[mark] = key


def written(conf):
    """Return [(setting, name)] of the files that a run writes."""
    names = [("outputs.urls", url) for url in conf.outputs.urls]
    return names + [(key, name) for key, name in (("outputs.sdp", conf.outputs.sdp), ("events.file", conf.events.file)) if name not in (None, "-")]


def identity(name):
    """Return what tells the file *name* from others, also behind links and before it exists; None for what is no file."""
    path = name[len("file://"):] if name and name.startswith("file://") else name
    if not path or "://" in path or path == "null:":
        return None
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return (status.st_dev, status.st_ino) if os.path.isfile(path) else None
