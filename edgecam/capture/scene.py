"""`test://street`: the built-in scene as a camera."""
from fractions import Fraction

from edgecam import clock
from edgecam.capture.camera import Camera
from edgecam.errors import ConfigError
from edgecam.size import read_size
from edgecam.vocabulary import Frame, VideoFormat

OPTIONS = {"fps": (float, 1, 240), "objects": (int, 0, 200), "pan": (float, -2000, 2000), "shake": (float, 0, 40),
           "rotate": (float, 0, 4), "noise": (float, 0, 4), "seed": (int, 0, 2 ** 31), "marker": (int, 0, 1),
           "frames": (int, 0, 10 ** 9)}
SIZES = 160, 4096       # pixels a side


class SceneFrame:
    """What is known about a frame of the scene, as its `Frame.native`."""

    __slots__ = ("scene", "number")

    def __init__(self, scene, number):
        self.scene, self.number = scene, number

    @property
    def truth(self):
        return self.scene.truth(self.number)


class SceneCamera(Camera):
    """Plays a `Street`; as a live camera it keeps the clock's time, else it gives frames as fast as they are taken.

    Late frames of the live camera are skipped and counted as dropped, as a sensor would.
    """

    name = "scene"

    def __init__(self, source, live, stopping=lambda: False):
        from edgecam.capture.street import Street
        size, options = scene_options(source)
        self._frames = options.pop("frames", 0)
        self.scene = Street(*size, stopping=stopping, **options)
        rate = Fraction(self.scene.fps).limit_denominator(1001)
        self.format = VideoFormat(size[0], size[1], "I420", rate, 1 / rate, live)
        self._next, self._started, self._closed = 0, None, False

    @property
    def length(self):
        return self._frames or None

    def read(self, timeout=None):
        if self.format.live:
            self._skip_missed()
        if self._frames and self._next >= self._frames:
            return None
        number = self._next
        planes = tuple(self.scene.render(number))       # ahead of its time: a sensor's frame is complete when it is there
        time = self.scene.seconds(number)
        if self.format.live:
            time += self._started
            clock.sleep(time - clock.now())
        if self._closed:
            return None
        self._next += 1
        return Frame(number, time, number, self.format, planes, SceneFrame(self.scene, number))

    def _skip_missed(self):
        now = clock.now()
        if self._started is None:
            self._started = now
        late = int((now - self._started - self.scene.seconds(self._next)) * self.scene.fps)
        if late > 2:                        # a camera has a few buffers; what does not fit is gone
            self._next += late
            self.drops += late

    def close(self):
        self._closed = True


def scene_options(source):
    """Return ((width, height), keyword arguments) from a source's query. Raises `ConfigError`."""
    if source.path.strip("/") != "street":
        raise ConfigError("input {}: the only built-in scene is test://street".format(source.text))
    options, size = {}, (960, 540)
    for name, text in source.options.items():
        if name == "size":
            size = scene_size(source, text)
        elif name in OPTIONS:
            options[name] = scene_number(source, name, text)
        else:
            raise ConfigError("input {}: unknown option {}; known are size, {}".format(
                source.text, name, ", ".join(sorted(OPTIONS))))
    return size, options


def scene_size(source, text):
    try:
        return read_size(text, *SIZES)
    except ValueError as error:
        raise ConfigError("input {}: size={}: {}".format(source.text, text, error)) from error


def scene_number(source, name, text):
    kind, low, high = OPTIONS[name]
    try:
        value = kind(text)
    except ValueError as error:
        raise ConfigError("input {}: {}={}: expected a number".format(source.text, name, text)) from error
    if not low <= value <= high:
        raise ConfigError("input {}: {}={}: expected {:g} to {:g}".format(source.text, name, text, low, high))
    return value
