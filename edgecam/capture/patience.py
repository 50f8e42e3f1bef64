"""A camera or a network source that can't be had when the program starts: tried again, where the user said for how long."""
import logging

from edgecam import clock
from edgecam.errors import CaptureError
from edgecam.worker import backoff

log = logging.getLogger(__name__)

POLL = 0.1              # seconds between two looks at whether the run was stopped


def until_reached(connect, settings, stopping):
    """Return what *connect()* returns; while it raises `CaptureError`, call it again for ``give_up_after`` seconds, or until *stopping()*.

    With 0, which says nothing about the start, the first error is the last: whoever mistyped an address or a device must hear of it.
    """
    began, told = clock.now(), False
    for pause in backoff(settings.retry_max):
        try:
            return connect()
        except CaptureError as error:
            if not settings.give_up_after:
                raise
            if clock.now() - began > settings.give_up_after:
                raise CaptureError("{}; given up after {:g} s".format(error, settings.give_up_after)) from error
            if not told:
                log.warning("%s; trying on", error)
            told = True
            if not waited(pause, stopping):
                raise


def waited(seconds, stopping):
    """Wait; return whether nobody said stop meanwhile."""
    until = clock.now() + seconds
    while not stopping():
        left = until - clock.now()
        if left <= 0:
            return True
        clock.sleep(min(left, POLL))
    return False
