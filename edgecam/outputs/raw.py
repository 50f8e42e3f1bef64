"""Recording as a plain H.264 byte stream (Annex B), which any decoder reads from any keyframe on."""
from edgecam.naming import NewName
from edgecam.outputs.output import Output
from edgecam.outputs.recording import begin_recording


class RawOutput(Output):
    """Writes x.h264: the packets as they are, one behind the other, each whole or not at all; *overwrite* and *claimed* as for `Mp4Output`."""

    def __init__(self, url, overwrite=False, claimed=None):
        self.url, self._name = url, NewName(url, overwrite, claimed)
        self._file, self.files = None, []

    def open(self, stream):
        self._file = begin_recording(self._name)
        self.files.append(self._file.path)

    def write(self, packet):
        self._file.append(packet.payload)

    def close(self):
        if self._file is not None:
            self._file.close()
