"""The address to listen on, web.listen or --web HOST:PORT; and who calls from which address."""
import re
import socket
from urllib.parse import urlsplit

from edgecam.errors import ConfigError

LOOPBACK = re.compile(r"^(127\.|::1$|localhost$)")


def parse_listen(text):
    """Split "HOST:PORT", "[::1]:8080" or ":8080" (every address). Raises `ConfigError`."""
    try:
        parts = urlsplit("//" + text)
        host, port = parts.hostname or "0.0.0.0", parts.port
        host.encode("idna")             # what the socket will do: a..b is no name
    except ValueError:                  # so is UnicodeError
        port = None
    if port is None or parts.path or parts.query or "@" in text:
        raise ConfigError("web.listen = {!r}: expected HOST:PORT, as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080, or off".format(text))
    return host, port


def shown_host(host):
    """What to type into a browser for an address to listen on."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return "[{}]".format(host) if ":" in host else host


def client_of(address):
    """Return whom an attempt or a connection counts for: an IPv4 address, or the /64 network of an IPv6 one."""
    address = address or ""
    return ":".join(address.split(":")[:4]) if ":" in address else address
