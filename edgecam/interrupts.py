"""Ctrl-C before there is anything to close: the program is gone at once, with the exit code of an interrupt and no word.

Where a library is being imported, a `KeyboardInterrupt` would do worse: C code prints it, or turns it into an error of its own.
"""
import os
import signal

BY_SIGNAL = 128             # an exit code says so and adds the signal's number, as shells do
INTERRUPTED = BY_SIGNAL + signal.SIGINT


class State:
    """Whether this process is the program; where somebody else called us, Ctrl-C is their affair."""

    program = False


def leave(number=signal.SIGINT, stack=None):
    """End the process here and now."""
    os._exit(INTERRUPTED)


def leave_at_once():
    """From the program's first line on: Ctrl-C ends it at once. Where it is ignored (`nohup`, a shell's background) it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        State.program = True
        signal.signal(signal.SIGINT, leave)


def unwind():
    """From now on Ctrl-C raises `KeyboardInterrupt`: there are things to close."""
    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class at_once:
    """While inside, Ctrl-C ends the program at once again: for imports on the way."""

    def __enter__(self):
        self._before = signal.signal(signal.SIGINT, leave) if State.program else None

    def __exit__(self, *exc):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
