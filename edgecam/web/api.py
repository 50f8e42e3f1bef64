"""The JSON routes: what the cameras are, how they do, and what can be changed."""
import platform

from flask import Response, jsonify

from edgecam import __version__, clock
from edgecam.config import json_schema
from edgecam.web import board
from edgecam.web.body import json_object
from edgecam.web.errors import Refused
from edgecam.web.metrics import exposition
from edgecam.web.routes import ANYBODY, OPERATOR, route

READY_WITHIN = 5.0      # seconds: a camera whose newest frame is older is not ready
ANYTHING = {"type": "object", "additionalProperties": True}
VALUE = {"anyOf": [{"type": "number", "nullable": True, "description": "null: the score threshold of the settings again, or the model's own"},
                   {"type": "boolean"}, {"type": "string"}]}
CONTROLS = {"type": "object", "additionalProperties": ANYTHING}
CHANGES = {"type": "object", "additionalProperties": VALUE, "minProperties": 1, "example": {"bitrate": 2000000}}


class Api:
    """Handlers of the JSON routes, the metrics and the health checks."""

    def __init__(self, site):
        self._site = site

    @route("/healthz", role=ANYBODY, answer=ANYTHING)
    def healthz(self):
        """The process is alive."""
        return jsonify(status="ok")

    @route("/readyz", role=ANYBODY, answer=ANYTHING, errors=(503,))
    def readyz(self):
        """All cameras give frames; 503 until they do."""
        waiting = [name for name, view in self._site.views.items() if not ready(view)]
        if waiting:
            raise Refused(503, "no new frame from " + ", ".join(sorted(waiting)))
        return jsonify(status="ready")

    @route("/readiness", role=ANYBODY, answer=ANYTHING, errors=(503,))
    def readiness(self):
        """The same as /readyz."""
        return self.readyz()

    @route("/api/version", answer=ANYTHING)
    def version(self):
        """Version of edgecam and of Python."""
        return jsonify(edgecam=__version__, python=platform.python_version(), machine=platform.machine())

    @route("/api/stats", answer=ANYTHING)
    def stats(self):
        """Numbers of this moment: each camera's lanes, stages, drops and outputs; the board; the viewers."""
        return jsonify(self._stats())

    def _stats(self):
        cameras = {name: view.stats() for name, view in self._site.views.items()}
        return {"clock": clock.now(), "cameras": cameras, "board": board.read(),
                "web": {"viewers": len(self._site.viewers), "refused": self._site.viewers.refused}}

    @route("/metrics", kind="text/plain; version=0.0.4")
    def metrics(self):
        """The same numbers for Prometheus."""
        return Response(exposition(self._stats()), content_type="text/plain; version=0.0.4; charset=utf-8")

    @route("/api/metrics", kind="text/plain; version=0.0.4")
    def api_metrics(self):
        """The same as /metrics."""
        return self.metrics()

    @route("/api/config", role=OPERATOR, answer=ANYTHING)
    def config(self):
        """The settings in force, without passwords, tokens and credentials."""
        return jsonify({name: view.config() for name, view in self._site.views.items()})

    @route("/api/config/schema.json", answer=ANYTHING)
    def schema(self):
        """The JSON schema of a settings file."""
        return jsonify(json_schema())

    @route("/api/cameras", answer={"type": "object", "required": ["cameras"]})
    def cameras(self):
        """All cameras with their formats and the paths of their streams."""
        return jsonify(cameras=[camera(view) for _, view in sorted(self._site.views.items())])

    @route("/api/cameras/{name}/controls", answer=CONTROLS)
    def controls(self, name):
        """What can be changed while running, with value and range."""
        return jsonify(self._site.view(name).controls())

    @route("/api/cameras/{name}/controls", method="PATCH", role=OPERATOR, body=CHANGES, answer=CONTROLS, errors=(422,))
    def change(self, name):
        """Change some controls, {name: value}, all of them or none; the answer is as from GET."""
        view, changes = self._site.view(name), json_object()
        known = view.controls()
        for control in changes:
            if control not in known:
                raise Refused(422, "no control is called {!r}: there are {}".format(control[:100], ", ".join(sorted(known))))
        set_controls(view, changes)
        return jsonify(view.controls())

    @route("/api/cameras/{name}/keyframe", method="POST", role=OPERATOR, answer=ANYTHING)
    def keyframe(self, name):
        """Ask the encoder for a keyframe, at most one a second; tells whether the wish was passed on."""
        return jsonify(requested=self._site.view(name).request_keyframe())


def ready(view):
    return view.published is not None and clock.now() - view.published < READY_WITHIN and not view.ended


def camera(view):
    """Describe one camera: names, formats, streams."""
    video, stream, base = view.video, view.stream, "/api/cameras/" + view.name
    return {
        "name": view.name, "source": view.source, "mode": view.mode, "ended": view.ended,
        "video": video and {"width": video.width, "height": video.height, "fourcc": video.fourcc,
                            "rate": round(float(video.rate), 3), "live": video.live},
        "stream": stream and {"codec": stream.codec, "width": stream.width, "height": stream.height,
                              "rate": round(float(stream.rate), 3), "bitrate": stream.bitrate},
        "zones": [{"name": zone.name, "points": zone.points} for zone in view.zones],
        "urls": {"live": base + "/live.mp4", "mjpeg": base + "/stream.mjpg", "snapshot": base + "/snapshot.jpg",
                 "events": base + "/events", "controls": base + "/controls", "keyframe": base + "/keyframe"},
    }


def set_controls(view, changes):
    """Change controls; what the room complains about becomes a 422 in its own words."""
    try:
        view.set_controls(changes)
    except KeyError as error:
        raise Refused(422, "no control is called {}".format(str(error)[:100])) from error
    except ValueError as error:
        raise Refused(422, str(error)) from error
