"""The schema of the settings: `default.yaml` in this package, which holds every one with its default.

A line of it reads ``key: default   #: kind``; the comment lines above it are the
description. Kinds: ``int 1..8``, ``float 0..1``, ``seconds 0..60``, ``size 50k..100M`` (a
number with k, M or G), ``bool``, ``str``, ``a|b|c`` (one of these words), ``list`` (of
strings), ``map 0..10`` (of numbers by name), ``texts`` (by name), ``path`` (of a file, or a
text in whose place one may stand) and ``paths`` (a list of these); a ``?`` behind the kind admits null.
"""
import math
import os
import re
from typing import Any, NamedTuple

import yaml

from edgecam.errors import ConfigError
from edgecam.naming import at_home
from edgecam.redaction import SECRET, hide

DEFAULT_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "default.yaml")
SECTION = re.compile(r"^(\w+):\s*$")
SETTING = re.compile(r"^  (\w+):\s*(.*?)\s*#:\s*(.+?)\s*$")
COMMENT = re.compile(r"^\s*#\s?(.*)$")
VARIABLE = re.compile(r"\$\{(\w+)\}")
UNREADABLE = re.compile(r"\$\{(?!\w+\})")
TEXT = {"type": ["string", "number"]}                                   # in JSON's schema
TEXTS = {"type": ["array", "string"], "items": {"type": "string"}}
UNITS = {"": 1, "k": 1000, "M": 1000000, "G": 1000000000}


class Setting(NamedTuple):
    """One line of the schema."""

    key: str            # "section.name"
    default: Any
    kind: str           # "int", "float", "seconds", "size", "bool", "str", "path", "choice", "list", "paths", "map", "texts"
    low: Any            # range of numbers, None where open
    high: Any
    choices: tuple
    optional: bool      # null is a value
    text: str           # what it means, for people

    @property
    def accepted(self):
        """What may stand here, for messages: "an integer from 1 to 8"."""
        nouns = {"int": "an integer", "float": "a number", "seconds": "a number of seconds", "str": "text", "path": "text",
                 "size": "a number (k, M and G may follow it)", "bool": "true or false", "list": "a list of texts", "paths": "a list of texts",
                 "map": "names with numbers", "texts": "names with texts", "choice": "one of " + ", ".join(self.choices)}
        words = nouns[self.kind]
        if self.low is not None or self.high is not None:
            words += " from {:.12g} to {:.12g}".format(self.low, self.high)
        return words + (" or null" if self.optional else "")


def parse_kind(words):
    """Split "int 1..8", "a|b", "str?" into (kind, low, high, choices, optional)."""
    optional = words.endswith("?")
    kind, _, span = words.rstrip("?").partition(" ")
    if "|" in words:
        return "choice", None, None, tuple(words.rstrip("?").split("|")), optional
    low, high = (number(part) for part in span.split("..")) if span else (None, None)
    return kind, low, high, (), optional


def number(text):
    """Read "50k" as 50000; raises `ValueError`."""
    match = re.match(r"^\s*(-?[\d.]+(?:e-?\d+)?)\s*([kMG]?)\s*$", str(text))
    if not match:
        raise ValueError("{!r} is not a number".format(text))
    value = float(match.group(1)) * UNITS[match.group(2)]
    if math.isinf(value):
        raise ValueError("{!r} is too large".format(text))
    return int(value) if value == int(value) else value


def read_schema(path=DEFAULT_FILE):
    """Return {key: Setting} in the order of the file; a comment holds for all lines that follow it directly."""
    schema, section, comments, fresh = {}, None, [], True
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            setting, comment = SETTING.match(line), COMMENT.match(line)
            if comment:
                comments = ([] if fresh else comments) + [comment.group(1)]
                fresh = False
                continue
            fresh = True
            if SECTION.match(line):
                section, comments = SECTION.match(line).group(1), []
            elif setting:
                key = section + "." + setting.group(1)
                schema[key] = make_setting(key, yaml.safe_load(setting.group(2)), setting.group(3), comments)
    return schema


def make_setting(key, default, words, comments):
    kind, low, high, choices, optional = parse_kind(words)
    setting = Setting(key, None, kind, low, high, choices, optional, " ".join(comments))
    return setting._replace(default=check(setting, default))


def find(key):
    """Return the `Setting` of *key*. Raises `ConfigError` with the nearest names."""
    if key not in SCHEMA:
        near = nearest(key)
        hint = "did you mean {}?".format(" or ".join(near)) if near else "`edgecam check --defaults` lists all"
        raise ConfigError("unknown setting {}: {}".format(key, hint))
    return SCHEMA[key]


def nearest(key):
    """Return up to three settings that may have been meant: of the same section where its name is near, since a section in common makes all look alike."""
    import difflib
    section, _, name = key.partition(".")
    own = [setting.partition(".")[2] for setting in SCHEMA if setting.startswith(section + ".")]
    near = [section + "." + other for other in difflib.get_close_matches(name, own, 3, 0.6)]
    return near or difflib.get_close_matches(key, SCHEMA, 3, 0.5)


def check(setting, value):
    """Return *value* as the setting's own type. Raises `ConfigError` saying what is accepted."""
    try:
        return convert(setting, value)
    except ConfigError:                 # says already what is wrong
        raise
    except (TypeError, ValueError, OverflowError) as error:         # OverflowError: of an integer that no float holds
        shown = "***" if SECRET.search(setting.key) else hide(repr(value))
        raise ConfigError("{} = {}: expected {}".format(setting.key, shown, setting.accepted)) from error


def convert(setting, value):
    """Return *value* in the type of *setting*; raises `TypeError` or `ValueError` where it does not fit."""
    if value is None and setting.optional:
        return None
    if setting.kind in CONVERTERS:
        return CONVERTERS[setting.kind](setting, value)
    if isinstance(value, bool):
        raise TypeError("a truth value is not a number")
    value = number(value) if setting.kind == "size" else float(value)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    if setting.kind in ("int", "size"):
        if value != int(value):
            raise ValueError("not a whole number")
        value = int(value)
    return in_range(setting, value)


def in_range(setting, value):
    if not (setting.low is None or setting.low <= value <= setting.high):
        raise ValueError("out of range")
    return value


def to_bool(setting, value):
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return value


def to_text(setting, value):
    value = off_and_on(value)
    if isinstance(value, (dict, list)) or value is None:
        raise TypeError("not a text")
    if "\0" in str(value):
        raise ConfigError("{} = {}: no name or address holds a NUL byte".format(setting.key, hide(repr(value))))
    return expand(str(value))


def to_path(setting, value):
    text = to_text(setting, value)
    return text if "://" in text else at_home(as_typed(text))


def as_typed(text):
    """Return the name of a file as the command line would bring it: under LC_ALL=C, as services run, Python 3.6 opens no other letters than ASCII's."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def off_and_on(value):
    """YAML reads the words off and on as truth values; where a text is meant they are words again."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def to_choice(setting, value):
    value = off_and_on(value)
    if value not in setting.choices:
        raise ValueError("not one of the words")
    return value


def to_list(setting, value, convert_item=to_text):
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise TypeError("not a list")
    return tuple(convert_item(setting, item) for item in value)


def to_paths(setting, value):
    return to_list(setting, value, to_path)


def to_map(setting, value):
    return entries(setting, value, "float")


def to_texts(setting, value):
    return entries(setting, value, "str")


def entries(setting, value, kind):
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return {str(name): entry(setting, str(name), item, kind) for name, item in value.items()}


def entry(setting, name, item, kind):
    """Return one entry of a mapping, as a setting of *kind*: who has fifty is told which one is wrong, and in which line."""
    own = setting._replace(key=setting.key + "." + name, kind=kind, optional=False)
    try:
        return check(own, item)
    except ConfigError as error:
        error.keys = own.key, setting.key
        raise


CONVERTERS = {"bool": to_bool, "str": to_text, "path": to_path, "choice": to_choice, "list": to_list, "paths": to_paths,
              "map": to_map, "texts": to_texts}


def expand(text):
    """Replace ${NAME} by the environment's value; secrets need not stand in files."""
    def value(match):
        if match.group(1) not in os.environ:
            raise ConfigError("the environment has no variable {}, which {} asks for".format(match.group(1), match.group(0)))
        return os.environ[match.group(1)]
    strange = UNREADABLE.search(text)
    if strange:
        raise ConfigError("{!r}: expected a variable of the environment in braces, such as ${{HOME}}".format(text[strange.start():][:20]))
    return VARIABLE.sub(value, text)


def json_schema():
    """Return the JSON schema (draft 7) of a settings file, as a dict."""
    sections = {}
    for setting in SCHEMA.values():
        section, name = setting.key.split(".")
        sections.setdefault(section, {})[name] = setting_schema(setting)
    objects = {name: {"type": "object", "additionalProperties": False, "properties": keys}
               for name, keys in sections.items()}
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "edgecam settings",
            "type": "object", "additionalProperties": False, "properties": objects}


def setting_schema(setting):
    kinds = {"int": {"type": "integer"}, "float": {"type": "number"}, "seconds": {"type": "number"},
             "size": {"type": ["integer", "string"]}, "bool": {"type": "boolean"}, "str": TEXT, "path": TEXT,
             "choice": {"enum": list(setting.choices)}, "list": TEXTS, "paths": TEXTS,
             "map": {"type": "object", "additionalProperties": {"type": "number"}},
             "texts": {"type": "object", "additionalProperties": {"type": "string"}}}
    schema = dict(kinds[setting.kind], description=setting.text, default=plain(setting.default))
    if setting.kind in ("int", "float", "seconds", "size") and setting.low is not None:
        schema.update(minimum=setting.low, maximum=setting.high)
    if setting.optional:
        schema = {"anyOf": [schema, {"type": "null"}], "description": setting.text}
    return schema


def plain(value):
    return list(value) if isinstance(value, tuple) else value


SCHEMA = read_schema()
