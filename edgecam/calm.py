"""Keeps the interpreter out of the video lane's way while a pipeline runs."""
import gc
import sys
from contextlib import contextmanager

TURN = 0.0005       # seconds until a thread that computes in Python must let another one run; CPython's default is ten times that


@contextmanager
def calm():
    """For the time of a run: short turns at the interpreter's lock, and no garbage collection of what was there before.

    The frame that is due waits for the lock as long as the detector's thread has its turn, and a
    full collection stops everybody while it walks through all imported modules. Both belong to
    the process; they are as before afterwards.
    """
    turn = sys.getswitchinterval()
    sys.setswitchinterval(min(turn, TURN))
    gc.collect()
    if hasattr(gc, "freeze"):               # Python 3.7
        gc.freeze()
    try:
        yield
    finally:
        if hasattr(gc, "freeze"):
            gc.unfreeze()
        sys.setswitchinterval(turn)
