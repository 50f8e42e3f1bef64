"""The live page, its streams and its API (see docs/web.md)."""


def open_web(conf, views):
    """Start the web server of *conf* (all settings) for *views*, {camera name: `View`}.

    Returns a running `WebServer`, or where ``web.listen`` is off a `NoServer`; both are context
    managers. Raises `ConfigError` for settings that don't fit together, `OutputError` when the
    address can't be had and `BackendUnavailable` without Flask or cheroot.
    """
    if conf.web.listen == "off":
        return NoServer()
    from edgecam.web.server import WebServer
    return WebServer(conf.web, views)


def create_app(views, settings, **options):
    """Return the Flask application for *views* under *settings* (the section ``web``), to be served by anybody."""
    from edgecam.web.app import create_app as create
    return create(views, settings, **options)


class NoServer:
    """What runs where no page is wanted."""

    address = None

    def close(self):
        """Nothing to close."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


__all__ = ["NoServer", "create_app", "open_web"]
