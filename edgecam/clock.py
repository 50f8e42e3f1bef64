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


def cpu_seconds():
    """Return the CPU time that this process has used so far, all threads together: what a load beside it does not change."""
    return time.process_time()
