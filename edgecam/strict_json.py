"""JSON that somebody wrote, read without choosing: of a name that stands twice Python's reader keeps the last value without a word."""
import json

from edgecam.standard import shorten


class NamedTwice(ValueError):
    """A name stands twice in one object."""


def read_json(text):
    """Return the value of the JSON *text*. Raises `NamedTwice`, which says the name, and what `json.loads` raises."""
    return json.loads(text, object_pairs_hook=each_once)


def each_once(pairs):
    """Return *pairs*, [(name, value)], as a dict. Raises `NamedTwice`."""
    values = {}
    for name, value in pairs:
        if name in values:
            raise NamedTwice('"{}" stands twice; leave one of them'.format(shorten(name)))
        values[name] = value
    return values
