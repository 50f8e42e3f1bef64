"""The scripts of scripts/train, importable for a while."""
import contextlib
import os
import sys

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts", "train")


@contextlib.contextmanager
def importable(monkeypatch):
    """Let scripts be imported inside, and forget them behind: their names are everybody's. Those that were there before stay what they were."""
    monkeypatch.syspath_prepend(SCRIPTS)
    before = set(sys.modules)
    yield
    for name, module in list(sys.modules.items()):
        if name not in before and (getattr(module, "__file__", None) or "").startswith(SCRIPTS):
            del sys.modules[name]
