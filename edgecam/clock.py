"""Who asks for the time. Everything else takes ``now`` or ``time`` as an argument."""
import time


def now():
    """Return monotonic seconds as a float: the clock of ``Frame.time``, latencies and time-outs."""
    return time.monotonic()


def wall():
    """Return seconds since the epoch as a float, for names of files and logs only."""
    return time.time()


def sleep(seconds):
    """Sleep for *seconds*; zero or less returns at once."""
    if seconds > 0:
        time.sleep(seconds)


def thread_seconds():
    """Return the CPU time that the calling thread has used so far: what a load beside it hardly changes."""
    if hasattr(time, "thread_time"):
        return time.thread_time()
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)         # Python 3.6
