"""The Flask application: routes, guard and answers put together."""
import logging
import os

from flask import Flask, jsonify
from werkzeug.exceptions import HTTPException

from edgecam.errors import ConfigError
from edgecam.web import guard, openapi
from edgecam.web.api import Api
from edgecam.web.errors import Refused, http_error, refusal
from edgecam.web.pages import Pages
from edgecam.web.passwords import Keyring
from edgecam.web.routes import flask_rule, routes_of, route
from edgecam.web.site import Site
from edgecam.web.streams import Streams
from edgecam.web.viewers import Viewers

log = logging.getLogger(__name__)

LARGEST_BODY = 16384        # bytes


def check_certificate(settings):
    """Raise `ConfigError` for a certificate without its key."""
    if bool(settings.certificate) != bool(settings.certificate_key):
        raise ConfigError("web.certificate and web.certificate_key belong together; only one of them is set")


def create_app(views, settings, viewers=None, made_up_password=None, cookie="edgecam"):
    """Return the Flask application for *views*, {name: `View`}, under *settings*, the section ``web``.

    *viewers* limits and knows the streams (default: a limit of its own from the settings);
    *made_up_password* holds in place of ``web.password``. Raises `ConfigError`.
    """
    check_certificate(settings)
    guard.check_hosts(settings.hosts)
    app = Flask("edgecam.web", static_folder=None)
    app.config.update(SECRET_KEY=os.urandom(32), MAX_CONTENT_LENGTH=LARGEST_BODY, SESSION_COOKIE_NAME=cookie,
                      SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax",
                      SESSION_COOKIE_SECURE=bool(settings.certificate), PERMANENT_SESSION_LIFETIME=int(settings.session))
    keyring = Keyring(settings, made_up_password)
    site = Site(views, settings, keyring, Viewers(settings.viewers) if viewers is None else viewers)
    watch = guard.Guard(keyring, site.sessions, settings.hosts)
    handlers = [Api(site), Streams(site), Pages(site)]
    handlers.append(Description(handlers, cookie))
    for described, function in routes_of(*handlers):
        app.add_url_rule(flask_rule(described.path), "{0.method} {0.path}".format(described),
                         guarded(watch, described.role, function), methods=[described.method])
    app.before_request(watch.check)
    app.after_request(guard.add_headers)
    app.register_error_handler(Refused, refusal)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)
    return app


class Description:
    """The handler that describes the others, and itself."""

    def __init__(self, handlers, cookie):
        self._document = None
        self._handlers, self._cookie = handlers, cookie

    @route("/api/openapi.json", answer={"type": "object"})
    def document(self):
        """This description of the API, made from the routes themselves."""
        if self._document is None:
            self._document = openapi.document([described for described, _ in routes_of(*self._handlers)], self._cookie)
        return jsonify(self._document)


def guarded(watch, role, function):
    """Return *function* behind the check that the caller has *role*."""
    def handler(**arguments):
        watch.require(role)
        return function(**arguments)
    return handler


def unexpected(error):
    """Our own mistake: told to the log in full, to the caller not at all."""
    log.error("web: a request failed: %s", error, exc_info=True)
    return refusal(Refused(500, "this should not have happened; the log has the details"))
