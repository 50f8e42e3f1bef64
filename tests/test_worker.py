"""Threads keep their errors; mailboxes keep the newest; queues resume at keyframes."""
import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.errors import WorkerStuck
from edgecam.vocabulary import Packet
from edgecam.worker import Latest, PacketQueue, Worker


def packet(number, keyframe=False):
    return Packet(b"x", number, Fraction(1, 30), keyframe, number)


def test_a_workers_error_comes_to_the_foreground():
    def fail(stopping):
        raise KeyError("lost")
    worker = Worker("failing", fail).start()
    worker.stop()
    with pytest.raises(KeyError, match="lost"):
        worker.check()


def test_a_worker_that_does_not_stop_is_an_error():
    release = threading.Event()
    worker = Worker("stubborn", lambda stopping: release.wait(10)).start()
    with pytest.raises(WorkerStuck, match="stubborn"):
        worker.stop(timeout=0.05)
    release.set()
    worker.stop()


def test_latest_keeps_the_newest_and_counts_the_rest():
    replaced = []
    box = Latest(dropped=replaced.append)
    for value in range(5):
        box.put(value)
    assert box.get() == 4
    assert replaced == [0, 1, 2, 3] and box.drops == 4
    assert box.get(timeout=0.01) is None


def test_closing_latest_wakes_its_reader():
    box, got = Latest(), []
    reader = threading.Thread(target=lambda: got.append(box.get(timeout=10)))
    reader.start()
    box.close()
    reader.join(5)
    assert got == [None] and box.closed


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.integers(1, 5))
def test_what_a_queue_gives_can_always_be_decoded(steps, size):
    """Whatever is put and taken: after a gap the next packet is a keyframe, and nothing is lost unnoticed."""
    queue, number, given_out = PacketQueue(size), 0, []
    for keyframe, take in steps:
        queue.put(packet(number, keyframe))
        number += 1
        if take and len(queue):
            given_out.append(queue.get())
    given_out += [queue.get() for _ in range(len(queue))]
    for before, after in zip([None] + given_out, given_out):
        if before is None or after.number != before.number + 1:
            assert after.keyframe
    assert len(given_out) + queue.drops == number


def test_a_full_queue_asks_for_a_keyframe():
    queue = PacketQueue(2)
    assert queue.put(packet(0)) is True                 # starts at a keyframe only
    assert queue.put(packet(1, True)) is False
    assert queue.put(packet(2)) is False
    assert queue.put(packet(3)) is True                 # full
    assert queue.drops == 4 and len(queue) == 0
