"""The address to listen on, web.listen or --web HOST:PORT; and who calls from which address."""
import re
import socket
from urllib.parse import urlsplit

from edgecam.errors import ConfigError

STRANGE = set("/?#@") | set(map(chr, range(33)))            # urlsplit cuts at the first three, and leaves out what is not seen
LOOPBACK = re.compile(r"^(127\.|::1$|localhost$)")


def parse_listen(text):
    """Split "HOST:PORT", "[::1]:8080" or ":8080" (every address). Raises `ConfigError`."""
    try:
        parts = urlsplit("//" + text)
        host, port = parts.hostname or "0.0.0.0", parts.port
        host.encode("idna")             # what the socket will do: a..b is no name
    except ValueError:                  # so is UnicodeError
        port = None
    if port is None or set(text) & STRANGE:
        raise ConfigError("web.listen = {!r}: expected HOST:PORT, as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080, or off".format(text))
    return host, port


def shown_host(host):
    """What to type into a browser for an address to listen on."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return "[{}]".format(host) if ":" in host else host


def own_address(host):
    """Return the address of this machine on the way to others, for a *host* that means all of them; None where there is no way, or one address was named.

    Phones look up no names of boards. No packet leaves: a datagram socket asks for its route alone; the other end is for documentation (RFC 5737, 3849).
    """
    family, other = {"0.0.0.0": (socket.AF_INET, "192.0.2.1"), "::": (socket.AF_INET6, "2001:db8::1")}.get(host, (None, None))
    if family is None:
        return None
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((other, 9))
            return shown_host(asking.getsockname()[0])
    except OSError:                     # no network, or no IPv6
        return None


def client_of(address):
    """Return whom an attempt or a connection counts for: an IPv4 address, or the /64 network of an IPv6 one."""
    address = address or ""
    return ":".join(address.split(":")[:4]) if ":" in address else address
