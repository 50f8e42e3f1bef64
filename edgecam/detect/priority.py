"""Lower priority for the detection lane, so that the video lane never waits for it.

On Linux a nice value belongs to a thread, and threads inherit it from the one that makes them
(setpriority(2), "C library/kernel differences"). An engine is therefore built in a lowered
thread, and the thread that runs it lowers itself; the main thread is left alone, for it can't
climb back without privileges.
"""
import logging
import os
import sys
import threading

from edgecam.errors import reason

log = logging.getLogger(__name__)


def lower_this_thread(nice):
    """Give the calling thread the nice value *nice*, unless it is the main thread or this is not Linux."""
    if not nice or not sys.platform.startswith("linux") or threading.current_thread() is threading.main_thread():
        return
    try:
        if os.getpriority(os.PRIO_PROCESS, 0) < nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError as error:                    # a sandbox may forbid it; the detector works all the same
        log.warning("the detection lane keeps its priority: nice %d was refused (%s)", nice, reason(error))


def build_lowered(nice, build):
    """Return ``build()``, called in a thread of nice value *nice*, so that the threads that it makes inherit it."""
    if not nice:
        return build()
    result = []

    def work():
        lower_this_thread(nice)
        try:
            result.append((build(), None))
        except Exception as error:              # raised below, in the caller's thread
            result.append((None, error))
    thread = threading.Thread(target=work, name="edgecam-engine")
    thread.start()
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value
