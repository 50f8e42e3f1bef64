"""A file that holds whole pieces only, whatever the disk does."""
import fcntl
import logging
import os

from edgecam.errors import OutputError
from edgecam.outputs.wording import reason
from edgecam.pipes import open_at_once

log = logging.getLogger(__name__)


def keeping(path, flags):
    """Open *path* for writing and keep what it holds. A pipe that nobody reads, which no recording is meant for, fails rather than waits."""
    return open_at_once(path, os.O_CREAT)


def claim(file, path):
    """Keep other programs from recording into the open *file* of the name *path*; where one does, close it and raise `OutputError`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise OutputError("{}: another program is recording into it; choose another name, such as one with %H%M%S".format(path)) from error
    except OSError as error:                            # network disks without locks
        log.debug("%s: can't be locked: %s", path, error)


def write_all(file, piece):
    """Write all of *piece*, which a disk that is nearly full, or a pipe, may take in parts."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest):]


class RecordingFile:
    """A file at *path* to which pieces are appended whole or not at all.

    The first piece replaces what an existing file holds: a run that may overwrite, but fails at its
    start, costs no earlier recording. Raises `OutputError` with one line that names the file and the reason, also
    where another program is recording into it; what was appended before stays as it was.
    """

    def __init__(self, path, sync=False):
        self.path, self._sync = path, sync
        self.size, self.broken = 0, False
        self._fresh = not os.path.exists(path)
        try:
            self._file = open(path, "wb", buffering=0, opener=keeping)      # a piece is one write
        except OSError as error:
            raise OutputError("{}: can't be written: {}".format(path, reason(error))) from error
        claim(self._file, path)

    def append(self, piece):
        """Write *piece* at the end, on the disk itself if the file is synchronised."""
        try:
            if not self.size:
                self._cut()
            write_all(self._file, piece)
            if self._sync:
                os.fdatasync(self._file.fileno())
        except OSError as error:
            self.broken = True
            self._cut()
            raise OutputError("{}: {} {}".format(self.path, reason(error), self._kept())) from error
        self.size += len(piece)

    def _kept(self):
        if not self.size:
            return "before the first frame; nothing was recorded"
        return "after {:.1f} MB; what was recorded until then can be played".format(self.size / 1e6)

    def _cut(self):
        """Take off what lies behind the last whole piece: of a failed write, or of an earlier recording."""
        try:
            self._file.truncate(self.size)
            self._file.seek(self.size)
        except OSError as error:            # a pipe or a device has no end to cut
            log.debug("%s: can't be cut to %d bytes: %s", self.path, self.size, error)

    def overwrite(self, offset, piece):
        """Replace bytes that were written before."""
        try:
            self._file.seek(offset)
            write_all(self._file, piece)
            self._file.seek(self.size)
        except OSError as error:
            raise OutputError("{}: can't be finished: {}".format(self.path, reason(error))) from error

    @property
    def closed(self):
        return self._file.closed

    def close(self):
        """Close the file; a new one that nothing was appended to is removed."""
        if self._file.closed:
            return
        self._file.close()
        if not self.size and self._fresh and os.path.isfile(self.path) and not os.path.islink(self.path):
            os.unlink(self.path)
