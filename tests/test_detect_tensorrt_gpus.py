"""TensorRT on several real GPUs: an engine on each, the cameras spread over them."""
import pytest

from edgecam.config import load_config
from edgecam.detect import open_detector
from edgecam.detect.batching import open_pool
from edgecam.errors import BackendUnavailable
from test_contract_detector import picture
from tiny_onnx import write_bright

pytestmark = pytest.mark.gpu
CAMERAS = 6


@pytest.fixture
def gpus():
    """The numbers of this machine's GPUs, at least two."""
    from edgecam.detect import tensorrt
    try:
        tensorrt.version()
    except BackendUnavailable as error:
        pytest.skip(str(error))
    import pycuda.driver as driver
    driver.init()
    if driver.Device.count() < 2:
        pytest.skip("this machine has one GPU")
    return list(range(driver.Device.count()))


def test_an_engine_on_each_gpu(tmp_path, gpus):
    write_bright(tmp_path)
    conf = load_config().detect.replace(backend="tensorrt", model="bright", models=str(tmp_path), plans=str(tmp_path / "plans"), nice=0, batch=2)
    for number in gpus:
        open_detector(conf.replace(gpu=number)).close()         # builds its plan: a pool sees nothing until it is there
    with open_pool(conf, gpus) as pool:
        ports = [pool.add("camera {}".format(number)) for number in range(CAMERAS)]
        for column in range(10):
            for row, port in enumerate(ports):
                port.offer(picture("NV12", squares=((column, row),)))
            found = [port.get(timeout=120) for port in ports]
            for row, result in enumerate(found):
                assert result.detections[0].box == pytest.approx((8 * column, 8 * row, 8, 8), abs=0.05)
        busy = [engine.frames for engine in pool.engines]
    assert len(busy) == len(gpus) and min(busy) > 0 and sum(busy) == 10 * CAMERAS
    assert max(busy) - min(busy) <= 10 * (CAMERAS % len(gpus) > 0)
