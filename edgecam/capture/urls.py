"""Sources are URLs: which backend a text that the user typed belongs to."""
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from edgecam.errors import ConfigError

NETWORK = ("rtsp", "rtsps", "http", "https", "rtp", "udp", "srt", "rtmp", "tcp")


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
    parts = urlsplit(text)
    if text.endswith(".sdp") and parts.scheme in ("", "file"):
        return Source("network", text, parts.path, {})      # RTP, described by a file
    if "://" not in text or parts.scheme == "file":
        return Source("file", text, parts.path if parts.scheme == "file" else text, {})
    if parts.scheme in NETWORK:
        return Source("network", text, text, {})
    if parts.scheme not in ("test", "v4l2", "csi"):
        raise ConfigError("input {}: unknown scheme {}; known are a file, test://street, v4l2://, csi:// and {}".format(
            text, parts.scheme, ", ".join(name + "://" for name in NETWORK)))
    return Source(parts.scheme, text, parts.netloc + parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))
