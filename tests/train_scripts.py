"""The scripts of scripts/train, importable for a while."""
import contextlib
import os
import sys

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts", "train")


@contextlib.contextmanager
def importable(monkeypatch):
    """Let scripts be imported inside, and forget them behind: their names are everybody's."""
    monkeypatch.syspath_prepend(SCRIPTS)
    yield
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(SCRIPTS):
            del sys.modules[name]
