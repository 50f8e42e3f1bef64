"""How the files are called that a run writes: none of an earlier run is replaced unless it may be."""
import logging
import os
import stat
import time

from edgecam.errors import OutputError, UsageError

log = logging.getLogger(__name__)


def expand_time(path, when=None):
    """Fill strftime codes in *path*: flight-%Y%m%d-%H%M%S.mp4; *when* is a `time.struct_time`, default now."""
    return time.strftime(path, when or time.localtime()) if "%" in path else path


def numbered(path, number):
    """Return *path* for the *number*-th file of its name: x.mp4, x-2.mp4, x-3.mp4."""
    stem, extension = os.path.splitext(path)
    return path if number == 1 else "{}-{}{}".format(stem, number, extension)


def real_path(path, follow=os.path.realpath):
    """Return the whole *path*, behind links. Raises `OutputError` where it begins in the working folder and that is deleted."""
    try:
        return follow(path)
    except FileNotFoundError as error:
        raise OutputError("{}: the working folder was deleted; go to another one, or name the whole path".format(path)) from error


def at_home(text):
    """Return the name of a file with its ~ read as a shell reads it: none does so in a settings file, behind --model= or in a service. URLs stay."""
    return text if "://" in text else os.path.expanduser(text)


def refuse_no_place(option, path):
    """Raise `UsageError` where no file can be at *path*, which was typed behind *option*: hours may go by until it is written."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise UsageError("{} {}: there is no folder {}; make it, or choose another place".format(option, path, folder))
    if os.path.isdir(path):
        raise UsageError("{} {}: is a folder; name a file in it".format(option, path))


def holds_something(path):
    """Whether *path*, or the number of an open file, is a file of an earlier run; an empty file, a pipe or a device is none."""
    try:
        status = os.stat(path)
    except OSError:                     # also one that another run takes away at this moment
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


class NewName:
    """The names of the files that a run writes: *name* with its time codes filled in, and numbers from the second on.

    Where a file of an earlier run has the name, the next free number is taken, unless it may be replaced by
    *overwrite*. A name with time codes is meant to be new: any file that has it is passed over. So is, in any case,
    what another output of the run writes: *claimed* are their names, {real path: its `NewName`}, each claimed when it is made.
    """

    def __init__(self, name, overwrite=False, claimed=None):
        self._path, self._number = expand_time(name), 0
        self._timed, self.overwrite = self._path != name, overwrite
        self._claimed = {} if claimed is None else claimed
        self._claim(self._path)

    def next(self):
        wanted = self._count()
        path = wanted
        while self._elsewhere(path) or self._taken(path):
            path = self._count()
        self._claim(path)
        if path != wanted and not self._timed:
            log.warning("%s: is %s; this one goes into %s", wanted,
                        "another output of this run" if self._elsewhere(wanted) else "there from an earlier run and is kept", path)
        return path

    def _claim(self, path):
        self._claimed.setdefault(real_path(path), self)

    def _elsewhere(self, path):
        return self._claimed.get(real_path(path), self) is not self

    def _count(self):
        self._number += 1
        return numbered(self._path, self._number)

    def _taken(self, path):
        return os.path.exists(path) if self._timed else not self.overwrite and holds_something(path)


def earlier_files(names):
    """Return those of *names* that are there from an earlier run; names with time codes are always new."""
    return [name for name in names if expand_time(name) == name and holds_something(name)]
