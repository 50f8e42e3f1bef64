"""What happened in each encoded frame, as one JSON object a line (format 1: edgecam/events.schema.json)."""
import errno
import json
import math
import os
import select
import sys
from contextlib import suppress

from edgecam.claiming import NameTaken, open_new, open_own
from edgecam.errors import OutputError, reason
from edgecam.naming import NewName
from edgecam.pipes import is_pipe, open_at_once
from edgecam.vocabulary import CONFIRMED, own_areas


def box_list(box):
    return [round(float(value), 2) for value in box]


def detection_dict(detection):
    """{"label", "score", "box": [x, y, w, h]} in pixels of the captured frame."""
    return {"label": detection.label, "score": round(float(detection.score), 4), "box": box_list(detection.box)}


def track_dict(track):
    return {"id": track.id, "label": track.label, "score": round(float(track.score), 4), "box": box_list(track.box),
            "velocity": [round(float(v), 2) for v in track.velocity], "age": round(track.age, 3), "state": track.state}


def plan_dict(plan):
    made_at = round(plan.made_at, 6) if math.isfinite(plan.made_at) else None
    return {"made_at": made_at, "regions": [{"box": box_list(r.box), "qp": r.qp} for r in plan.regions]}


def qp_dict(qp, plan, size):
    """Return the average QPs of a frame: as a whole (*qp*), and by the plan's offsets inside and outside of its regions.

    {"frame", "inside", "outside"}; None where the encoder does not tell, or where there is no region.
    """
    regions = plan.regions if size and qp is not None else ()
    shares = [(area / (size[0] * size[1]), r.qp) for r, area in zip(regions, own_areas(regions, *size)) if r.qp < 0 < area] if regions else []
    if not shares:
        return {"frame": qp, "inside": None, "outside": None}
    moved, inside = sum(share * offset for share, offset in shares), sum(share for share, _ in shares)
    return {"frame": round(qp, 2), "inside": round(qp - moved + moved / inside, 2), "outside": round(qp - moved, 2)}


def make_event(packet, mode, seen, tracks, plan, latency, size=None):
    """Return the event of one packet.

    *seen*: (time of the frame that was looked at, detections) that became known with this
    frame, or None; *latency* in seconds from capture to packet; *size* (width, height) of the picture.
    """
    return {
        "frame": packet.number, "pts": packet.pts, "time": round(packet.time, 6), "mode": mode,
        "detected_at": round(seen[0], 6) if seen else None,
        "detections": [detection_dict(d) for d in seen[1]] if seen else [],
        "tracks": [track_dict(t) for t in tracks if t.state == CONFIRMED],
        "plan": plan_dict(plan), "bytes": len(packet.payload), "keyframe": packet.keyframe,
        "qp": qp_dict(packet.qp, plan, size), "latency_ms": round(1e3 * latency, 3),
    }


class EventFile:
    """Writes events as JSON lines to a file called like a recording (`NewName`); "-" is standard output. Raises `OutputError`.

    *path* is the file's name in the end. Where an earlier one may be replaced, the first event does so, or the
    end of a run without one. Each line goes out at once: somebody may read them live, and what waited in a buffer of
    a failed or stalled output would trouble the program's end. A named pipe can't be written before `reached` says so.
    """

    drops, error = 0, None              # the same of an `EventLane`; what fails here is raised

    def __init__(self, name, overwrite=False):
        self._own = name != "-"
        self._overwrite, self.path = overwrite, name
        self._stream = open_new(NewName(name, overwrite), self._begun) if self._own else self._open()
        self._untouched = self._own and os.path.isfile(self.path)

    def _begun(self, path):
        self.path = path
        return self._open()

    def _open(self):
        """Return the stream; None for a pipe that nobody has opened for reading."""
        try:
            return self._appending() if self._own else open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)
        except NameTaken:
            raise
        except OSError as error:
            if error.errno == errno.ENXIO and is_pipe(self.path):
                return None
            raise OutputError("events {}: can't be written: {}".format(self.path, reason(error))) from error

    def _appending(self):
        """Open the file as mode "a" does, but pipes and devices too, which other runs may have as well; Python 3.6 would look for their end."""
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            return open(self.path, "wb", buffering=0, opener=lambda path, _: open_at_once(path, os.O_APPEND))
        return open_own(self.path, self._overwrite, os.O_APPEND)[0]

    def reached(self):
        """Return whether there is somebody, or a disk, to write to; a pipe without a reader is asked anew each time."""
        self._stream = self._stream or self._open()
        return self._stream is not None

    def write(self, event):
        line = json.dumps(event, separators=(",", ":")) + "\n"
        try:
            self._begin()
            self._put(line.encode())
        except OSError as error:
            raise OutputError("events {}: {}".format(self.path, reason(error))) from error

    def _put(self, line):
        """Write all of *line*, which a pipe or a disk that is nearly full may take in pieces."""
        rest = line
        try:
            while rest:
                taken = self._stream.write(rest)
                if taken is None:       # full, and whoever else has this pipe made it non-blocking
                    select.select([], [self._stream], [])
                rest = rest[taken or 0:]
        except OSError:
            self._cut(len(line) - len(rest))
            raise

    def _cut(self, excess):
        """Take the *excess* bytes of a line that broke off from the end of a file of ours: whoever reads it later finds whole lines."""
        if self._own and excess and os.path.isfile(self.path):
            with suppress(OSError):     # what ended the line is told all the same
                self._stream.truncate(os.fstat(self._stream.fileno()).st_size - excess)

    def _begin(self):
        if self._untouched:
            self._untouched = False
            self._stream.truncate(0)

    def close(self):
        if self._stream is None:
            return
        try:
            self._stream.close()
        except OSError as error:
            raise OutputError("events {}: {}".format(self.path, reason(error))) from error

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._begin()
        self.close()
