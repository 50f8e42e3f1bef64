"""Named pipes: a plain open for writing waits for a reader, and Python goes on waiting after Ctrl-C; nothing here does."""
import logging
import os
import stat
import threading
from contextlib import contextmanager

from edgecam import clock

log = logging.getLogger(__name__)
POLL = 0.1              # seconds: how soon a reader, or a stop, is noticed
PATIENCE = 1.0          # seconds that a writer may take to come before it is said that he is waited for


def is_pipe(path):
    """Whether *path*, or the number of an open file, is a named pipe; what is not there is none."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def open_at_once(path, flags):
    """Open *path* for writing with *flags* beside O_WRONLY and return its number. Raises `OSError`, with ENXIO for a pipe that nobody reads."""
    number = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags, 0o666)
    os.set_blocking(number, True)
    return number


def await_reader(name, reached, stopping):
    """Wait until *reached()* finds somebody who reads what is called *name*, or until *stopping()*; return whether there is one."""
    found = reached()
    if not found:
        log.info("%s: waiting for somebody who reads this pipe", name)
    while not found and not stopping():
        clock.sleep(POLL)
        found = reached()
    return found


@contextmanager
def told_when_waiting(name, path):
    """Say once that *name* waits for a writer, where what is inside opens or reads the pipe *path* and takes a while; it must let other threads run."""
    teller = threading.Timer(PATIENCE, log.info, ("%s: waiting for somebody who writes into this pipe", name))
    teller.daemon = True
    if is_pipe(path):
        teller.start()
    try:
        yield
    finally:
        teller.cancel()
