"""A sign of life for commands that work through a list: a bar on a terminal, else a line now and then."""
import logging
import sys

from edgecam.clock import now

log = logging.getLogger(__name__)
LINE_EVERY = 10.0           # seconds
FEW = 8                     # so many are done before anybody wonders


def shown(items, total, unit):
    """Yield each of *items*, *total* of them, and show how far it is on stderr."""
    if total > FEW and sys.stderr.isatty():
        from tqdm import tqdm
        yield from tqdm(items, total=total, unit=" " + unit, file=sys.stderr, leave=False)
        return
    last = now()
    for count, item in enumerate(items):
        yield item
        if now() - last >= LINE_EVERY:
            log.info("%d of %d %s", count + 1, total, unit)
            last = now()
