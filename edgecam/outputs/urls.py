"""What the user types becomes an output: x.mp4, x.h264, rtp://host:port, rtsp://..., null:"""
import os
import re

from edgecam.errors import ConfigError, OutputError
from edgecam.naming import numbered, real_path
from edgecam.outputs.mp4 import Mp4Output
from edgecam.outputs.null import NullOutput
from edgecam.outputs.pipe import PipeOutput
from edgecam.outputs.raw import RawOutput
from edgecam.outputs.rtsp import RtspOutput
from edgecam.outputs.sdp import refuse_foreign
from edgecam.outputs.udp import RtpOutput
from edgecam.pipes import is_pipe
from edgecam.redaction import hide

SCHEME = re.compile(r"((?:null|file|rtp|rtsps?)(?=:)|[a-z][a-z0-9+.-]+(?=://)):(//)?", re.I)     # rec-12:30.mp4 has none
ACCEPTED = "x.mp4, x.h264, rtp://host:port, rtsp://server/path, rtsps://server/path or null:"


def make_outputs(settings, lossless=False):
    """Return the unopened outputs of ``settings.urls``. Raises `ConfigError`."""
    claimed = {}
    outputs = [make_output(url, settings, claimed, lossless) for url in settings.urls]
    refuse_twins(outputs)
    if settings.sdp:
        name_descriptions(outputs, settings.sdp)
    return outputs


def make_output(url, settings, claimed=None, lossless=False):
    """Return the unopened `Output` for *url*, with the `outputs` section of the settings; *claimed*: what the run's recordings share (`NewName`);
    *lossless*: whether packets must not be lost before somebody reads a pipe.

    Raises `ConfigError` that names what is accepted.
    """
    path = file_of(url)
    return _by_scheme(url, settings) if path is None else _by_extension(path, settings, claimed, lossless)


def file_of(url):
    """Return the path of the file that *url* names, None where it names something else."""
    scheme = SCHEME.match(url)
    if scheme and scheme.group(1).lower() != "file":
        return None
    return url[scheme.end():] if scheme else url


def _by_scheme(url, settings):
    scheme = SCHEME.match(url).group(1).lower()
    if scheme == "null":
        return NullOutput(url)
    if scheme == "rtp":
        return RtpOutput(url, settings.rtp_mtu, settings.rtp_ttl, settings.rtp_pace)
    if scheme in ("rtsp", "rtsps"):
        return RtspOutput(url, settings.rtp_mtu, settings.timeout, settings.tls_verify)
    raise ConfigError("output {}: is none of {}".format(hide(url), ACCEPTED))


def _by_extension(path, settings, claimed, lossless):
    extension = os.path.splitext(path)[1].lower()
    if extension == ".mp4":
        if is_pipe(path):
            raise ConfigError("output {}: is a pipe, and no MP4 goes into one, for its beginning is written again at the end; "
                              "take one called x.h264".format(hide(path)))
        return Mp4Output(path, settings.fragment, settings.sync, settings.overwrite, claimed)
    if extension in (".h264", ".264"):
        if is_pipe(path):
            return PipeOutput(path, lossless, claimed)
        return RawOutput(path, settings.overwrite, claimed)
    raise ConfigError("output {}: is none of {}".format(hide(path), ACCEPTED))


def name_descriptions(outputs, path):
    """Let every RTP output write an SDP file: x.sdp, x-2.sdp. Raises `ConfigError` where one has no place, or would replace something else."""
    own = ("outputs.sdp",)
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise ConfigError("outputs.sdp = {}: there is no such folder".format(path), keys=own)
    streams = [output for output in outputs if isinstance(output, RtpOutput)]
    if not streams:
        raise ConfigError("outputs.sdp = {}: it describes an rtp:// output, and there is none".format(path), keys=own)
    for number, output in enumerate(streams, 1):
        output.sdp_file = numbered(path, number)
        try:
            refuse_foreign(output.sdp_file)
        except OutputError as error:
            raise ConfigError("outputs.sdp = {}".format(error), keys=own) from error


def refuse_twins(outputs):
    """Raise `ConfigError` where two recordings would write one file, or two streams go to one place, whose receiver could not tell them apart."""
    twins = find_twins([(output.url, output.url) for output in outputs if isinstance(output, (Mp4Output, RawOutput, PipeOutput))])
    if twins:
        refuse_twice(*twins)
        raise ConfigError("output {}: {} writes the same file".format(*twins))
    before = {}
    for output in outputs:
        if output.place is not None and output.place in before:
            refuse_twice(output.url, before[output.place])
            raise ConfigError("output {}: {} sends to the same place, where two streams would garble each other; leave one of them".format(
                hide(output.url), hide(before[output.place])))
        before[output.place] = output.url


def refuse_twice(url, before):
    """Raise `ConfigError` where *url* is what stands before, to the letter."""
    if url == before:
        raise ConfigError("output {}: is named twice; leave one of them".format(hide(url)))


def find_twins(files):
    """Return (what, what before) for the first two of *files*, [(what, path)], that are one file; None where there are none."""
    seen = {}
    for what, path in files:
        mark = identity(path)
        if mark in seen:
            return what, seen[mark]
        if mark is not None:
            seen[mark] = what
    return None


def identity(path):
    """Return what tells a file from others, also behind links and before it exists; None for a device."""
    try:
        status = os.stat(path)
    except OSError:
        return real_path(path)
    return (status.st_dev, status.st_ino) if os.path.isfile(path) or is_pipe(path) else None
