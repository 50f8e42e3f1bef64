"""Settings: the defaults of `default.yaml` (`edgecam.schema`), then files in order, then ``section.key=value`` words. Later layers win."""
import re

import yaml

from edgecam.errors import ConfigError
from edgecam.schema import DEFAULT_FILE, SCHEMA, check, find, json_schema, number

__all__ = ["CREDENTIALS", "DEFAULT_FILE", "SCHEMA", "Section", "Settings", "find", "json_schema", "load_config", "number", "redact"]

SECRET = re.compile(r"password|token|secret", re.I)
CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")


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
