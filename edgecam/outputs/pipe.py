"""Into a named pipe: a raw H.264 stream for a program beside this one, which may come late and may leave."""
import errno

from edgecam.claiming import claim
from edgecam.errors import OutputError, reason
from edgecam.naming import NewName
from edgecam.outputs.output import Output
from edgecam.outputs.recording import write_all
from edgecam.pipes import POLL, is_pipe, open_at_once


class PipeOutput(Output):
    """Writes packets into the named pipe *url*, where somebody reads it; *claimed* as for `Mp4Output`.

    Live, the reader is like a server that may be away: what comes meanwhile is dropped and counted, and he begins at a
    keyframe, with its SPS and PPS. *lossless*: he is waited for, and if he leaves the output has failed.
    """

    longest_pause = POLL        # a look costs next to nothing

    def __init__(self, url, lossless=False, claimed=None):
        self.url, self.retries = url, not lossless
        NewName(url, claimed=claimed)                   # so that no other recording of the run falls on its name
        self._file, self._unread = None, "nobody reads this pipe"

    def reached(self):
        self._file = self._file or self._open()
        return self._file is not None

    def _open(self):
        """Return the pipe, open for writing; None where nobody reads it."""
        try:
            number = open_at_once(self.url, 0)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            raise OutputError("{}: can't be written: {}".format(self.url, reason(error))) from error
        file = open(number, "wb", buffering=0)
        if not is_pipe(number):
            file.close()
            raise OutputError("{}: was a pipe and is none any more".format(self.url))
        claim(file, self.url)
        return file

    def open(self, stream):
        if not self.reached():
            raise OutputError("{}: {}".format(self.url, self._unread))

    def write(self, packet):
        self.open(None)                                         # it is, unless the wait for a reader was broken off
        self._unread = "whoever read this pipe has left"        # what is true from now on, should he
        try:
            write_all(self._file, packet.payload)
        except BrokenPipeError as error:
            raise OutputError("{}: {}".format(self.url, self._unread)) from error
        except OSError as error:
            raise OutputError("{}: {}".format(self.url, reason(error))) from error

    def close(self):
        file, self._file = self._file, None
        if file is not None:
            file.close()
