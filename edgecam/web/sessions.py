"""Who is logged in. The signed cookie says who somebody was; only what is written here says that they still are."""
import secrets
import threading
from collections import OrderedDict


class Sessions:
    """Up to *most* sessions; one more ends the one that was unused for the longest time.

    How long a session lasts is for the cookie to say. Those that are written here are the open ones,
    not the ended ones: what is forgotten for want of room is then shut rather than open again.
    """

    def __init__(self, most=4096):
        self._most, self._open, self._lock = most, OrderedDict(), threading.Lock()

    def begin(self):
        """Return the identifier of a new session."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._open[name] = True
            while len(self._open) > self._most:
                self._open.popitem(last=False)
        return name

    def holds(self, name):
        """Tell whether the session *name*, None for none, was begun and not ended; that is a use of it."""
        with self._lock:
            if name not in self._open:
                return False
            self._open.move_to_end(name)
            return True

    def end(self, name):
        """End the session *name*; None and those that have ended are fine."""
        with self._lock:
            self._open.pop(name, None)
