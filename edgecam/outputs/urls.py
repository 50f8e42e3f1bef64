"""What the user types becomes an output: x.mp4, x.h264, rtp://host:port, rtsp://..., null:"""
import os
import re

from edgecam.errors import ConfigError
from edgecam.outputs.mp4 import Mp4Output
from edgecam.outputs.null import NullOutput
from edgecam.outputs.raw import RawOutput

SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(//)?", re.I)
CREDENTIALS = re.compile(r"(?<=//)[^/\s]*@")
ACCEPTED = "x.mp4, x.h264, rtp://host:port, rtsp://server/path, rtsps://server/path or null:"


def make_output(url, settings):
    """Return the unopened `Output` for *url*, with the `outputs` section of the settings.

    Raises `ConfigError` that names what is accepted.
    """
    scheme = SCHEME.match(url)
    if scheme and scheme.group(1).lower() != "file":
        return _by_scheme(scheme.group(1).lower(), url, settings)
    return _by_extension(url[scheme.end():] if scheme else url, settings)


def _by_scheme(scheme, url, settings):
    if scheme == "null":
        return NullOutput(url)
    raise ConfigError("output {}: {}: is none of {}".format(redact(url), scheme, ACCEPTED))


def _by_extension(path, settings):
    extension = os.path.splitext(path)[1].lower()
    if extension == ".mp4":
        return Mp4Output(path, settings.fragment, settings.sync)
    if extension in (".h264", ".264"):
        return RawOutput(path)
    raise ConfigError("output {}: is none of {}".format(path, ACCEPTED))


def redact(text):
    """Hide user:password@ in every URL of *text*."""
    return CREDENTIALS.sub("***@", text)


def refuse_twins(outputs):
    """Raise `ConfigError` where two recordings would write one file."""
    seen = {}
    for output in outputs:
        if isinstance(output, (Mp4Output, RawOutput)):
            path = os.path.realpath(output.url)
            if path in seen:
                raise ConfigError("output {}: {} writes the same file".format(output.url, seen[path]))
            seen[path] = output.url
