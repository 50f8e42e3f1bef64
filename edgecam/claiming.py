"""Files that one run has for itself, or for a while: two that begin at the same moment with one name neither mix nor replace what they write."""
import contextlib
import fcntl
import logging
import os

from edgecam.errors import OutputError
from edgecam.naming import holds_something
from edgecam.pipes import open_at_once
from edgecam.whole_file import beside

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
    """Return (the file *path*, open for writing with *flags*, which others that ask here don't get until it is closed; whether it was made).
    What it holds stays.

    Raises `NameTaken` where somebody has it or, unless *replace*, where it is not empty; else `OSError`, with ENXIO for a pipe that nobody reads.
    """
    for left in reversed(range(TRIES)):
        new, link = not os.path.lexists(path), os.path.islink(path)
        try:
            file = make_locked(path, flags) if new else reopen(path, os.O_CREAT * link | flags)
        except FileExistsError as error:                # made by another run in between
            if replace:
                continue
            raise name_taken(path) from error
        except FileNotFoundError:                       # taken away by it
            if new or link:
                raise
            continue
        if left and not same_file(file, path):          # who had it took it away: what is written into it would be lost
            file.close()
        elif not replace and holds_something(file.fileno()):
            file.close()
            break
        else:
            return file, new
    raise name_taken(path)


def name_taken(path):
    return NameTaken("{}: another run took this name at the same moment; choose another one".format(path))


def make_locked(path, flags):
    """Return the new file *path*, locked before anybody sees it under this name. Raises `FileExistsError` where it is there, `OSError`."""
    hidden = beside(path)
    file = write_to(hidden, os.O_CREAT | os.O_EXCL | flags)
    try:
        claim(file, path)
        os.link(hidden, path)
        return file
    except FileExistsError:
        file.close()
        raise
    except OSError as error:                            # FAT has no links, and others no locks
        file.close()
        log.debug("%s: can't be linked: %s", hidden, error)
        return reopen(path, os.O_CREAT | os.O_EXCL | flags)
    finally:
        os.unlink(hidden)


def reopen(path, flags):
    """Return the file *path*, locked. Raises `NameTaken` where another program has it, `OSError`."""
    file = write_to(path, flags)
    claim(file, path)
    return file


def write_to(path, flags):
    return open(path, "wb", buffering=0, opener=lambda name, _: open_at_once(name, flags))


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
