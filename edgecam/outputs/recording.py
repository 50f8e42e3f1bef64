"""A file that holds whole pieces only, whatever the disk does."""
import logging
import os
import time

from edgecam.errors import OutputError
from edgecam.outputs.wording import reason

log = logging.getLogger(__name__)


def expand_time(path, when=None):
    """Fill strftime codes in *path*: flight-%Y%m%d-%H%M%S.mp4; *when* is a `time.struct_time`, default now."""
    return time.strftime(path, when or time.localtime()) if "%" in path else path


def numbered(path, number):
    """Return *path* for the *number*-th file of a recording: x.mp4, x-2.mp4, x-3.mp4."""
    stem, extension = os.path.splitext(path)
    return path if number == 1 else "{}-{}{}".format(stem, number, extension)


class RecordingFile:
    """A new file at *path* to which pieces are appended whole or not at all.

    An existing file is replaced. Raises `OutputError` with one line that names the file
    and the reason; what was appended before stays as it was.
    """

    def __init__(self, path, sync=False):
        self.path, self._sync = path, sync
        self.size, self.broken = 0, False
        try:
            self._file = open(path, "wb", buffering=0)      # a piece is one write: nothing waits in memory
        except OSError as error:
            raise OutputError("{}: can't be written: {}".format(path, reason(error))) from error

    def append(self, piece):
        """Write *piece* at the end, on the disk itself if the file is synchronised."""
        try:
            self._write_all(piece)
            if self._sync:
                os.fdatasync(self._file.fileno())
        except OSError as error:
            self.broken = True
            self._cut()
            raise OutputError("{}: {} after {:.1f} MB; what was recorded until then can be played".format(
                self.path, reason(error), self.size / 1e6)) from error
        self.size += len(piece)

    def _write_all(self, piece):
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest):]

    def _cut(self):
        """Take off what a failed write left behind the last whole piece."""
        try:
            self._file.truncate(self.size)
            self._file.seek(self.size)
        except OSError as error:            # a pipe or a device has no end to cut
            log.debug("%s: can't be cut to %d bytes: %s", self.path, self.size, error)

    def overwrite(self, offset, piece):
        """Replace bytes that were written before."""
        try:
            self._file.seek(offset)
            self._write_all(piece)
            self._file.seek(self.size)
        except OSError as error:
            raise OutputError("{}: can't be finished: {}".format(self.path, reason(error))) from error

    @property
    def closed(self):
        return self._file.closed

    def close(self):
        """Close the file; one that nothing was appended to is removed."""
        if self._file.closed:
            return
        self._file.close()
        if not self.size and os.path.isfile(self.path) and not os.path.islink(self.path):
            os.unlink(self.path)
