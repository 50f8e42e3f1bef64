"""Recordings of a lossless run: waited for, and the writer is told when they died, and of what."""
import time

import pytest

from edgecam.errors import OutputError
from streams import make_packets, settings_with
from test_outputs_fanout import Breaks, Remembers, fan, numbers


def test_lossless_waits_for_a_slow_recording():
    slow = Remembers()
    slow.write = lambda packet: (time.sleep(0.004), slow.packets.append(packet))
    with fan(slow, settings=settings_with(queue=0.1), lossless=True) as outputs:
        for packet in make_packets():
            outputs.write(packet)
    assert numbers(slow) == list(range(60))
    assert outputs.stats()[0]["drops"] == 0


def test_lossless_tells_the_writer_that_the_recording_died():
    dead = Breaks([None, OutputError("breaks: full")], retries=False)
    outputs = fan(dead, settings=settings_with(queue=0.1), lossless=True)
    with pytest.raises(OutputError, match="breaks: full"):
        for packet in make_packets(rounds=5):
            outputs.write(packet)
            time.sleep(0.001)
    with pytest.raises(OutputError, match="breaks: full"):
        outputs.close()


def test_lossless_tells_of_a_file_that_can_not_be_finished():
    class Unfinished(Remembers):
        def close(self):
            raise OutputError("memory: can't be finished")

    outputs = fan(Unfinished(), lossless=True)
    outputs.write(make_packets()[0])
    with pytest.raises(OutputError, match="can't be finished"):
        outputs.close()
    outputs.close()


def test_lossless_tells_the_reason_and_not_what_followed_from_it():
    dead = Breaks([None, OutputError("breaks: full")], retries=False)
    dead.gate.clear()
    outputs = fan(dead, lossless=True)
    for packet in make_packets()[:10]:
        outputs.write(packet)
    dead.gate.set()
    with pytest.raises(OutputError, match="breaks: full"):
        outputs.close()
