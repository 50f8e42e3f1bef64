"""What the user types becomes an output: x.mp4, x.h264, rtp://host:port, rtsp://..., null:"""
import os
import re

from edgecam.errors import ConfigError
from edgecam.outputs.mp4 import Mp4Output
from edgecam.outputs.null import NullOutput
from edgecam.outputs.raw import RawOutput
from edgecam.outputs.recording import numbered
from edgecam.outputs.rtsp import RtspOutput
from edgecam.outputs.udp import RtpOutput
from edgecam.outputs.wording import redact

SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(//)?", re.I)
ACCEPTED = "x.mp4, x.h264, rtp://host:port, rtsp://server/path, rtsps://server/path or null:"


def make_outputs(settings):
    """Return the unopened outputs of ``settings.urls``. Raises `ConfigError`."""
    outputs = [make_output(url, settings) for url in settings.urls]
    refuse_twins(outputs)
    if settings.sdp:
        name_descriptions(outputs, settings.sdp)
    return outputs


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
    if scheme == "rtp":
        return RtpOutput(url, settings.rtp_mtu, settings.rtp_ttl, settings.rtp_pace)
    if scheme in ("rtsp", "rtsps"):
        return RtspOutput(url, settings.rtp_mtu, settings.timeout, settings.tls_verify)
    raise ConfigError("output {}: is none of {}".format(redact(url), ACCEPTED))


def _by_extension(path, settings):
    extension = os.path.splitext(path)[1].lower()
    if extension == ".mp4":
        return Mp4Output(path, settings.fragment, settings.sync)
    if extension in (".h264", ".264"):
        return RawOutput(path)
    raise ConfigError("output {}: is none of {}".format(path, ACCEPTED))


def name_descriptions(outputs, path):
    """Let every RTP output write an SDP file: x.sdp, x-2.sdp."""
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise ConfigError("outputs.sdp = {}: there is no such folder".format(path))
    streams = [output for output in outputs if isinstance(output, RtpOutput)]
    if not streams:
        raise ConfigError("outputs.sdp = {}: it describes an rtp:// output, and there is none".format(path))
    for number, output in enumerate(streams, 1):
        output.sdp_file = numbered(path, number)


def refuse_twins(outputs):
    """Raise `ConfigError` where two recordings would write one file."""
    seen = {}
    for output in outputs:
        if isinstance(output, (Mp4Output, RawOutput)):
            path = os.path.realpath(output.url)
            if path in seen:
                raise ConfigError("output {}: {} writes the same file".format(output.url, seen[path]))
            seen[path] = output.url
