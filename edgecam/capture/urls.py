"""Sources are URLs: which backend a text that the user typed belongs to."""
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from edgecam.errors import ConfigError

NETWORK = ("rtsp", "rtsps", "http", "https", "rtp", "udp", "srt", "rtmp", "tcp")
FILE = re.compile(r"file:(//(localhost(?=/))?)?", re.I)


class Source(NamedTuple):
    """A source as the user named it."""

    kind: str           # "auto", "test", "v4l2", "csi", "network", "file"
    text: str           # what the user typed
    path: str           # device node, file, or the name of the scene
    options: dict       # of the query


def parse_source(text):
    """Return the `Source` of *text*. Raises `ConfigError` for a scheme that is not known."""
    if text == "auto":
        return Source("auto", text, "", {})
    if text.startswith("/dev/"):
        return Source("v4l2", text, text, {})
    prefix = FILE.match(text)
    if prefix or "://" not in text:
        path = unquote(text[prefix.end():]) if prefix else text         # not urlsplit's, which ends at "#" and "?"
        return Source("network" if path.endswith(".sdp") else "file", text, path, {})       # an .sdp describes a stream of RTP
    parts = urlsplit(text)
    if parts.scheme in NETWORK:
        return Source("network", text, text, {})
    if parts.scheme not in ("test", "v4l2", "csi"):
        raise ConfigError("input {}: unknown scheme {}; known are a file, test://street, v4l2://, csi:// and {}".format(
            text, parts.scheme, ", ".join(name + "://" for name in NETWORK)))
    return Source(parts.scheme, text, parts.netloc + parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))
