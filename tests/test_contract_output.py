"""What every output promises, tried on every output, each read back by a reader of its own."""
import ast
import os
import select
import socket
import subprocess
import threading
from contextlib import suppress

import pytest

from edgecam import h264, outputs
from edgecam.config import load_config
from edgecam.errors import OutputError
from edgecam.outputs import Outputs, make_output
from edgecam.outputs.output import Output
from streams import STREAM, make_packets, read
from test_outputs_boxes import parse, split
from test_outputs_rtp import depacketize
from test_outputs_udp import received

SETTINGS = load_config().outputs
FILES = ("mp4", "h264")
KINDS = FILES + ("pipe", "null", "rtp", "rtsp")


def pictures(units):
    return [unit for unit in units if unit[0] & 31 in (h264.SLICE, h264.IDR)]


class FilePlace:
    """A recording in *folder*."""

    def __init__(self, kind, folder):
        self.url = str(folder / ("x." + kind))

    def read(self):
        if not os.path.exists(self.url):
            return []
        if self.url.endswith(".h264"):
            return pictures(h264.nal_units(read(self.url)))
        return pictures([unit for kind, inside in parse(read(self.url)) if kind == b"mdat" for unit in split(inside)])

    def close(self):
        pass


class PipePlace:
    """A named pipe and a thread that reads it until its writer leaves."""

    def __init__(self, folder):
        self.url, self._bytes = str(folder / "p.h264"), b""
        os.mkfifo(self.url)
        self._reader = os.open(self.url, os.O_RDONLY | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self):
        select.select([self._reader], [], [])           # what comes, or that a writer was here and left
        os.set_blocking(self._reader, True)
        with open(self._reader, "rb") as stream:
            self._bytes = stream.read()

    def read(self):
        self._thread.join(10)
        return pictures(h264.nal_units(self._bytes))

    def close(self):
        with suppress(OSError):                         # its thread has ended
            os.close(os.open(self.url, os.O_WRONLY | os.O_NONBLOCK))
        self._thread.join(10)


class RtpPlace:
    """A UDP socket with room for everything."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.url = "rtp://127.0.0.1:{}".format(self._socket.getsockname()[1])
        self.close = self._socket.close

    def read(self):
        return pictures([unit for _, units in depacketize(received(self._socket)) for unit in units])


class RtspPlace:
    """A server that says yes to every request and keeps the interleaved packets."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        self.url = "rtsp://127.0.0.1:{}/cam".format(self._listener.getsockname()[1])
        self._packets = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return                              # nobody came
        with peer, peer.makefile("rwb") as stream:
            for first in iter(lambda: stream.read(1), b""):
                self._take_packet(stream) if first == b"$" else self._answer(stream)

    def _take_packet(self, stream):
        channel, high, low = stream.read(3)
        packet = stream.read(high << 8 | low)
        if channel == 0:
            self._packets.append(packet)

    def _answer(self, stream):
        size = 0
        for line in iter(stream.readline, b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        stream.read(size)
        stream.write(b"RTSP/1.0 200 OK\r\nSession: 1\r\n\r\n")
        stream.flush()

    def read(self):
        self._thread.join(10)
        return pictures([unit for _, units in depacketize(self._packets) for unit in units])

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


class NullPlace:
    url, read, close = "null:", None, staticmethod(lambda: None)


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    kind = request.param
    made = (FilePlace(kind, tmp_path) if kind in FILES else PipePlace(tmp_path) if kind == "pipe" else
            {"null": NullPlace, "rtp": RtpPlace, "rtsp": RtspPlace}[kind]())
    yield made
    made.close()


def units_of(packets):
    return pictures([unit for packet in packets for unit in h264.nal_units(packet.payload)])


def check(place, output, packets):
    """Fail unless exactly *packets* arrived, in order."""
    if place.read is None:
        assert (output.packets, output.first, output.last) == (len(packets), packets[0].number, packets[-1].number)
    else:
        assert place.read() == units_of(packets)


def test_it_is_an_output(place):
    output = make_output(place.url, SETTINGS)
    assert isinstance(output, Output) and output.url == place.url
    output.close()


def test_every_packet_arrives_in_order(place):
    packets = make_packets()
    with make_output(place.url, SETTINGS) as output:
        output.open(STREAM)
        for packet in packets:
            output.write(packet)
    check(place, output, packets)


def test_closing_twice_is_fine(place):
    output = make_output(place.url, SETTINGS)
    output.open(STREAM)
    output.write(make_packets()[0])
    output.close()
    output.close()
    check(place, output, make_packets()[:1])


def test_closing_unopened_or_unused_is_fine(place):
    make_output(place.url, SETTINGS).close()
    output = make_output(place.url, SETTINGS)
    output.open(STREAM)
    output.idle()
    output.close()


class Gate(Output):
    """Lets the real output wait, as a slow disk or network does, while *open_gate* is not set."""

    def __init__(self, real):
        self.real, self.url, self.retries = real, real.url, real.retries
        self.open_gate, self.written = threading.Event(), []
        self.open, self.close = real.open, real.close

    def write(self, packet):
        self.open_gate.wait(20)
        self.real.write(packet)
        self.written.append(packet)


def test_after_a_stall_it_resumes_at_a_keyframe(place):
    gate = Gate(make_output(place.url, SETTINGS))
    packets = make_packets(rounds=3)
    with Outputs([gate], STREAM, SETTINGS.replace(queue=0.5)) as fan:
        for packet in packets[:170]:
            fan.write(packet)
        gate.open_gate.set()
        for packet in packets[170:]:
            fan.write(packet)
    assert fan.stats()[0]["drops"] == len(packets) - len(gate.written) > 100
    assert gate.written[-1].number == packets[-1].number
    for before, after in zip(gate.written, gate.written[1:]):
        assert after.number == before.number + 1 or after.keyframe
    check(place, gate.real, gate.written)


@pytest.fixture(params=FILES)
def kind(request):
    return request.param


def test_an_unwritable_folder_is_one_clear_line(kind, tmp_path):
    for path in (tmp_path / "missing" / ("x." + kind), tmp_path):
        url = str(path) if path.suffix else "/proc/x." + kind
        with pytest.raises(OutputError, match="^{}: can't be written: [A-Z][a-z ]+$".format(url)):
            make_output(url, SETTINGS).open(STREAM)


def test_a_full_device_is_one_clear_line(kind, tmp_path):
    url = tmp_path / ("x." + kind)
    url.symlink_to("/dev/full")
    output = make_output(str(url), SETTINGS)
    output.open(STREAM)
    with pytest.raises(OutputError, match="^{}: No space left on device before anything was recorded$".format(url)):
        for packet in make_packets():
            output.write(packet)
        output.close()
    output.close()


def test_a_recording_that_is_deleted_is_told_and_one_that_is_moved_goes_on(kind, tmp_path):
    for away in (lambda path: path.unlink(), lambda path: path.rename(tmp_path / "moved")):
        path, packets = tmp_path / ("x." + kind), make_packets(rounds=2)
        output = make_output(str(path), SETTINGS)
        output.open(STREAM)
        output.write(packets[0])
        for packet in packets[1:-60]:
            output.write(packet)
        away(path)
        if (tmp_path / "moved").exists():
            for packet in packets[-60:]:
                output.write(packet)
            output.close()
        else:
            with pytest.raises(OutputError, match="^{}: was deleted while it was recorded, after 0.[0-9] MB; start anew to record$".format(path)):
                for packet in packets[-60:]:
                    output.write(packet)
                output.close()
            output.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["moved"]


def test_a_full_disk_keeps_what_was_recorded(kind, tmp_path):
    """A file system of 64 kB, with a stream of 200 kB to record."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], stderr=subprocess.DEVNULL):
        pytest.skip("no right to mount a small file system")
    try:
        place, packets = FilePlace(kind, disk), make_packets(rounds=4)
        output = make_output(place.url, SETTINGS)
        output.open(STREAM)
        with pytest.raises(OutputError, match="No space left on device after 0.[0-9] MB"):
            for packet in packets:
                output.write(packet)
        output.close()
        kept = place.read()
        assert 30 < len(kept) < 240
        assert kept == units_of(packets)[:len(kept)]
    finally:
        subprocess.check_call(["umount", str(disk)])


def test_recordings_that_may_overwrite_replace_what_was_there(kind, tmp_path):
    place = FilePlace(kind, tmp_path)
    with open(place.url, "wb") as old:
        old.write(b"\xff" * 1000000)
    with make_output(place.url, SETTINGS.replace(overwrite=True)) as output:
        output.open(STREAM)
        for packet in make_packets():
            output.write(packet)
    assert place.read() == units_of(make_packets())


STANDARD = {"base64", "contextlib", "errno", "fcntl", "hashlib", "ipaddress", "logging", "math", "os", "random", "re", "socket", "ssl", "struct", "threading",
            "time", "urllib"}
SHARED = {"claiming", "clock", "config", "errors", "h264", "mp4", "naming", "outputs", "pipes", "redaction", "vocabulary", "whole_file", "worker"}


def imports_of(path):
    """Yield the full names of the modules that a file imports."""
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield "{}.{}".format(node.module, name.name)


def test_the_room_runs_on_a_bare_board_and_knows_no_neighbour():
    room = os.path.dirname(outputs.__file__)
    for name in sorted(os.listdir(room)):
        for module in imports_of(os.path.join(room, name)) if name.endswith(".py") else ():
            first, second = (module.split(".") + [""])[:2]
            assert second in SHARED if first == "edgecam" else first in STANDARD, "{} imports {}".format(name, module)
