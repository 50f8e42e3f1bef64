"""Settings: `default.yaml` in this package holds every one with its default, and is the schema too.

A line of it reads ``key: default   #: kind``; the comment lines above it are the
description. Kinds: ``int 1..8``, ``float 0..1``, ``seconds 0..60``, ``size 50k..100M`` (a
number with k, M or G), ``bool``, ``str``, ``a|b|c`` (one of these words), ``list`` (of
strings), ``map 0..10`` (of numbers by name), ``texts`` (by name); a ``?`` behind the kind admits null.

Later layers win: defaults, then files in order, then ``section.key=value`` words.
"""
import os
import re
from typing import Any, NamedTuple

import yaml

from edgecam.errors import ConfigError

DEFAULT_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "default.yaml")
SECTION = re.compile(r"^(\w+):\s*$")
SETTING = re.compile(r"^  (\w+):\s*(.*?)\s*#:\s*(.+?)\s*$")
COMMENT = re.compile(r"^\s*#\s?(.*)$")
VARIABLE = re.compile(r"\$\{(\w+)\}")
UNITS = {"": 1, "k": 1000, "M": 1000000, "G": 1000000000}
SECRET = re.compile(r"password|token|secret", re.I)
CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")


class Setting(NamedTuple):
    """One line of the schema."""

    key: str            # "section.name"
    default: Any
    kind: str           # "int", "float", "seconds", "size", "bool", "str", "choice", "list", "map", "texts"
    low: Any            # range of numbers, None where open
    high: Any
    choices: tuple
    optional: bool      # null is a value
    text: str           # what it means, for people

    @property
    def accepted(self):
        """What may stand here, for messages: "an integer from 1 to 8"."""
        nouns = {"int": "an integer", "float": "a number", "seconds": "a number of seconds", "str": "text",
                 "size": "a number (k, M and G may follow it)", "bool": "true or false", "list": "a list of texts",
                 "map": "names with numbers", "texts": "names with texts", "choice": "one of " + ", ".join(self.choices)}
        words = nouns[self.kind]
        if self.low is not None or self.high is not None:
            words += " from {:g} to {:g}".format(self.low, self.high)
        return words + (" or null" if self.optional else "")


class Section:
    """The settings of one room, as attributes: ``conf.roi.max_regions``. Immutable."""

    def __init__(self, name, values):
        self.__dict__.update(values)
        self.__dict__["_name"] = name

    def __setattr__(self, key, value):
        raise AttributeError("settings don't change; use replace({}={!r})".format(key, value))

    def replace(self, **changes):
        """Return a copy with other, checked values. Raises `ConfigError`."""
        values = self.as_dict()
        for key, value in changes.items():
            values[key] = check(find(self._name + "." + key), value)
        return Section(self._name, values)

    def as_dict(self):
        return {key: value for key, value in self.__dict__.items() if key != "_name"}

    def __eq__(self, other):
        return isinstance(other, Section) and self.__dict__ == other.__dict__

    def __repr__(self):
        return "<Section {}>".format(self._name)


class Settings:
    """All sections, as attributes."""

    def __init__(self, values):
        for name, section in values.items():
            setattr(self, name, Section(name, section))

    def as_dict(self):
        """Return {section: {key: value}} of plain values."""
        return {name: section.as_dict() for name, section in self.__dict__.items()}

    def redacted(self):
        """Like `as_dict`, without passwords, tokens and the credentials inside URLs."""
        return {name: {key: redact(key, value) for key, value in section.items()}
                for name, section in self.as_dict().items()}


def redact(key, value):
    """Hide *value* where *key* names a secret, and user:password@ inside URLs."""
    if isinstance(value, (list, tuple)):
        return [redact(key, item) for item in value]
    if not isinstance(value, str):
        return value
    return "***" if SECRET.search(key) and value else CREDENTIALS.sub("***@", value)


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
        import difflib
        near = difflib.get_close_matches(key, SCHEMA, 3, 0.5)
        hint = "did you mean {}?".format(" or ".join(near)) if near else "the settings are in default.yaml"
        raise ConfigError("unknown setting {}: {}".format(key, hint))
    return SCHEMA[key]


def check(setting, value):
    """Return *value* as the setting's own type. Raises `ConfigError` saying what is accepted."""
    try:
        return convert(setting, value)
    except (TypeError, ValueError) as error:
        raise ConfigError("{} = {!r}: expected {}".format(setting.key, value, setting.accepted)) from error


def convert(setting, value):
    """Return *value* in the type of *setting*; raises `TypeError` or `ValueError` where it does not fit."""
    if value is None and setting.optional:
        return None
    if setting.kind in CONVERTERS:
        return CONVERTERS[setting.kind](setting, value)
    if isinstance(value, bool):
        raise TypeError("a truth value is not a number")
    value = number(value) if setting.kind == "size" else float(value)
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
    return expand(str(value))


def off_and_on(value):
    """YAML reads the words off and on as truth values; where a text is meant they are words again."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def to_choice(setting, value):
    value = off_and_on(value)
    if value not in setting.choices:
        raise ValueError("not one of the words")
    return value


def to_list(setting, value):
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise TypeError("not a list")
    return tuple(to_text(setting, item) for item in value)


def to_map(setting, value):
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return {str(name): in_range(setting, float(item)) for name, item in value.items()}


def to_texts(setting, value):
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return {str(name): to_text(setting, item) for name, item in value.items()}


CONVERTERS = {"bool": to_bool, "str": to_text, "choice": to_choice, "list": to_list, "map": to_map, "texts": to_texts}


def expand(text):
    """Replace ${NAME} by the environment's value; secrets need not stand in files."""
    def value(match):
        if match.group(1) not in os.environ:
            raise ConfigError("the environment has no variable {}, which {} asks for".format(match.group(1), match.group(0)))
        return os.environ[match.group(1)]
    return VARIABLE.sub(value, text)


def load_config(*paths, overrides=()):
    """Return the `Settings`: defaults, then the YAML files *paths*, then "section.key=value" words.

    Raises `ConfigError` with file, line, key and what is accepted.
    """
    values = {}
    for setting in SCHEMA.values():
        section, name = setting.key.split(".")
        values.setdefault(section, {})[name] = setting.default
    for path in paths:
        for key, value in read_file(path):
            section, name = key.split(".")
            values[section][name] = value
    for word in overrides:
        key, value = parse_override(word)
        section, name = key.split(".")
        values[section][name] = value
    return Settings(values)


def parse_override(word):
    """Read "section.key=value", the value as YAML."""
    key, equals, text = word.partition("=")
    if not equals:
        raise ConfigError("--set {}: expected section.key=value".format(word))
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("--set {}: the value is not YAML".format(word)) from error
    setting = find(key.strip())
    if setting.kind == "str" and value is not None or setting.kind == "list" and not text.strip().startswith("["):
        value = text                    # as it was typed: "-" and "null:" are names here, whatever YAML makes of them
    return setting.key, check(setting, value)


def read_file(path):
    """Yield (key, value) of a settings file, checked."""
    root = compose(path)
    for section_node, section_value in mapping_items(path, root, "the file"):
        section = section_node.value
        if not any(key.startswith(section + ".") for key in SCHEMA):
            raise ConfigError("{}:{}: unknown section {}".format(path, section_node.start_mark.line + 1, section))
        for key_node, value_node in mapping_items(path, section_value, section):
            where = "{}:{}: ".format(path, key_node.start_mark.line + 1)
            try:
                setting = find(section + "." + key_node.value)
                yield setting.key, check(setting, construct(value_node))
            except ConfigError as error:
                raise ConfigError(where + str(error)) from error


def compose(path):
    """Return the root node of a YAML file, with line numbers, or None for an empty one."""
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml.compose(stream, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("{}: can't be read: {}".format(path, error)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = ":{}".format(mark.line + 1) if mark else ""
        raise ConfigError("{}{}: not YAML: {}".format(path, line, getattr(error, "problem", error))) from error


def mapping_items(path, node, what):
    if node is None or isinstance(node, yaml.ScalarNode) and not node.value:
        return []
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("{}:{}: {} should hold 'name: value' lines".format(path, node.start_mark.line + 1, what))
    return node.value


def construct(node):
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


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
             "size": {"type": ["integer", "string"]}, "bool": {"type": "boolean"}, "str": {"type": ["string", "number"]},
             "choice": {"enum": list(setting.choices)}, "list": {"type": ["array", "string"], "items": {"type": "string"}},
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
