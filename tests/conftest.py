"""What every test may ask for."""
import os
import threading

import pytest


@pytest.fixture
def data_folder():
    """The folder of labelled images, videos and tracking sequences that EDGECAM_DATA names."""
    folder = os.environ.get("EDGECAM_DATA")
    if not folder or not os.path.isdir(folder):
        pytest.skip("EDGECAM_DATA names no folder with test data")
    return folder


@pytest.fixture(autouse=True)
def no_thread_left():
    """Fail a test that leaves one of our threads behind (those of a module's or session's fixture were there before)."""
    before = set(threading.enumerate())
    yield
    left = ours(before)
    for thread in left:
        thread.join(2)
    left = [thread.name for thread in ours(before)]
    assert not left, "threads left behind: {}".format(left)


def ours(before):
    return [thread for thread in threading.enumerate() if thread.name.startswith("edgecam-") and thread not in before]
