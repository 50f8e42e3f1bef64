"""SIGTERM and SIGHUP to a benchmark: it closes what it has opened, as with Ctrl-C, and leaves no process behind."""
import contextlib
import signal
import sys

from edgecam.interrupts import BY_SIGNAL

SIGNALS = signal.SIGTERM, signal.SIGHUP


def leave(number, stack):
    """Raise what unwinds the program, with the exit code of a signal; a second signal must not interrupt that."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(BY_SIGNAL + number)


@contextlib.contextmanager
def unwinding():
    """While inside, the two signals raise `SystemExit` in the main thread, where this is called; one that is ignored (`nohup`) stays so."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number in SIGNALS if before[number] is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
