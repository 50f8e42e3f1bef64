"""What all handlers of one server share."""
from edgecam.web.errors import Refused
from edgecam.web.sessions import Sessions


class Site:
    """The cameras' views by name, the settings (section ``web``), who is watching, and who is logged in."""

    def __init__(self, views, settings, keyring, viewers):
        self.views, self.settings, self.keyring, self.viewers = views, settings, keyring, viewers
        self.sessions = Sessions(settings.session)

    def view(self, name):
        """Return a camera's `View`. Raises `Refused` (404)."""
        if name not in self.views:
            raise Refused(404, "no camera is called {!r}: there {}".format(name[:100], one_of(self.views)))
        return self.views[name]


def one_of(names):
    names = sorted(names)
    return "is {}".format(names[0]) if len(names) == 1 else "are " + ", ".join(names)
