"""Files that one run has for itself, or for a while: two that begin at the same moment with one name neither mix nor replace what they write."""
import contextlib
import fcntl
import logging
import os
import stat

from edgecam.errors import OutputError
from edgecam.pipes import open_at_once

log = logging.getLogger(__name__)
TRIES = 9               # to open a file that others take away again; a disk that numbers its files anew each time gets no more either


class NameTaken(OutputError):
    """Another run has the name, or had it a moment ago."""


def claim(file, path):
    """Keep other programs from recording into the open *file* of the name *path*; where one does, close it and raise `NameTaken`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise NameTaken("{}: another program is recording into it; choose another name, such as one with %H%M%S".format(path)) from error
    except OSError as error:                            # network disks without locks
        log.debug("%s: can't be locked: %s", path, error)


def open_own(path, replace, flags=0):
    """Return the file *path*, open for writing with *flags*, which others that ask here don't get until it is closed. What it holds stays.

    Raises `NameTaken` where somebody has it or, unless *replace*, where it is not empty; else `OSError`, with ENXIO for a pipe that nobody reads.
    """
    for left in reversed(range(TRIES)):
        file = opened(path, replace, flags)
        if file is None:
            continue
        claim(file, path)
        if left and not same_file(file, path):          # who had it took it away: what is written into it would be lost
            file.close()
        elif not replace and holds_something(file):
            file.close()
            break
        else:
            return file
    raise NameTaken("{}: another run took this name at the same moment; choose another one".format(path))


def opened(path, replace, flags):
    """Return *path*, opened, and made where it is not there; None where it came to be in between, and may be replaced. Raises `NameTaken`, `OSError`."""
    new = 0 if os.path.lexists(path) else os.O_EXCL     # which disks without locks have, too
    try:
        return open(path, "wb", buffering=0, opener=lambda name, _: open_at_once(name, os.O_CREAT | new | flags))
    except FileExistsError as error:
        if not new or replace:
            return None
        raise NameTaken("{}: another run took this name at the same moment; choose another one".format(path)) from error


def open_new(name, make):
    """Return what *make* makes of the next path of *name*, a `NewName`. Where it raises `NameTaken` the one after it is tried, unless the name
    may be replaced: then nobody else is meant to have it.
    """
    taken = None
    while True:
        path = name.next()
        try:
            made = make(path)
        except NameTaken:
            if name.overwrite:
                raise
            taken = taken or path
            continue
        if taken:
            log.warning("%s: another run has it; this one goes into %s", taken, path)
        return made


def same_file(file, path):
    """Say whether the open *file* is what is at *path*."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def holds_something(file):
    status = os.fstat(file.fileno())
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


@contextlib.contextmanager
def locked(path):
    """Hold the lock file *path*, which other processes wait for; without one where none can be made or locked."""
    stream = lock(path)
    try:
        yield
    finally:
        if stream is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)             # before it is let go: who waits sees that the file is another
            stream.close()


def lock(path):
    """Return the locked file *path*, or None where it can't be made or locked."""
    while True:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            stream = open(path, "w")
        except OSError:
            return None
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:            # network disks without locks
            stream.close()
            log.debug("%s: can't be locked: %s", path, error)
            return None
        if same_file(stream, path):
            return stream
        stream.close()                      # the one who had it took the file away
