"""TensorRT for long: nothing may grow, on the GPU or in host memory. For a machine with a GPU; minutes."""
import os

import pytest

from edgecam.bench.detect_measure import busy_nv12
from edgecam.config import load_config
from edgecam.detect import open_detector
from edgecam.errors import BackendUnavailable

pytestmark = [pytest.mark.gpu, pytest.mark.soak, pytest.mark.timeout(900)]
MODEL, BATCH, FRAMES, CYCLES = "edgecam-detectnet-960x540", 8, 100000, 100
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    from edgecam.detect import tensorrt
    try:
        tensorrt.version()
    except BackendUnavailable as error:
        pytest.skip(str(error))
    plans = os.environ.get("EDGECAM_TEST_PLANS") or str(tmp_path_factory.mktemp("plans"))
    return load_config().detect.replace(backend="tensorrt", model=MODEL, precision="fp16", batch=BATCH, plans=plans, nice=0)


def in_use():
    """Return (bytes of the GPU's memory in use, resident bytes of this process)."""
    import pycuda.driver as driver
    free, total = driver.mem_get_info()
    with open("/proc/self/statm") as stream:
        return total - free, int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_hundred_thousand_frames(conf):
    sizes = ((960, 540), (1280, 720), (640, 360))
    batches = [[busy_nv12(number + turn, *sizes[(number + turn) % 3]) for number in range(BATCH)] for turn in range(6)]
    with open_detector(conf) as detector:
        detector.submit(batches[0])
        marks, done = [], 0
        while done < FRAMES:
            detector.submit(batches[done // BATCH % len(batches)])
            done += len(detector.collect())
            if done % (FRAMES // 10) < BATCH:
                marks.append(in_use())
        detector.collect()
    print("GPU and host MB:", [(gpu // MEGABYTE, host // MEGABYTE) for gpu, host in marks])
    assert marks[-1][0] <= marks[1][0] and marks[-1][1] <= marks[1][1] + 4 * MEGABYTE


def test_a_hundred_openings(conf):
    marks, frame = [], busy_nv12(0, 960, 540)
    with open_detector(conf) as detector:           # holds the context, so that its memory can be read in between
        for _ in range(CYCLES):
            with open_detector(conf) as another:
                another.detect(frame)
            marks.append(in_use() + (len(os.listdir("/proc/self/fd")),))
        detector.detect(frame)
    print("GPU and host MB:", [(gpu // MEGABYTE, host // MEGABYTE) for gpu, host, _ in marks[::10]])
    assert marks[-1][0] <= marks[10][0] and marks[-1][1] <= marks[10][1] + 16 * MEGABYTE and marks[-1][2] == marks[10][2]
