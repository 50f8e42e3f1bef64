"""What flows: the live stream, MJPEG, events and stills of a camera."""
from flask import Response, g, request

from edgecam import clock
from edgecam.web.errors import Refused
from edgecam.web.live import Fragments, live_mp4, sse
from edgecam.web.mjpeg import KIND, Stills, parts
from edgecam.web.routes import route

QUEUE = 1.5             # seconds of video that wait for a slow viewer before it is moved forward
FLAG = {"type": "integer", "enum": [0, 1], "default": 0}


class Streams:
    """Handlers of the streaming routes; every stream is a viewer."""

    def __init__(self, site):
        self._site, self._viewers = site, site.viewers
        self._fragments = {name: Fragments(view) for name, view in site.views.items()}
        self._stills = {name: Stills(view, site.settings.jpeg_quality) for name, view in site.views.items()}

    @route("/api/cameras/{name}/live.mp4", kind="video/mp4", errors=(503,))
    def live(self, name):
        """The encoded stream as fragmented MP4, one fragment per frame, each with its event in an emsg box in front."""
        return self._follow(name, lambda tap: live_mp4(tap, self._fragments[name]), "video/mp4")

    @route("/api/cameras/{name}/events", kind="text/event-stream", errors=(503,))
    def events(self, name):
        """The event of every frame as server-sent events."""
        return self._follow(name, sse, "text/event-stream", keyframes_first=False)

    def _follow(self, name, chunks, kind, keyframes_first=True):
        view = self._site.view(name)
        if request.method == "HEAD":
            return streaming(iter(()), kind)
        tap = view.follow(queue_size(view), keyframes_first)
        try:
            watching = self._admit(chunks(tap), tap.close)
        except Refused:
            tap.close()
            raise
        return streaming(watching, kind)

    @route("/api/cameras/{name}/stream.mjpg", kind="multipart/x-mixed-replace", query={"overlay": FLAG}, errors=(503,))
    def mjpeg(self, name):
        """The pictures as MJPEG, each with its event as JSON in a JPEG comment; overlay=1 draws boxes into them."""
        view, overlay = self._site.view(name), flag("overlay")
        if request.method == "HEAD":
            return streaming(iter(()), KIND)
        gone = []
        chunks = parts(self._stills[name], lambda: view.ended or gone, overlay)
        watching = self._admit(chunks, lambda: gone.append(True))
        return streaming(watching, KIND)

    def _admit(self, chunks, leave):
        """Return *chunks* as a viewer's; who came in by a session goes when that is over. Raises `Refused`."""
        name, sessions = g.session, self._site.sessions

        def allowed():
            return name is None or sessions.lasts(name, clock.now())
        return self._viewers.admit(chunks, leave, request.environ.get("edgecam.connection"), allowed)

    @route("/api/cameras/{name}/snapshot.jpg", kind="image/jpeg", query={"overlay": FLAG}, errors=(503,))
    def snapshot(self, name):
        """The newest frame as JPEG, its event as JSON in a comment; overlay=1 draws boxes into it."""
        self._site.view(name)
        made = self._stills[name].next(timeout=2.0, overlay=flag("overlay"))
        if made is None:
            raise Refused(503, "camera {} has no frame yet".format(name), {"Retry-After": "1"})
        return Response(made[1], content_type="image/jpeg", headers={"X-Edgecam-Frame": str(made[0])})


def queue_size(view):
    rate = float(view.stream.rate) if view.stream else 30.0
    return max(16, int(QUEUE * rate))


def flag(name):
    text = request.args.get(name, "0")
    if text not in ("0", "1"):
        raise Refused(400, "{}={}: expected 0 or 1".format(name, text[:40]))
    return text == "1"


def streaming(chunks, kind):
    """Return a response that no proxy should collect (X-Accel-Buffering is nginx's word for it).

    To HEAD it has no chunks: an iterator of none, since of a list Flask would tell the length, and a stream has no length.
    """
    return Response(chunks, content_type=kind, direct_passthrough=True,
                    headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"})
