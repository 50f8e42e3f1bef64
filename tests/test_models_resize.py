"""`edgecam models resize`: the same weights see larger pictures, and a network that can't is told why."""
import os

import numpy as np
import pytest

from edgecam.cli import main
from edgecam.detect.models import find_model
from tiny_onnx import bright_cells, write_bright

onnx = pytest.importorskip("onnx", reason="resizing needs onnx, which Python 3.6 lacks here")
SHIPPED = "edgecam-detectnet-light-960x540"


def outputs(path, picture):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, {"image": picture})))


def test_the_same_network_at_another_size(tmp_path, caplog):
    source = write_bright(tmp_path)
    assert main(["models", "resize", source, "192x128", str(tmp_path / "large.onnx")]) == 0
    assert "4.00 times the work of bright" in caplog.text
    model = find_model(str(tmp_path / "large.onnx"))
    model.check_file()
    assert (model.name, model.input.width, model.input.height, model.gflops) == ("bright-192x128", 192, 128, 0.04)
    picture = np.random.RandomState(0).randint(0, 256, (1, 3, 128, 192)).astype(np.float32)
    large, small = outputs(model.file, picture), outputs(str(tmp_path / "bright.onnx"), picture[:, :, :64, :96])
    assert large["cov"].shape == (1, 1, 16, 24) and np.allclose(large["cov"][:, :, :8, :12], small["cov"], atol=1e-4)
    assert large["box"].shape == (1, 4, 16, 24)


@pytest.mark.parametrize("name, ending", [(SHIPPED, ""), (SHIPPED + "-int8", "-int8")])
@pytest.mark.parametrize("size, rows, columns", [("1200x675", 172, 300), ("640x360", 92, 160), ("328x200", 52, 84)])
def test_what_is_shipped_is_filled_up_to_its_stride(tmp_path, name, ending, size, rows, columns):
    assert main(["models", "resize", name, size, str(tmp_path / "other.onnx")]) == 0
    model = find_model(str(tmp_path / "other.onnx"))
    assert model.name == "edgecam-detectnet-light-" + size + ending
    found = outputs(model.file, np.full((1, 3, model.input.height, model.input.width), 114, np.float32))
    assert found["cov4"].shape == (1, 3, rows, columns) and found["box8"].shape == (1, 12, rows // 2, columns // 2)


def test_back_again_is_the_network_that_it_was(tmp_path):
    picture = np.random.RandomState(1).randint(0, 256, (1, 3, 540, 960)).astype(np.float32)
    assert main(["models", "resize", SHIPPED, "1200x675", str(tmp_path / "large.onnx")]) == 0
    assert main(["models", "resize", str(tmp_path / "large.onnx"), "960x540", str(tmp_path / "back.onnx")]) == 0
    before, after = outputs(find_model(SHIPPED).file, picture), outputs(str(tmp_path / "back.onnx"), picture)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert find_model(str(tmp_path / "back.onnx")).name == SHIPPED and find_model(str(tmp_path / "back.onnx")).gflops == find_model(SHIPPED).gflops


def reshaped():
    """`bright_cells` with sizes in its graph as numbers."""
    model = onnx.load_model_from_string(bright_cells())
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 1, 8, 12], np.int64), "sizes"))
    model.graph.node[0].output[0] = "flat"
    model.graph.node.append(onnx.helper.make_node("Reshape", ["flat", "sizes"], ["cov"]))
    return model.SerializeToString()


def flattened():
    model = onnx.load_model_from_string(bright_cells())
    model.graph.node[0].input[0] = model.graph.node[1].input[0] = "small"
    model.graph.node.insert(0, onnx.helper.make_node("Relu", ["image"], ["small"]))
    return model.SerializeToString()


@pytest.mark.parametrize("network, changes, words", [
    (reshaped, {}, "can't be resized to 192x128: "), (flattened, {}, "its pictures go into no convolution"),
    (lambda: bright_cells(packed=True), {"input": {"name": "image", "width": 96, "height": 64, "layout": "NHWC", "dtype": "uint8"}}, "expected an ONNX network whose input is NCHW"),
    (lambda: b"no network", {}, "bright.onnx: ")], ids=["sizes", "no convolution", "packed", "broken"])
def test_a_network_that_can_not_be_resized_is_told_in_one_line(tmp_path, capsys, network, changes, words):
    source = write_bright(tmp_path, network(), **changes)
    assert main(["models", "resize", source, "192x128", str(tmp_path / "large.onnx")]) == 78
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and "Traceback" not in said
    assert not os.path.exists(str(tmp_path / "large.onnx"))


@pytest.mark.parametrize("size, output, words", [
    ("1200", "x.onnx", "1200: expected WIDTHxHEIGHT, each from 64 to 8192 pixels, such as 960x540"),
    ("1200x0", "x.onnx", "1200x0: expected WIDTHxHEIGHT"),
    ("192x128", "x.trt", "x.trt: expected a name that ends in .onnx"), ("192x128", "none/x.onnx", "there is no folder"),
    ("192x128", "bright.onnx", "is the model's own file")])
def test_wrong_words(tmp_path, capsys, size, output, words):
    source, before = write_bright(tmp_path), bright_cells()
    assert main(["models", "resize", source, size, str(tmp_path / output)]) == 2
    assert words in capsys.readouterr().err and (tmp_path / "bright.onnx").read_bytes() == before


@pytest.mark.parametrize("content, words", [('{"encode": {}}', "it holds something else"), ("", "it holds something else"), (None, "is a folder")])
def test_what_is_no_description_stays(tmp_path, capsys, content, words):
    """settings.json, say, beside settings.onnx: nobody typed its name."""
    source, beside = write_bright(tmp_path), tmp_path / "settings.json"
    beside.mkdir() if content is None else beside.write_text(content)
    assert main(["models", "resize", source, "192x128", str(tmp_path / "settings.onnx")]) == 2
    said = capsys.readouterr().err
    assert "settings.json" in said and words in said and said.count("\n") == 1
    assert not (tmp_path / "settings.onnx").exists() and (content is None or beside.read_text() == content)


def test_what_it_wrote_before_is_replaced_where_that_is_said(tmp_path, capsys):
    source, large = write_bright(tmp_path), str(tmp_path / "large.onnx")
    assert main(["models", "resize", source, "192x128", large]) == 0
    capsys.readouterr()
    before = [(tmp_path / name).read_bytes() for name in ("large.onnx", "large.json")]
    assert main(["models", "resize", source, "384x256", large]) == 2
    said = capsys.readouterr().err
    assert said == "edgecam: models resize: {}: is there already; choose another name, or add --overwrite to replace the model\n".format(large)
    assert [(tmp_path / name).read_bytes() for name in ("large.onnx", "large.json")] == before
    assert main(["models", "resize", source, "384x256", large, "--overwrite"]) == 0
    model = find_model(large)
    model.check_file()
    assert model.input.width == 384


@pytest.mark.parametrize("gone, left", [("large.onnx", "large.json"), ("large.json", "large.onnx")])
def test_half_of_an_earlier_model_stays_too(tmp_path, capsys, gone, left):
    source, large = write_bright(tmp_path), str(tmp_path / "large.onnx")
    assert main(["models", "resize", source, "192x128", large]) == 0
    (tmp_path / gone).unlink()
    capsys.readouterr()
    assert main(["models", "resize", source, "384x256", large]) == 2
    assert left + ": is there already" in capsys.readouterr().err and not (tmp_path / gone).exists()


def test_a_model_that_is_not_there(tmp_path, capsys):
    assert main(["models", "resize", "none-such", "192x128", str(tmp_path / "x.onnx")]) == 2
    assert "no model none-such" in capsys.readouterr().err


def test_detections_are_where_the_objects_are(tmp_path):
    """Through the detector: the square of 16 pixels that `picture` draws, in cells of the network's stride."""
    pytest.importorskip("onnxruntime")
    from edgecam.config import load_config
    from edgecam.detect import open_detector
    from test_contract_detector import picture
    source = write_bright(tmp_path)
    assert main(["models", "resize", source, "192x128", str(tmp_path / "large.onnx")]) == 0
    frame = picture("NV12", 192, 128, squares=((7, 1),))
    with open_detector(load_config().detect.replace(backend="onnx", model=str(tmp_path / "large.onnx"))) as detector:
        boxes = [found.box for found in detector.detect(frame)]
    assert boxes and all(112 <= box[0] <= 120 and 16 <= box[1] <= 24 for box in boxes)
