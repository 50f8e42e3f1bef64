"""Connections that nobody serves: idle ones, and those whose request is not whole yet. There is room for so many."""
import threading
from collections import Counter

from edgecam.web.listen import client_of
from edgecam.web.shutting import shut


class Waiting:
    """Up to *most* connections. One more takes the place of the oldest of the client that has the most here,
    so that a stranger's crowd drives out itself.
    """

    def __init__(self, most):
        self._most, self._here, self._lock = most, set(), threading.Lock()

    def __len__(self):
        return len(self._here)

    def add(self, connection):
        with self._lock:
            self._here.add(connection)

    def discard(self, connection):
        with self._lock:
            self._here.discard(connection)

    def make_room(self):
        """See to it that one more finds a place."""
        with self._lock:
            if len(self._here) < self._most:
                return
            crowds = Counter(client_of(each.remote_addr) for each in self._here)
            client = max(crowds, key=crowds.get)
            oldest = min((each for each in self._here if client_of(each.remote_addr) == client), key=lambda each: each.last_used)
            self._here.discard(oldest)
        shut(oldest.socket)         # whoever watches it sees its end, and closes it
