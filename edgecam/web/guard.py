"""Who may ask what: checks before every request, and headers on every answer.

A page elsewhere on the web can make a browser send requests here. It can't read the answers,
and can't change anything: the Host header must be one of ours (DNS rebinding), and whatever
is not a GET must come from our own page (Origin, Sec-Fetch-Site) or from no browser at all.
"""
import ipaddress
import socket
from urllib.parse import urlsplit

from flask import g, request, session

from edgecam import clock
from edgecam.errors import ConfigError
from edgecam.web.errors import Refused
from edgecam.web.routes import ANYBODY, OPERATOR

SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                               "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
                               "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",           # with no-referrer browsers hide the Origin of our own forms, too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def check_hosts(hosts):
    """Raise `ConfigError` for one of ``web.hosts`` that no request could be asked by: a URL, or a name with its port."""
    for host in hosts:
        if host_name(host) != host.lower() and not is_address(host.strip("[]")):        # addresses are known in any case
            raise ConfigError("web.hosts = {}: expected a name alone, as cam.example.org, without http:// and port".format(host), keys=("web.hosts",))


class Guard:
    """The rules of one server: *names* it answers to, the `Keyring` that opens it, and the `Sessions` that are open."""

    def __init__(self, keyring, sessions, hosts=()):
        self.keyring, self._sessions = keyring, sessions
        own = socket.gethostname().lower()
        self._names = {"localhost", own, own.split(".")[0], own.split(".")[0] + ".local"} | {host.lower() for host in hosts}

    def check(self):
        """Look at the request at hand before anything else does. Raises `Refused`.

        Sets ``g.role``, and ``g.session`` to the name of the session that gives it, None where something else does.
        """
        g.role, g.session = ANYBODY, None
        host = request.environ.get("HTTP_HOST", "")
        if not self.knows(host):
            raise Refused(400, "this server is not called {!r}; name it in web.hosts if it should be".format(host[:100]))
        g.role = self._role()
        if request.method not in SAFE and not request.headers.get("Authorization") and not from_own_page(host):
            raise Refused(403, "changes are taken from this server's own page only")

    def knows(self, host):
        """Tell whether a Host header is one of ours: an address, or a name that nobody else can give us."""
        name = host_name(host)
        return name is not None and (is_address(name) or name in self._names)

    def _role(self):
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            role = self.keyring.role_of_token(token.strip()) if scheme.lower() == "bearer" else None
            if role is None:
                raise Refused(401, "the token is not known here")
            return role
        if not self.keyring.locked:
            return OPERATOR
        name = session.get("id")
        if not self._sessions.holds(name, clock.now()):
            return ANYBODY
        g.session = name
        return session["role"]

    def require(self, role):
        """Raise `Refused` unless the caller has *role*."""
        if g.role >= role:
            return
        if g.role == ANYBODY:
            raise Refused(401, "log in, or send a token", {"WWW-Authenticate": 'Bearer realm="edgecam"'})
        raise Refused(403, "this takes the role operator")


def from_own_page(host):
    """Tell whether a changing request comes from a page of *host*, or from something that is no browser."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return urlsplit_host(origin) == host.lower()
    return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")


def urlsplit_host(url):
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None


def host_name(host):
    """Return the name in a Host header without its port, lower case, or None when it is no such header."""
    try:
        parts = urlsplit("//" + host)
        parts.port                                  # raises ValueError when it is no number
        return parts.hostname if not (parts.path or parts.query or parts.fragment or "@" in host) else None
    except ValueError:
        return None


def is_address(name):
    try:
        ipaddress.ip_address(name.partition("%")[0])
        return True
    except ValueError:
        return False


def add_headers(response):
    """Put the headers that every answer carries on *response*."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
