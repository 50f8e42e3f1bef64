"""A file that holds whole pieces only, whatever the disk does."""
import logging
import os

from edgecam.claiming import NameTaken, open_new, open_own, same_file
from edgecam.errors import OutputError, reason

log = logging.getLogger(__name__)


def write_all(file, piece):
    """Write all of *piece*, which a disk that is nearly full, or a pipe, may take in parts."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest):]


def begin_recording(name, sync=False):
    """Return the `RecordingFile` at the next path of *name*, a `NewName`, that no other run has, or takes at the same moment."""
    return open_new(name, lambda path: RecordingFile(path, sync, name.overwrite))


class RecordingFile:
    """A file at *path* to which pieces are appended whole or not at all.

    The first piece replaces what an existing file holds: a run that may overwrite, but fails at its
    start, costs no earlier recording. Raises `OutputError` with one line that names the file and the reason, also
    where another program is recording into it or, unless *replace*, where it holds something; what was appended before
    stays as it was.
    """

    def __init__(self, path, sync=False, replace=True):
        self.path, self._sync = path, sync
        self.size, self.broken = 0, False
        try:
            self._file, self._fresh = open_own(path, replace)       # unbuffered: a piece is one write
        except NameTaken:
            raise
        except OSError as error:
            raise OutputError("{}: can't be written: {}".format(path, reason(error))) from error
        self._named = self._has_name()          # /dev/fd/3 may be a file without a name from the beginning

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
        if self._named and not self._has_name():        # else it would go on to the end, and nobody would have it
            self.broken = True
            raise OutputError("{}: was deleted while it was recorded, after {:.1f} MB; start anew to record".format(self.path, self.size / 1e6))

    def _has_name(self):
        """Whether the file is in some folder, here or where it was moved to."""
        return os.fstat(self._file.fileno()).st_nlink > 0

    def _kept(self):
        if not self.size:
            return "before anything was recorded"
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
        if not self.size and self._fresh and not os.path.islink(self.path) and same_file(self._file, self.path):
            os.unlink(self.path)                        # before it is let go: from then on it may be another run's
        self._file.close()
