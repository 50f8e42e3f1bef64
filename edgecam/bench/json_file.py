"""Where a benchmark's figures go: with --json FILE, and as text in a format of others."""
import json

from edgecam.errors import OutputError, reason
from edgecam.naming import refuse_no_place
from edgecam.standard import tell
from edgecam.whole_file import write_whole


def expect_json(path):
    """Raise `UsageError` before anything is measured where `write_json` would fail; *path* may be None."""
    if path and path != "-":
        refuse_no_place("--json", path)


def write_json(figures, path):
    """Write *figures* to *path*; "-" is standard output. Raises `OutputError`."""
    write_text(json.dumps(figures, indent=1) + "\n", path, "--json " + path)


def tell_beside(text, path):
    """Tell *text*, unless the JSON for *path* (None for none) takes standard output for itself."""
    if path != "-":
        tell(text)


def write_text(text, path, shown):
    """Write *text* to *path*, "-" is standard output: a file is written whole or not at all. Raises `OutputError` about what is *shown*."""
    if path == "-":
        tell(text)
        return
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise OutputError("{}: can't be written: {}".format(shown, reason(error))) from error
