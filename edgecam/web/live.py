"""The encoded stream as a live viewer takes it: fragmented MP4, one fragment per frame, its event in front.

A stream is an init segment, then for each frame an ``emsg`` box (ISO/IEC 23009-1, 5.10.3.3)
that holds the frame's event as JSON, and the frame as ``moof`` and ``mdat``. Picture and
overlay arrive together, over one connection, and players that don't know the event skip it.
"""
import json
import struct
import threading
from collections import OrderedDict

from edgecam import mp4
from edgecam.h264 import nal_units, parameter_sets
from edgecam.web.viewers import PATIENCE

SCHEME = b"urn:edgecam:event:1\0\0"     # scheme_id_uri and an empty value
IDLE = mp4.box(b"free")                 # says nothing, but finds out whether the viewer is still there
KEPT = 128                              # frames whose bytes are kept for viewers that are a little behind


class Fragments:
    """Makes each frame's bytes once for all viewers of the camera *view*."""

    def __init__(self, view):
        self._view = view
        self._made, self._lock = OrderedDict(), threading.Lock()

    def get(self, packet, event):
        """Return (init segment or None, fragment) of one frame; keyframes have the init segment."""
        with self._lock:
            made = self._made.get(packet.number)
            if made is None or made[0] is not packet:
                made = packet, init_segment(packet) if packet.keyframe else None, fragment(packet, event, self._ticks(packet))
                self._made[packet.number] = made
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
        return made[1:]

    def _ticks(self, packet):
        """How long a frame lasts until the next one says otherwise, in units of its time base: at least one."""
        rate = self._view.stream.rate if self._view.stream else 30
        return max(1, round(1 / (rate * packet.time_base)))


def init_segment(packet):
    """Return ftyp and moov for the parameter sets of a keyframe."""
    return mp4.init_segment(*parameter_sets(nal_units(packet.payload)), time_base=packet.time_base)


def fragment(packet, event, ticks):
    """Return emsg, moof and mdat of one frame that lasts *ticks* units of its time base."""
    return emsg(packet, event) + mp4.fragment(packet, ticks, packet.number + 1)


def emsg(packet, event):
    head = struct.pack(">IQII", packet.time_base.denominator, packet.pts * packet.time_base.numerator, 0,
                       packet.number & 0xFFFFFFFF)
    text = json.dumps(event, separators=(",", ":")).encode()
    return mp4.full_box(b"emsg", 1, 0, head, SCHEME, text)


def live_mp4(tap, fragments, idle=PATIENCE):
    """Yield the bytes for one viewer until the pipeline ends; a new init segment where the parameters change."""
    sent = None
    while not tap.ended or len(tap):
        item = tap.get(idle)
        if item is None:
            yield IDLE
            continue
        init, data = fragments.get(*item)
        if init is not None and init != sent:
            sent, data = init, init + data
        yield data


def sse(tap, idle=PATIENCE):
    """Yield a camera's events as server-sent events; a comment now and then while nothing happens."""
    yield b"retry: 1000\n\n"
    while not tap.ended or len(tap):
        item = tap.get(idle)
        if item is None:
            yield b":\n\n"
            continue
        packet, event = item
        text = json.dumps(event, separators=(",", ":"))
        yield "id: {}\ndata: {}\n\n".format(packet.number, text).encode()
