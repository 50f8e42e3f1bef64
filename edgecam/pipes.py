"""Named pipes: a plain open for writing waits for a reader, and Python goes on waiting after Ctrl-C; nothing here does."""
import logging
import os
import stat

from edgecam import clock

log = logging.getLogger(__name__)
POLL = 0.1              # seconds: how soon a reader, or a stop, is noticed


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
