"""The kernels on a real GPU; their arithmetic, compiled for the CPU, is in test_detect_cuda_kernels.py."""
import numpy as np
import pytest

import cuda_on_cpu
from edgecam.config import load_config
from edgecam.detect.cuda import pictures, suppression
from edgecam.detect.cuda.driver import open_gpu
from edgecam.detect.cuda.kernels import Kernels
from edgecam.detect.description import InputSpec, ResizeSpec
from edgecam.detect.letterbox import Letterbox
from edgecam.detect.models import find_model
from edgecam.detect.network import Interpreter
from edgecam.detect.pixels import NumpyPixels
from edgecam.detect.tensorrt_api import TensorInfo
from edgecam.errors import BackendUnavailable
from test_detect_cuda_kernels import busy_frame, grids

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def needs_gpu():
    try:
        open_gpu()
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("dtype, layout", [("float32", "linear"), ("float16", "linear"), ("float16", "chw4")])
@pytest.mark.parametrize("fourcc", ["NV12", "I420", "YUYV", "GREY", "BGR3"])
@pytest.mark.parametrize("size", [(1280, 720), (960, 540), (957, 540)])
def test_preprocess_on_the_gpu_is_the_letterbox(size, fourcc, dtype, layout):
    if fourcc == "YUYV" and size[0] % 2:
        pytest.skip("YUYV has even widths")
    frame, spec, resize = busy_frame(size[0], size[1], fourcc, "bt709"), InputSpec("image", 960, 544), ResizeSpec()
    gpu = open_gpu()
    gpu.enter()
    try:
        kernel = Kernels(gpu, "preprocess").function("preprocess", ("P", pictures.TARGET, "P", "q"))
        geometry, records = pictures.Geometry(frame.format, spec, resize), np.zeros(1, pictures.PICTURE)
        planes = [gpu.driver.to_device(np.ascontiguousarray(plane)) for plane in frame.planes]
        geometry.write(records, 0, [int(plane) for plane in planes], [pitch for _, pitch in geometry.shapes])
        info = TensorInfo("image", True, spec.shape, dtype, layout)
        memory = np.full(info.held, 7, dtype)
        head, out = gpu.driver.to_device(records), gpu.driver.to_device(memory)
        kernel((8, 68, 1), (32, 8, 1), None, int(head), pictures.target(spec, resize, info).tobytes(), int(out), info.nbytes)
        gpu.driver.memcpy_dtoh(memory, out)
    finally:
        gpu.leave()
    assert np.abs(info.view(memory) - Letterbox(spec, resize, NumpyPixels()).fill(frame)).max() <= 1


@pytest.mark.parametrize("dtype, layout", [("float32", "linear"), ("float16", "linear"), ("float16", "hwc8"), ("float16", "chw32")])
def test_suppression_on_the_gpu_keeps_what_the_cpu_keeps(dtype, layout):
    model = find_model("edgecam-detectnet-960x540")
    outputs = {name: array.astype(dtype).astype(np.float32) for name, array in grids(batch=2).items()}
    interpreter = Interpreter(model, load_config().detect)
    gpu = open_gpu()
    gpu.enter()
    try:
        laid = {name: cuda_on_cpu.laid_out(array.astype(dtype), layout) for name, array in outputs.items()}
        memory = {name: gpu.driver.to_device(content) for name, (content, _) in laid.items()}
        tensors = {name: (int(memory[name]), tensor) for name, (_, tensor) in laid.items()}
        record = suppression.decoding(interpreter.decoder.layout(), tensors, None, len(model.labels), interpreter.iou, interpreter.limit)
        kernels = suppression.Suppression(gpu, record, 2)
        wanted = np.zeros(2, suppression.COUNT)
        wanted["least"] = interpreter.decoder.least(0.3)
        counts = gpu.driver.to_device(wanted)
        stream = gpu.driver.Stream(1)
        gpu.driver.Context.synchronize()
        for _ in range(2):
            kernels.launch(stream, int(counts))
            stream.synchronize()
        kept = [rows[:count["kept"]].copy() for count, rows in zip(*kernels.read())]
        kernels.close()
    finally:
        gpu.leave()
    for index, rows in enumerate(kept):
        expected = interpreter.interpret({name: array[index:index + 1] for name, array in outputs.items()}, 0.3, lambda boxes: boxes)
        assert [model.labels[label] for label in rows["label"]] == [found.label for found in expected]
        assert np.allclose(rows["score"], [found.score for found in expected], atol=1e-5)
        assert np.allclose(rows["box"], [found.box.corners for found in expected], atol=1e-2)
