"""Who is logged in. The signed cookie says who somebody was; only what is written here says that they still are."""
import secrets
import threading
from collections import OrderedDict


class Sessions:
    """Up to *most* sessions, each for *lasting* seconds after its last use; one more ends the one that was unused for the longest time.

    The cookie grows old by itself, but a stream shows it only once: so the time is kept here, too.
    Those that are written here are the open ones, not the ended ones: what is forgotten for want
    of room is then shut rather than open again.
    """

    def __init__(self, lasting, most=4096):
        self._lasting, self._most = lasting, most
        self._used, self._lock = OrderedDict(), threading.Lock()        # the clock of each one's last use

    def begin(self, now):
        """Return the identifier of a new session."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._used[name] = now
            while len(self._used) > self._most:
                self._used.popitem(last=False)
        return name

    def holds(self, name, now):
        """Tell whether the session *name*, None for none, was begun and is not over; that is a use of it."""
        with self._lock:
            if not self._lasts(name, now):
                self._used.pop(name, None)
                return False
            self._used[name] = now
            self._used.move_to_end(name)
            return True

    def lasts(self, name, now):
        """Tell the same, and that is no use of it."""
        with self._lock:
            return self._lasts(name, now)

    def _lasts(self, name, now):
        used = self._used.get(name)
        return used is not None and now - used <= self._lasting

    def end(self, name):
        """End the session *name*; None and those that have ended are fine."""
        with self._lock:
            self._used.pop(name, None)
