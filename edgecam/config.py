"""Settings: the defaults of `default.yaml` (`edgecam.schema`), then files in order, then ``section.key=value`` words. Later layers win."""
import yaml

from edgecam.errors import ConfigError, WordError, reason
from edgecam.redaction import hide, redact
from edgecam.schema import DEFAULT_FILE, SCHEMA, check, find, json_schema, number

__all__ = ["DEFAULT_FILE", "SCHEMA", "Section", "Settings", "find", "json_schema", "load_config", "number"]

UNREADABLE = yaml.YAMLError, ValueError, TypeError, RecursionError     # ValueError: of a date, or a number, that there is not
NOTHING = "", "~", "null", "Null", "NULL"                              # YAML's words for it


class Section:
    """The settings of one room, as attributes: ``conf.roi.max_regions``. Immutable."""

    def __init__(self, name, values, named=None):
        """*named*: {key: where it was set, "file:line", or "" elsewhere} of what somebody set."""
        self.__dict__.update(values)
        self.__dict__.update(_name=name, _named=dict(named or {}))

    def __setattr__(self, key, value):
        raise AttributeError("settings don't change; use replace({}={!r})".format(key, value))

    def replace(self, **changes):
        """Return a copy with other, checked values. Raises `ConfigError`."""
        return self.having({key: check(find(self._name + "." + key), value) for key, value in changes.items()})

    def having(self, checked, place="", within=None):
        """Return a copy with values that were checked before; *place*: "file:line" where they stand in one; *within*: {"key.entry": place} of
        the entries of mappings.
        """
        named = {key: where for key, where in self._named.items() if key.partition(".")[0] not in checked}
        named.update({key: place for key in checked})
        named.update(within or {})
        return Section(self._name, dict(self.as_dict(), **checked), named)

    def named(self, key):
        """Whether somebody said what *key* is, be it the default."""
        return key in self._named

    def place(self, key):
        """Return "file:line" where a file says what *key* is, else ""."""
        return self._named.get(key, "")

    def as_dict(self):
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_")}

    def __eq__(self, other):
        return isinstance(other, Section) and (self._name, self.as_dict()) == (other._name, other.as_dict())

    def __repr__(self):
        return "<Section {}>".format(self._name)


class Settings:
    """All sections, as attributes."""

    def __init__(self, values):
        """*values* maps each section to {key: value}."""
        for name, section in values.items():
            setattr(self, name, Section(name, section))

    def put(self, key, value, place="", within=None):
        """Give "section.name" a value that was checked before; *place* and *within* as in `Section.having`."""
        section, name = key.split(".")
        setattr(self, section, getattr(self, section).having({name: value}, place, within))

    def place(self, key):
        """Return "file:line" where a file says what "section.name", or its ".entry", is, else "", also for what is no setting."""
        section, _, name = key.partition(".")
        return getattr(self, section).place(name) if section in self.__dict__ else ""

    def as_dict(self):
        """Return {section: {key: value}} of plain values."""
        return {name: section.as_dict() for name, section in self.__dict__.items()}

    def redacted(self):
        """Like `as_dict`, without passwords, tokens and the credentials inside URLs."""
        return {name: {key: redact(key, value) for key, value in section.items()}
                for name, section in self.as_dict().items()}


def load_config(*paths, overrides=()):
    """Return the `Settings`: defaults, then the YAML files *paths*, then "section.key=value" words.

    Raises `ConfigError` with file, line, key and what is accepted, for a word a `WordError`.
    """
    defaults = {}
    for setting in SCHEMA.values():
        section, name = setting.key.split(".")
        defaults.setdefault(section, {})[name] = setting.default
    settings = Settings(defaults)
    for path in paths:
        for key, value, place, within in read_file(path):
            settings.put(key, value, place, within)
    for word in overrides:
        try:
            settings.put(*parse_override(word))
        except ConfigError as error:
            raise WordError("--set: {}".format(error)) from error
    return settings


def parse_override(word):
    """Read "section.key=value", the value as YAML."""
    key, equals, text = word.partition("=")
    if not equals:
        raise ConfigError("{}: expected section.key=value".format(hide(word)))
    setting = find(key.strip())
    if setting.kind in ("str", "path") and text.strip() not in NOTHING or setting.kind in ("list", "paths") and not text.strip().startswith("["):
        return setting.key, check(setting, text)        # as it was typed: "-" and "null:" are names here, whatever YAML makes of them
    try:
        value = yaml.safe_load(text)
        repeated = next(repeats(yaml.compose(text, Loader=yaml.SafeLoader), setting.key + "."), None)
    except UNREADABLE as error:
        raise ConfigError("{}: the value is not YAML".format(key)) from error
    if repeated:
        raise ConfigError("{} stands twice; leave one of them".format(repeated[0]))
    return setting.key, check(setting, value)


def read_file(path):
    """Yield (key, value, "file:line", {"name.entry": "file:line"}) of a settings file, checked."""
    root = compose(path)
    for name, line, first in repeats(root):
        raise ConfigError("{}:{}: {} stands twice, first in line {}; leave one of them".format(path, line, name, first))
    for section_node, section_value in mapping_items(path, root, "the file"):
        section = section_node.value
        if not any(key.startswith(section + ".") for key in SCHEMA):
            raise ConfigError("{}:{}: unknown section {}: {}".format(path, section_node.start_mark.line + 1, section, what_was_meant(section)))
        for key_node, value_node in mapping_items(path, section_value, section):
            place, within = place_of(path, key_node), entries_of(path, key_node, value_node)
            try:
                setting = find(section + "." + key_node.value)
                value = check(setting, construct(setting, value_node))
            except ConfigError as error:
                inner = next(iter(error.keys), "").partition(".")[2]
                raise ConfigError("{}: {}".format(within.get(inner, place), error)) from error
            yield setting.key, value, place, within


def what_was_meant(section):
    """Return what to type instead of a *section* that is none: "encode.bitrate" is what --set takes."""
    import difflib
    name, _, key = section.partition(".")
    sections = list(dict.fromkeys(setting.partition(".")[0] for setting in SCHEMA))
    if key and name in sections:
        return "in a file {} stands in a line of its own below {}:".format(key, name)
    near = difflib.get_close_matches(section, sections, 1)
    return "did you mean {}?".format(near[0]) if near else "expected one of " + ", ".join(sections)


def place_of(path, node):
    return "{}:{}".format(path, node.start_mark.line + 1)


def entries_of(path, key_node, value_node):
    """Return {"name.entry": "file:line"} of the entries of a mapping, nothing for other values."""
    pairs = value_node.value if isinstance(value_node, yaml.MappingNode) else ()
    return {key_node.value + "." + key.value: place_of(path, key) for key, _ in pairs if isinstance(key, yaml.ScalarNode)}


def compose(path):
    """Return the root node of a YAML file, with line numbers, or None for an empty one."""
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml.compose(stream, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("{}: can't be read: {}".format(path, reason(error))) from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = ":{}".format(mark.line + 1) if mark else ""
        raise ConfigError("{}{}: not YAML: {}".format(path, line, problem_of(error))) from error


def problem_of(error):
    """Return what is wrong, of an error that may tell the name of the file, too, or several lines of it."""
    return getattr(error, "problem", None) or getattr(error, "reason", None) or error


def repeats(root, above=""):
    """Yield (name, line, line of the first) of each name that stands twice in one mapping, of which YAML's reader would keep the last without a
    word; *above* is what the names of *root* stand below.
    """
    waiting, known = [(above, root)], set()
    while waiting:
        above, node = waiting.pop()
        if id(node) in known:                   # an alias, which may even hold itself
            continue
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(above, item) for item in node.value]
        elif isinstance(node, yaml.MappingNode):
            yield from repeats_within(node, above)
            waiting += [(above + key.value + ".", value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]


def repeats_within(node, above):
    lines = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in lines:
                yield above + key.value, line, lines[key.value]
            lines.setdefault(key.value, line)


def mapping_items(path, node, what):
    if node is None or isinstance(node, yaml.ScalarNode) and not node.value:
        return []
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("{}:{}: {} should hold 'name: value' lines".format(path, node.start_mark.line + 1, what))
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError("{}:{}: a name should be one word".format(path, key.start_mark.line + 1))
    return node.value


def construct(setting, node):
    """Return the value of a node. Raises `ConfigError`."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except UNREADABLE as error:
        raise ConfigError("{}: the value can't be read: {}".format(setting.key, getattr(error, "problem", None) or error)) from error
    finally:
        loader.dispose()
