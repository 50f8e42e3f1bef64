"""Areas of the picture that users named: the section ``zones`` of the settings."""
import re
from typing import NamedTuple, Tuple

from edgecam.errors import ConfigError

FEWEST_CORNERS = 3
NUMBERS = re.compile(r"[\s,]+")


class Zone(NamedTuple):
    """A polygon by its corners (x, y), each from 0 to 1: shares of the picture's width and height."""

    name: str
    points: Tuple[Tuple[float, float], ...]


def parse_zones(settings):
    """Return the zones of the section *settings*, in its order. Raises `ConfigError`."""
    return [Zone(name, corners(name, text)) for name, text in settings.areas.items()]


def corners(name, text):
    """Read "x,y x,y x,y". Raises `ConfigError`."""
    try:
        numbers = [float(word) for word in NUMBERS.split(text.strip())]
    except ValueError:
        numbers = []
    if len(numbers) % 2 or len(numbers) < 2 * FEWEST_CORNERS or not all(0 <= number <= 1 for number in numbers):
        raise ConfigError("zones.areas.{} = {!r}: expected at least {} corners x,y from 0 to 1, as \"0.1,0.5 0.9,0.5 0.5,1\"".format(
            name, text, FEWEST_CORNERS), keys=("zones.areas." + name, "zones.areas"))
    return tuple(zip(numbers[::2], numbers[1::2]))
