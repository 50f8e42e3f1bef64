"""Sources are URLs: which backend a text that the user typed belongs to."""
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from edgecam.errors import ConfigError
from edgecam.redaction import hide

NETWORK = ("rtsp", "rtsps", "http", "https", "rtp", "udp", "srt", "rtmp", "tcp")
AT_A_HOST = ("rtsp", "rtsps", "http", "https", "rtmp")      # FFmpeg would try this machine
AT_A_PORT = ("rtp", "udp", "tcp", "srt")            # they have none of their own; FFmpeg would listen at any
FILE = re.compile(r"file:(//(localhost(?=/))?)?", re.I)
NOTHING = re.compile(r"null:(//)?$", re.I)          # no more than these: null:1.mp4 may be a file
OPENED = re.compile(r"/dev/(stdin|fd/[0-9]+)$")     # what a shell has opened for us, also <(a command)
FEED = "what a pipe brings is /dev/stdin, as in: cat walk.ts | edgecam run /dev/stdin walk.mp4"
PORT = re.compile(r"(?:\[.*\]|[^:]*)(?::([0-9]*))?$")     # behind a host, or behind an IPv6 address in brackets


class Source(NamedTuple):
    """A source as the user named it."""

    kind: str           # "auto", "test", "v4l2", "csi", "network", "file"
    text: str           # what the user typed, credentials hidden: for messages
    path: str           # device node, file, whole URL, or the name of the scene
    options: dict       # of the query


def parse_source(text):
    """Return the `Source` of *text*. Raises `ConfigError` for what is no URL, for an output, for "-" and no word at all, for a scheme that is not
    known, for a port that there can't be, and where a host or a port is missing.
    """
    shown = hide(text)
    if not text:
        raise ConfigError("input '': is empty; expected a camera, a file or a URL; auto is the first camera found")
    if NOTHING.match(text):
        raise ConfigError("input {} is an output; name the input before it, as in: edgecam run test://street null:".format(shown))
    if text == "-":
        raise ConfigError("input -: expected a camera, a file or a URL; " + FEED)
    if text == "auto":
        return Source("auto", shown, "", {})
    if text.startswith("/dev/") and not OPENED.match(text):
        return Source("v4l2", shown, text, {})
    prefix = FILE.match(text)
    if prefix or "://" not in text:
        path = unquote(text[prefix.end():]) if prefix else text         # not urlsplit's, which ends at "#" and "?"
        return Source("network" if path.endswith(".sdp") else "file", shown, path, {})      # an .sdp describes a stream of RTP
    parts = split(text)
    if parts.scheme in NETWORK:
        check_port(parts.netloc, text)
        check_place(parts, shown)
        return Source("network", shown, text, {})
    if parts.scheme not in ("test", "v4l2", "csi"):
        raise ConfigError("input {}: unknown scheme {}; known are a file, test://street, v4l2://, csi:// and {}".format(
            shown, parts.scheme or repr(""), ", ".join(name + "://" for name in NETWORK)))
    return Source(parts.scheme, shown, parts.netloc + parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))


def split(text):
    """Return the parts of a URL. Raises `ConfigError`, in words of our own: the library's may repeat the password."""
    try:
        return urlsplit(text)
    except ValueError as error:
        raise ConfigError("input {}: is no URL; expected scheme://host/path, an IPv6 host in brackets, as [fe80::1]".format(hide(text))) from error


def check_port(netloc, text):
    """Raise `ConfigError` for a port that is none: FFmpeg would say "Invalid argument". Where none is named the scheme has its own."""
    port = PORT.match(netloc.rpartition("@")[2])
    if not port or port.group(1) and not 1 <= int(port.group(1)) <= 65535:
        raise ConfigError("input {}: expected host:port, the port from 1 to 65535{}".format(
            hide(text), "; in a password type %2F for a /, %3F for a ? and %23 for a #" if "@" in text else ""))


def check_place(parts, shown):
    """Raise `ConfigError` where a URL does not say from which host, or at which port: FFmpeg would wait, or blame something else."""
    if parts.scheme in AT_A_HOST and not parts.hostname:
        raise ConfigError("input {}: no host; expected {}://host/path".format(shown, parts.scheme))
    if parts.scheme in AT_A_PORT and not parts.port and "port=" not in parts.query:        # ?localport=, ?localrtpport=
        raise ConfigError("input {}: no port; expected {}://host:port, the port from 1 to 65535".format(shown, parts.scheme))
