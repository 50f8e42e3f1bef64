"""What the tests of the page in a real browser share."""
import pytest

import web_rig as rig
from edgecam.bench.latency_browser import find_chromium, import_websocket
from edgecam.errors import BackendUnavailable

TILE = "(document.querySelector('.tile')?.tile ?? {})"


@pytest.fixture(scope="module")
def chromium():
    if not rig.have_encoder():
        pytest.skip("no H.264 encoder: PyAV with libx264 is not installed")
    try:
        find_chromium()
        import_websocket()
    except BackendUnavailable as error:
        pytest.skip(str(error))
