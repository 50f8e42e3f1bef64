"""The output that only counts: null:, for measuring and for tests."""
from edgecam.outputs.output import Output


class NullOutput(Output):
    """Counts packets, keyframes and bytes, and remembers the numbers of the first and last packet."""

    def __init__(self, url="null:"):
        self.url = url
        self.packets = self.keyframes = self.bytes = 0
        self.first = self.last = None

    def write(self, packet):
        self.packets += 1
        self.keyframes += packet.keyframe
        self.bytes += len(packet.payload)
        self.first = packet.number if self.first is None else self.first
        self.last = packet.number

    def close(self):
        pass
