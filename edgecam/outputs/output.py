"""The promise of this room: an output takes packets, in order, to where they are wanted."""


class Output:
    """One sink for one stream, written by one thread (see `fanout`).

    A descendant sets *url* (what the user typed) and must override `write` and `close`.
    Packets come with presentation times that grow: edgecam's encoders send no B-frames.
    """

    url = ""
    place = None            # what tells where a stream goes from where others go; None where any number may go, or a file is no stream
    retries = False         # worth reopening after an error (a network), or not (a full disk)
    longest_pause = float("inf")    # seconds between two attempts, should the settings say more
    problem = None          # why packets are lost at the moment although the output stays open, in words
    drops = 0               # packets that were lost so: `write` took them and did not fail
    held = (0, 0)           # packets, and their bytes, that `write` took but that can't be played yet: lost if the output fails now
    files = ()              # names of the files that were begun, where there are any
    wants_keyframe = False  # set by the output, cleared by whoever asked the encoder for one

    def reached(self):
        """Return at once whether there is somebody, or a disk, to write to. What does not retry is opened when there is. Raises `OutputError`."""
        return True

    def prove(self):
        """Try at once, in the thread that starts the run, what must not fail later: `open` of what retries comes in a thread of its own. Raises `OutputError`."""

    def open(self, stream):
        """Get ready for the stream of this `StreamFormat`. Raises `OutputError`."""

    def write(self, packet):
        """Take one `Packet`; the first one after `open` is a keyframe. May block. Raises `OutputError`."""
        raise NotImplementedError

    def idle(self):
        """No packet came for a second: bring what is held back to safety. Raises `OutputError`."""

    def close(self):
        """Finish what was written so that it can be read; closing twice is fine. Raises `OutputError`."""
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
