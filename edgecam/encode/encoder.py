"""The promise of this room: an encoder turns frames and plans into H.264 packets."""
from edgecam.errors import EncoderError


class Encoder:
    """Encodes frames of one `VideoFormat`.

    A descendant sets *name*, *format* (`StreamFormat`) and *max_regions*, and must override
    `encode`, `flush`, `set_bitrate`, `request_keyframe` and `close`. The first packet is a
    keyframe; every keyframe carries SPS and PPS. An encoder belongs to one thread, but
    `set_bitrate`, `set_qp_range` and `request_keyframe` may be called from any.
    """

    name = "encoder"
    format = None
    max_regions = 8
    supports_roi = True

    def encode(self, frame, plan):
        """Encode *frame* with the regions of *plan*; return a list of `Packet`: none yet, one or several.

        Raises `EncoderError`, also when the frame's size or fourcc is not the format's.
        """
        raise NotImplementedError

    def flush(self):
        """Return the packets that are still inside; the encoder takes no frames afterwards."""
        raise NotImplementedError

    def set_bitrate(self, bits_per_second):
        """Change the target rate from the next frame on."""
        raise NotImplementedError

    def request_keyframe(self):
        """Make the next frame a keyframe."""
        raise NotImplementedError

    def set_qp_range(self, low, high):
        """Change the QPs that rate control may choose from the next frame on; None is the encoder's own limit.

        Raises `EncoderError` for a range that makes no sense, or where the encoder has none to change.
        """
        raise EncoderError("{} has no QP range that can be changed while running".format(self.name))

    def spent(self):
        """Return where the bits went so far, or None where the encoder can't tell: {"area_share", "bits_share"} of the
        regions (0..1, the bits by estimate), and the average QP {"qp_inside", "qp_outside"} (None where there was none)."""
        return None

    def close(self):
        """Free the encoder; closing twice is fine."""
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
