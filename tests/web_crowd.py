"""A crowd of viewers in a process of its own: python web_crowd.py HOST PORT PATH SECONDS HEALTHY STALLED SLOW

Healthy ones read what comes, slow ones 10 kB a second, stalled ones nothing. Prints one JSON line
at the end: the newest frame number that each healthy viewer saw, and how many were cut off.
"""
import json
import re
import selectors
import socket
import sys
import time

FRAME = re.compile(rb'{"frame":(\d+),"pts"')         # an event's own; its QPs have a "frame", too
SLOW_BYTES = 10000      # a second


class Guest:
    def __init__(self, host, port, path, kind):
        self.kind, self.newest, self.tail, self.cut, self.due, self.bytes = kind, -1, b"", False, 0.0, 0
        self.socket = socket.socket()
        if kind != "healthy":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.socket.connect((host, port))
        self.socket.sendall("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n".format(path).encode())

    def read(self, now):
        """Take what may be taken; return whether the connection still stands."""
        if self.kind == "slow":
            if now < self.due:
                return True
            self.due = now + 0.2
        data = self.socket.recv(SLOW_BYTES // 5 if self.kind == "slow" else 262144)
        self.bytes += len(data)
        found = FRAME.findall(self.tail + data)
        self.newest = int(found[-1]) if found else self.newest
        self.tail = data[-40:]
        return bool(data)


def main(host, port, path, seconds, *counts):
    kinds = [kind for kind, count in zip(("healthy", "stalled", "slow"), counts) for _ in range(int(count))]
    guests = [Guest(host, int(port), path, kind) for kind in kinds]
    selector = selectors.DefaultSelector()
    for guest in guests:
        if guest.kind != "stalled":
            selector.register(guest.socket, selectors.EVENT_READ, guest)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        now, ready = time.monotonic(), selector.select(0.2)
        for key, _ in ready:
            try:
                stands = key.data.read(now)
            except OSError:
                stands = False
            if not stands:
                key.data.cut = True
                selector.unregister(key.fileobj)
        if all(key.data.kind == "slow" for key, _ in ready):
            time.sleep(0.02)                # they are ready all the time, but don't read
    print(json.dumps({"healthy": [guest.newest for guest in guests if guest.kind == "healthy"],
                      "healthy_cut": sum(guest.cut for guest in guests if guest.kind == "healthy"),
                      "slow_bytes": [guest.bytes for guest in guests if guest.kind == "slow"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
