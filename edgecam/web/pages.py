"""The page, its files, and the way in. All files are read once at the start: no request names a file."""
import hashlib
import mimetypes
import os

from flask import Response, g, jsonify, redirect, render_template, request, session

from edgecam import __version__, clock
from edgecam.web.body import json_object
from edgecam.web.errors import Refused
from edgecam.web.listen import client_of
from edgecam.web.passwords import Attempts
from edgecam.web.routes import ANYBODY, OPERATOR, VIEWER, route

STATIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
LONGEST_PASSWORD = 256
CREDENTIALS = {"type": "object", "required": ["password"], "properties": {"password": {"type": "string", "maxLength": 256}}}
ROLE_NAMES = {VIEWER: "viewer", OPERATOR: "operator"}


class Pages:
    """Handlers of what people see, and of logging in and out."""

    def __init__(self, site):
        self._site, self._attempts = site, Attempts()
        self._files = dict(read_files(STATIC))

    @route("/", role=ANYBODY, kind="text/html")
    def index(self):
        """The live page, or the login page for who has not logged in."""
        if g.role == ANYBODY:
            return redirect("login")
        modules = [name for name in self._files if name.endswith(".js")]         # named at once, none waits for another to name it
        return render_template("index.html", version=__version__, role=ROLE_NAMES[g.role], locked=self._site.keyring.locked,
                               modules=modules)

    @route("/login", role=ANYBODY, kind="text/html")
    def login_page(self):
        """A form that asks for the password."""
        return render_template("login.html", wrong=False)

    @route("/login", method="POST", role=ANYBODY, body=CREDENTIALS, answer={"type": "object"}, errors=(401, 429))
    def login(self):
        """Log in; the answer sets the session cookie. Forms may send the password as well."""
        password = request.form.get("password") if request.form else json_object().get("password")
        if not is_password(password):
            raise Refused(400, "send a password of 1 to {} characters".format(LONGEST_PASSWORD))
        wait = self._attempts.wait_for(client_of(request.remote_addr), clock.now())
        if wait:
            raise Refused(429, "too many attempts; wait {:.0f} s".format(wait + 1), {"Retry-After": str(int(wait) + 1)})
        role = self._site.keyring.role_of_password(password)
        if role is None:
            return self._wrong()
        self._end_session()
        session.permanent = True
        session.update(role=role, id=self._site.sessions.begin(clock.now()))
        return jsonify(role=ROLE_NAMES[role]) if request.is_json else redirect("./")

    def _wrong(self):
        if request.is_json:
            raise Refused(401, "wrong password")
        return Response(render_template("login.html", wrong=True), 401)

    @route("/logout", method="POST", role=ANYBODY, answer={"type": "object"})
    def logout(self):
        """Log out: the session is over, and the answer takes its cookie away."""
        self._end_session()
        return jsonify(status="logged out")

    def _end_session(self):
        """End it here, not in the browser alone: copies of its cookie may be elsewhere."""
        self._site.sessions.end(session.get("id"))
        session.clear()

    @route("/static/{name}", role=ANYBODY, kind="text/javascript")
    def static_file(self, name):
        """A file of the page."""
        if name not in self._files:
            raise Refused(404, "there is no such file")
        data, kind, tag = self._files[name]
        response = Response(data, content_type=kind, headers={"Cache-Control": "no-cache"})
        response.set_etag(tag)
        return response.make_conditional(request)


def read_files(folder):
    """Yield (name, (bytes, content type, entity tag)) of the files in *folder*."""
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as stream:
            data = stream.read()
        kind = KINDS.get(os.path.splitext(name)[1]) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        yield name, (data, kind, hashlib.sha256(data).hexdigest()[:20])


def is_password(value):
    """Tell whether *value* can be a password: half of a surrogate pair, which JSON may hold, is no text."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_PASSWORD:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
