"""One encoder, many outputs: none holds up another, nothing is lost silently."""
import logging
import threading
import time

import pytest

from edgecam import clock
from edgecam.errors import OutputError
from edgecam.outputs import open_outputs
from edgecam.outputs.branch import backoff
from edgecam.outputs.fanout import Outputs, Seldom
from edgecam.outputs.output import Output
from streams import STREAM, make_packets, settings_with


class Remembers(Output):
    """Keeps the packets; waits in `write` while *gate* is closed."""

    def __init__(self, url="memory:", retries=False):
        self.url, self.retries = url, retries
        self.packets, self.gate, self.closed = [], threading.Event(), 0
        self.gate.set()

    def write(self, packet):
        self.gate.wait(20)
        self.packets.append(packet)

    def close(self):
        self.closed += 1


class Breaks(Remembers):
    """Raises what *plan* says, call by call of `write`; None is success."""

    def __init__(self, plan, url="breaks:", retries=True):
        super().__init__(url, retries)
        self.plan, self.opened = list(plan), 0

    def open(self, stream):
        self.opened += 1

    def write(self, packet):
        error = self.plan.pop(0) if self.plan else None
        if error is not None:
            raise error
        super().write(packet)


def fan(*outputs, **options):
    settings = options.pop("settings", settings_with(retry_max=0.1))
    return Outputs(list(outputs), STREAM, settings, **options)


def wait_until(happened, seconds=10):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen within {} s".format(seconds)
        time.sleep(0.005)


def numbers(output):
    return [packet.number for packet in output.packets]


def test_every_output_gets_every_packet_in_order():
    one, two = Remembers(), Remembers()
    with fan(one, two, lossless=True) as outputs:
        for packet in make_packets():
            outputs.write(packet)
    assert numbers(one) == numbers(two) == list(range(60))
    assert (one.closed, two.closed) == (1, 1)
    assert [entry["state"] for entry in outputs.stats()] == ["closed", "closed"]


def test_an_output_that_stalls_does_not_slow_another_and_resumes_at_a_keyframe():
    stalled, healthy, asked = Remembers(), Remembers(), []
    stalled.gate.clear()
    packets = make_packets(rounds=4)
    with fan(stalled, healthy, request_keyframe=lambda: asked.append(clock.now())) as outputs:
        for packet in packets[:200]:
            outputs.write(packet)
            wait_until(lambda: len(healthy.packets) == packet.number + 1)
        stalled.gate.set()
        wait_until(lambda: len(stalled.packets) + outputs.stats()[0]["drops"] == 200)
        for packet in packets[200:]:
            outputs.write(packet)
            wait_until(lambda: len(healthy.packets) == packet.number + 1)
        drops = outputs.stats()[0]["drops"]
    assert numbers(healthy) == list(range(240))
    assert outputs.stats()[1]["drops"] == 0
    assert 0 < drops == 240 - len(stalled.packets)
    assert asked and all(later - earlier >= 1 for earlier, later in zip(asked, asked[1:]))
    for before, after in zip(stalled.packets, stalled.packets[1:]):
        assert after.number == before.number + 1 or after.keyframe


def test_what_waits_for_an_output_that_is_given_up_counts_as_dropped():
    stuck, events, packets = Remembers(), [], make_packets()[:20]
    stuck.gate.clear()
    outputs = fan(stuck, settings=settings_with(close_timeout=0.1), on_event=events.append)
    for packet in packets:
        outputs.write(packet)
    outputs.close()
    entry, = outputs.stats()
    assert (entry["state"], entry["packets"], entry["drops"]) == ("failed", 0, 20) and events[-1]["drops"] == 20
    stuck.gate.set()                            # too late, but what was in hand is written after all
    wait_until(lambda: stuck.closed)
    entry, = outputs.stats()
    assert (entry["state"], entry["packets"], entry["drops"], numbers(stuck)) == ("failed", 1, 19, [0])


def test_an_output_that_dies_is_reported_once_and_the_others_go_on(caplog):
    caplog.set_level(logging.WARNING)
    dead, healthy, events = Breaks([None, OutputError("breaks: full")], retries=False), Remembers(), []
    with fan(dead, healthy, on_event=events.append) as outputs:
        for packet in make_packets():
            outputs.write(packet)
            wait_until(lambda: len(healthy.packets) == packet.number + 1)
        entry = outputs.stats()[0]
    assert (entry["state"], entry["error"], entry["packets"], entry["drops"]) == ("failed", "breaks: full", 1, 59)
    assert [(event["url"], event["error"]) for event in events if event["state"] == "failed"] == [("breaks:", "breaks: full")]
    assert caplog.text.count("breaks: full") == 1
    assert len(healthy.packets) == 60 and dead.closed


def test_a_lost_network_is_tried_again_and_resumes_at_a_keyframe(caplog):
    caplog.set_level(logging.INFO)
    lost, asked = Breaks([None, None] + [OutputError("breaks: gone")] * 3), []
    packets = make_packets(rounds=100)
    with fan(lost, request_keyframe=lambda: asked.append(1)) as outputs:
        for packet in packets:
            outputs.write(packet)
            time.sleep(0.002)
            if len(lost.packets) > 5:
                break
        wait_until(lambda: outputs.stats()[0]["state"] == "running")
        entry = outputs.stats()[0]
    assert (entry["retries"], entry["error"], lost.opened) == (3, None, 4)
    assert outputs.stats()[0]["drops"] + len(lost.packets) == packet.number + 1
    assert asked
    for before, after in zip(lost.packets, lost.packets[1:]):
        assert after.number == before.number + 1 or after.keyframe
    assert caplog.text.count("breaks: gone") == 1 and caplog.text.count("is back") == 1


def test_a_fault_of_our_own_is_loud_and_stays_in_its_branch(caplog):
    broken, healthy = Breaks([KeyError("oops")]), Remembers()
    with fan(broken, healthy) as outputs:
        for packet in make_packets():
            outputs.write(packet)
            wait_until(lambda: len(healthy.packets) == packet.number + 1)
        assert outputs.stats()[0]["state"] == "failed"
    assert "a fault of edgecam itself" in caplog.text and "oops" in caplog.text


def test_an_output_that_can_not_even_be_closed_is_failed(caplog):
    class Stuck(Breaks):
        def close(self):
            raise AttributeError("half open")

    with fan(Stuck([KeyError("oops")])) as outputs:
        outputs.write(make_packets()[0])
        wait_until(lambda: outputs.stats()[0]["state"] == "failed")
    assert outputs.stats()[0]["error"] == "'oops'" and "half open" in caplog.text


def test_what_ended_the_run_first_is_raised():
    with pytest.raises(KeyboardInterrupt):
        with fan(Breaks([OutputError("breaks: full")], retries=False), lossless=True) as outputs:
            outputs.write(make_packets()[0])
            wait_until(lambda: outputs.stats()[0]["state"] == "failed")
            raise KeyboardInterrupt


def test_closing_does_not_wait_for_an_output_that_hangs(caplog):
    hangs, healthy = Remembers("hangs:"), Remembers()
    hangs.gate.clear()
    outputs = fan(hangs, healthy, settings=settings_with(close_timeout=0.1))
    for packet in make_packets():
        outputs.write(packet)
        wait_until(lambda: len(healthy.packets) == packet.number + 1)
    outputs.close()
    entry = outputs.stats()[0]
    assert (entry["state"], entry["error"]) == ("failed", "hangs:: did not finish in time; given up")
    assert healthy.closed
    hangs.gate.set()


def test_closing_does_not_wait_for_a_server_that_is_away(monkeypatch):
    monkeypatch.setattr("edgecam.outputs.branch.FIRST_PAUSE", 600)
    away = Breaks([OutputError("breaks: gone")] * 1000)
    outputs = fan(away, settings=settings_with(retry_max=600))
    outputs.write(make_packets()[0])
    wait_until(lambda: outputs.stats()[0]["state"] == "retrying")
    before = clock.now()
    outputs.close()
    assert clock.now() - before < 60
    assert (outputs.stats()[0]["state"], outputs.stats()[0]["error"]) == ("failed", "breaks: gone")


@pytest.mark.parametrize("plan, state", [([None, OutputError("breaks: gone"), None], "closed"), ([None] + [OutputError("breaks: gone")] * 1000, "failed")])
def test_what_is_not_back_at_the_end_has_failed(plan, state):
    lost = Breaks(plan)
    with fan(lost) as outputs:
        for packet in make_packets(rounds=100):
            outputs.write(packet)
            time.sleep(0.002)
            if len(lost.packets) > 1 or outputs.stats()[0]["retries"] > 2:
                break
    entry = outputs.stats()[0]
    assert entry["packets"] and entry["retries"] and entry["state"] == state
    assert entry["error"] == ("breaks: gone" if state == "failed" else None)


def test_what_is_queued_at_the_end_is_still_written():
    slow = Remembers()
    slow.gate.clear()
    with fan(slow) as outputs:
        for packet in make_packets()[:20]:
            outputs.write(packet)
        slow.gate.set()
    assert numbers(slow) == list(range(20))


def test_nothing_is_held_back_when_no_packet_comes(monkeypatch):
    monkeypatch.setattr("edgecam.outputs.branch.IDLE_AFTER", 0.01)
    idle = Remembers()
    called = threading.Event()
    idle.idle = called.set
    with fan(idle):
        assert called.wait(10)


def test_a_problem_of_an_open_output_is_shown_and_passes():
    output, asked = Remembers(), []
    with fan(output, request_keyframe=lambda: asked.append(1)) as outputs:
        output.problem, output.drops, output.wants_keyframe = "memory: packets are lost: refused", 3, True
        outputs.write(make_packets()[0])
        wait_until(lambda: outputs.stats()[0]["state"] == "unreachable")
        assert outputs.stats()[0]["error"] == "memory: packets are lost: refused" and outputs.stats()[0]["drops"] == 3
        wait_until(lambda: asked and not output.wants_keyframe)
        output.problem = None
        outputs.write(make_packets()[1])
        wait_until(lambda: outputs.stats()[0]["state"] == "running")
        assert outputs.stats()[0]["error"] is None


def test_credentials_are_nowhere(caplog):
    caplog.set_level(logging.DEBUG)
    events, url = [], "rtsp://me:s3cret@127.0.0.1:1/x"
    with open_outputs(settings_with(urls=[url], timeout=0.2), STREAM, on_event=events.append) as outputs:
        outputs.write(make_packets()[0])
        wait_until(lambda: outputs.stats()[0]["state"] == "retrying")
        shown = repr(outputs.stats()) + repr(events) + caplog.text + " ".join(thread.name for thread in threading.enumerate())
    assert "Connection refused" in shown and "***@127.0.0.1" in shown
    assert "s3cret" not in shown and "me:" not in shown


def test_no_output_at_all():
    with open_outputs(settings_with(), STREAM) as outputs:
        outputs.write(make_packets()[0])
        assert len(outputs) == 0 and outputs.stats() == []


def test_seldom(monkeypatch):
    now, calls = [100.0], []
    monkeypatch.setattr(clock, "now", lambda: now[0])
    ask = Seldom(lambda: calls.append(now[0]), 1.0)
    for step in range(50):
        now[0] = 100 + step / 10
        ask()
    assert calls == [100, 101, 102, 103, 104]
    Seldom(None, 1.0)()


def test_backoff_grows_to_its_limit():
    pauses = [pause for pause, _ in zip(backoff(10), range(10))]
    for pause, longest in zip(pauses, [0.5, 1, 2, 4, 8, 10, 10, 10, 10, 10]):
        assert longest / 2 <= pause <= longest
