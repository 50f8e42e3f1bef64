"""What comes out of an encoder's buffers, as packets promise it: keyframes told, with their headers in front."""
import struct

from edgecam.v4l2 import raw

SLICE, IDR, SPS, PPS = 1, 5, 7, 8       # nal_unit_type, H.264 table 7-1
FWHT_I_FRAME = 1 << 10                  # V4L2_FWHT_FL_I_FRAME


def nal_types(access_unit):
    """Return the nal_unit_types of an Annex B access unit, up to its first slice."""
    types, position = [], access_unit.find(b"\0\0\1")
    while 0 <= position < len(access_unit) - 3:
        kind = access_unit[position + 3] & 31
        types.append(kind)
        if kind in (SLICE, IDR):
            break
        position = access_unit.find(b"\0\0\1", position + 3)
    return types


class H264Framing:
    """Remembers SPS and PPS, and puts them in front of keyframes that come without."""

    def __init__(self):
        self._headers = b""

    def feed(self, payload, flags):
        """Return (access unit, whether it is a keyframe), or None for a buffer that held headers alone."""
        types = nal_types(payload)
        if SLICE not in types and IDR not in types:
            if SPS in types:
                self._headers = payload
            return None
        keyframe = IDR in types
        if keyframe and SPS in types:
            self._headers = payload[:first_slice(payload)]
        elif keyframe:
            payload = self._headers + payload
        return payload, keyframe


def first_slice(payload):
    """Return where the start code of the first slice is."""
    position = payload.find(b"\0\0\1")
    while payload[position + 3] & 31 not in (SLICE, IDR):
        position = payload.find(b"\0\0\1", position + 3)
    return position


class FwhtFraming:
    """The kernel's own test codec (vicodec): each picture tells in its header what it is."""

    def feed(self, payload, flags):
        """Return (picture, whether it is a keyframe)."""
        return payload, bool(flags & raw.V4L2_BUF_FLAG_KEYFRAME or struct.unpack_from(">I", payload, 20)[0] & FWHT_I_FRAME)


FRAMINGS = {"h264": ("H264", H264Framing), "fwht": ("FWHT", FwhtFraming)}
