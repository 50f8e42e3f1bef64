"""Two names for one file: nobody wants his video replaced by its own recording."""
from edgecam.capture import parse_source
from edgecam.errors import ConfigError
from edgecam.outputs.urls import file_of, find_twins
from edgecam.redaction import hide


def refuse_twins(conf):
    """Raise `ConfigError` where a run by the settings *conf* would write into its own input, or two things into one file."""
    twins = find_twins([((key, name), path) for key, name, path in files(conf)])
    if twins:
        (key, name), (before, _) = twins
        raise ConfigError("{} = {}: is the same file as {}; choose another name".format(key, hide(name), before), keys=(key, before))


def files(conf):
    """Yield (setting, what it says, path) of the files that a run reads and writes."""
    source = parse_source(conf.capture.input)
    if source.kind in ("file", "network"):              # of these an .sdp is a file, and a URL is like nothing else
        yield "capture.input", source.text, source.path
    for url in conf.outputs.urls:
        if file_of(url) is not None:
            yield "outputs.urls", url, file_of(url)
    for key, name in (("outputs.sdp", conf.outputs.sdp), ("events.file", conf.events.file)):
        if name not in (None, "-"):
            yield key, name, name


def written_files(conf):
    """Return [(setting, path)] of the files that a run writes and that are worth keeping: recordings and events."""
    return [(key, path) for key, _, path in files(conf) if key in ("outputs.urls", "events.file")]
