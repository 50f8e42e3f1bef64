"""The promise of this room: a camera gives frames, one after the other."""


class Camera:
    """A source of frames; iterate over it, or call `read`.

    A descendant sets *format* (`VideoFormat`) and *name* before its constructor returns, and must override
    `read` and `close`; `open_camera` sets *source*, what it was opened by, credentials hidden. Live cameras keep the newest frame only: a frame
    that nobody read in time is replaced and counted in *drops*.
    """

    name = "camera"
    source = ""
    format = None
    drops = 0               # frames that came and were replaced before anybody took them
    broken = 0              # frames or packets that came damaged: left out, or passed on as the decoder mended them
    reconnects = 0

    def read(self, timeout=None):
        """Return the next `Frame` (with one lease, the caller's) or None at the end.

        Raises `CaptureTimeout` when none came within *timeout* seconds, `CaptureError`
        when the source failed for good.
        """
        raise NotImplementedError

    def close(self):
        """Give the device back; closing twice is fine."""
        raise NotImplementedError

    @property
    def length(self):
        """Number of frames that will come, where it is known beforehand, else None."""
        return None

    def controls(self):
        """Return the controls that can be changed while running, as {name: {value, min, max, step}}."""
        return {}

    def set_control(self, name, value):
        """Change one control. Raises `KeyError` for an unknown name, `ValueError` out of range."""
        raise KeyError(name)

    def __iter__(self):
        while True:
            frame = self.read()
            if frame is None:
                return
            yield frame

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
