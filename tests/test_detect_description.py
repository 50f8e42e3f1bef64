"""Model descriptions: every wrong one is told by file, key and what is accepted; and where models are looked for."""
import copy
import json
import os
import re

import pytest
from hypothesis import given, settings, strategies as st

from edgecam.detect import models
from edgecam.detect.decode import open_decoder
from edgecam.detect.description import KINDS, read_description, sha256
from edgecam.detect.models import find_model, list_models, nearest_models
from edgecam.errors import EXIT_CONFIG, ModelError
from tiny_onnx import bright_cells, bright_description


def write(folder, name="bright", network=True, **changes):
    values = dict(bright_description(name), **changes)
    path = folder / (name + ".json")
    path.write_text(json.dumps({key: value for key, value in values.items() if value != "absent"}))
    if network:
        (folder / (name + ".onnx")).write_bytes(bright_cells())
    return str(path)


def test_reads_everything(tmp_path):
    model = read_description(write(tmp_path, gflops=13.5, variant="light", precision="int8", resize={"policy": "stretch", "fill": 0},
                                   input={"name": "x", "width": 96, "height": 64, "colour": "BGR", "mean": [1, 2, 3], "scale": 0.5}))
    assert (model.name, model.gflops, model.variant, model.precision, model.labels) == ("bright", 13.5, "light", "int8", ("light",))
    assert model.input.mean == (1.0, 2.0, 3.0) and model.input.scale == (0.5,) and model.input.shape == (1, 3, 64, 96)
    assert model.resize.policy == "stretch" and model.resize.fill == 0 and model.outputs == ("cov", "box")
    assert model.iou == 0.5 and model.max_detections == 50 and model.threshold == 0.5 and model.licence == "Apache-2.0"
    assert model.file == str(tmp_path / "bright.onnx") and "96x64" in repr(model)


def test_one_that_is_nested_too_deeply_is_told(tmp_path):
    (tmp_path / "deep.json").write_text('{"format": 1, "decoder": ' + "[" * 100000)
    with pytest.raises(ModelError, match="deep.json: not a JSON model description: it is nested too deeply$"):
        read_description(str(tmp_path / "deep.json"))
    assert list_models(str(tmp_path))       # passed over


def test_a_key_that_stands_twice_is_told(tmp_path):
    path = write(tmp_path)
    (tmp_path / "bright.json").write_text((tmp_path / "bright.json").read_text().replace('"width"', '"width": 5, "width"'))
    with pytest.raises(ModelError) as caught:
        read_description(path)
    assert str(caught.value) == path + ': "width" stands twice; leave one of them'


@pytest.mark.parametrize("change, words", [
    ({"format": 2}, "format = 2: this edgecam reads format 1"), ({"format": "absent"}, "format is missing"),
    ({"name": "../evil name"}, "name = "), ({"file": "absent"}, "file is missing"), ({"file": 7}, "file = 7: expected text"),
    ({"labels": []}, "labels = []: expected a list of texts"), ({"labels": [1]}, "labels"), ({"output": {}}, "output.names is missing"),
    ({"input": []}, "input = []: expected an object"), ({"input": {"name": "x", "width": 96}}, "input.height is missing"),
    ({"input": {"name": "x", "width": "wide", "height": 4}}, 'input.width = "wide": expected a number from 8 to 16384'),
    ({"input": {"name": "x", "width": 96, "height": 64, "layout": "HWC"}}, "one of NCHW, NHWC"),
    ({"input": {"name": "x", "width": 96, "height": 64, "colour": "CMYK"}}, "one of RGB, BGR, GREY"),
    ({"input": {"name": "x", "width": 96, "height": 64, "mean": [1, 2]}}, "input.mean = [1, 2]: expected one number, or one per channel"),
    ({"input": {"name": "x", "width": 96, "height": 64, "scale": ["a"]}}, "a list of numbers"),
    ({"input": {"name": "x", "width": 96, "height": 64, "scale": "1/255"}}, 'input.scale = "1/255": expected a number, or a list of numbers'),
    ({"resize": {"policy": "crop"}}, 'resize.policy = "crop": expected one of letterbox, stretch'), ({"resize": {"fill": 300}}, "from 0 to 255"),
    ({"nms": {"iou": 2}}, "nms.iou = 2: expected a number from 0 to 1"), ({"threshold": True}, "threshold"), ({"precision": "int4"}, "one of fp32, fp16, int8"),
    ({"decoder": {"kind": "magic"}}, "one of detectnet, yolov3, yolo, centernet, ssd"), ({"decoder": "absent"}, "decoder is missing"),
])
def test_wrong_descriptions_name_file_key_and_what_is_accepted(tmp_path, change, words):
    path = write(tmp_path, **change)
    with pytest.raises(ModelError) as caught:
        read_description(path)
    assert words in str(caught.value) and path in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == EXIT_CONFIG and isinstance(caught.value, ValueError)


@pytest.mark.parametrize("change, words", [
    ({"treshold": 0.5}, "unknown key treshold: expected one of decoder, file, format, gflops, input, labels, "),
    ({"labels": ["light"], "nms": {"iuo": 0.4}}, "unknown key nms.iuo: expected one of iou, max_detections"),
    ({"input": {"name": "x", "width": 96, "height": 64, "color": "BGR"}}, "unknown key input.color: expected one of colour, dtype, height, "),
    ({"output": {"names": ["cov", "box"], "name": "cov"}}, "unknown key output.name: expected one of names"),
    ({"decoder": {"kind": "detectnet", "box_encoding": "corners", "box_nrom": 35, "grids": [{"stride": 16, "coverage": "cov", "boxes": "box"}]}},
     "unknown key decoder.box_nrom: expected one of box_encoding, box_norm, "),
    ({"decoder": {"kind": "detectnet", "box_encoding": "corners", "grids": [{"stride": 16, "coverage": "cov", "boxes": "box", "min": 8}]}},
     "unknown key decoder.grids[0].min: expected one of boxes, coverage, fine, max_size, min_size, stride"),
    ({"decoder": {"kind": "yolo", "style": "v8", "normalized": True}}, "unknown key decoder.normalized: expected one of kind, normalised, output, "),
])
def test_misspelt_keys_are_refused(tmp_path, change, words):
    path = write(tmp_path, **change)
    with pytest.raises(ModelError) as caught:
        open_decoder(read_description(path))
    assert words in str(caught.value) and path in str(caught.value) and caught.value.exit_code == EXIT_CONFIG


V5 = {"kind": "yolo", "style": "v5"}


@pytest.mark.parametrize("decoder, words", [
    ({"kind": "yolov3", "scales": [{"output": "cov", "stride": 8, "anchors": [["x", 1]]}]}, 'scales[0].anchors = [["x", 1]]: expected a list of [width, height]'),
    (dict(V5, strides=[8], anchors=[[10, 13]]), "anchors = [[10, 13]]: expected a list of [width, height] pairs for each of the 1 strides"),
    (dict(V5, strides=[8], anchors=[[["x", 13]]]), 'anchors = [[["x", 13]]]: expected a list of [width, height]'),
    (dict(V5, strides=[8], anchors=[5]), "anchors = [5]: expected a list of [width, height]"),
    (dict(V5, strides=[0], anchors=[[[10, 13]]]), "strides = [0]: expected numbers from 1 to 256"),
])
def test_anchors_that_are_none_are_refused(tmp_path, decoder, words):
    path = write(tmp_path, decoder=decoder)
    with pytest.raises(ModelError) as caught:
        open_decoder(read_description(path))
    assert "{}: decoder.{}".format(path, words) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"null", b"\xff\xfe\x00", b'{"format": 1}'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="x.json"):
        read_description(str(path))


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=5),
                   st.lists(st.integers(0, 3), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(sorted(bright_description())), inner=st.one_of(st.none(), st.sampled_from(
    ["name", "width", "height", "mean", "kind", "names", "iou", "max_detections"])), value=VALUES)
def test_any_value_anywhere_is_read_or_refused(tmp_path_factory, key, inner, value):
    content = copy.deepcopy(bright_description())
    if inner and isinstance(content[key], dict):
        content[key][inner] = value
    else:
        content[key] = value
    path = tmp_path_factory.mktemp("any") / "m.json"
    path.write_text(json.dumps(content))
    try:
        read_description(str(path))
    except ModelError as error:
        assert "m.json" in str(error)


DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "models.md")


def documented_decoders():
    """The snippets of docs/models.md that hold a decoder, as dicts."""
    with open(DOCS, encoding="utf-8") as stream:
        snippets = re.findall(r"```json\n(.*?)```", stream.read(), re.S)
    return [json.loads(text if text.startswith("{") else "{" + text + "}") for text in snippets if '"decoder"' in text and "\u2026" not in text]


@pytest.mark.parametrize("snippet", documented_decoders(), ids=lambda snippet: snippet["decoder"]["kind"])
def test_documented_descriptions_work(tmp_path, snippet):
    names = re.findall(r'"(?:coverage|boxes|fine)": "(\w+)"', json.dumps(snippet))
    snippet.setdefault("output", {"names": sorted(set(names))})
    snippet.setdefault("labels", ["person", "car", "bus", "truck", "two-wheeler"])
    model = read_description(write(tmp_path, **snippet))
    assert hasattr(open_decoder(model), "decode")


def test_every_kind_is_documented():
    assert {snippet["decoder"]["kind"] for snippet in documented_decoders()} == set(KINDS) - {"none"}         # which has no boxes to decode


def test_file_state(tmp_path):
    path = write(tmp_path)
    model = read_description(path)
    assert model.problem() is None
    good = read_description(write(tmp_path, sha256=sha256(model.file).upper()))
    assert good.problem() is None
    bad = read_description(write(tmp_path, sha256="00"))
    assert bad.problem() == "SHA-256 differs"
    (tmp_path / "bright.onnx").unlink()
    assert good.problem() == "missing"


@pytest.fixture
def nothing_shipped(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "PACKAGE", str(tmp_path / "site-packages" / "edgecam"))
    monkeypatch.delenv("EDGECAM_MODELS", raising=False)


def test_search_order(nothing_shipped, monkeypatch, tmp_path):
    folders = [tmp_path / name for name in ("mine", "env", "site-packages/edgecam/models", "site-packages/models")]
    for place, folder in enumerate(folders):
        folder.mkdir(parents=True)
        write(folder, summary=str(place))
        write(folder, name="only-{}".format(place))
    (folders[0] / "notes.json").write_text('{"hello": 1}')          # not a model: not taken for one
    monkeypatch.setenv("EDGECAM_MODELS", str(folders[1]))
    found = {model.name: model for model in list_models(str(folders[0]))}
    assert sorted(found) == ["bright", "only-0", "only-1", "only-2"]        # a checkout's folder only where none is installed
    assert found["bright"].summary == "0" and find_model("bright").summary == "1"
    assert [model.name for model in nearest_models(str(folders[0]))] == ["bright", "only-0"]
    (folders[2] / "bright.json").unlink()
    (folders[2] / "only-2.json").unlink()
    assert "only-3" in [model.name for model in list_models()]


def test_by_path_of_either_file(nothing_shipped, tmp_path):
    write(tmp_path, name="other")
    path = write(tmp_path, file="weights.onnx")
    (tmp_path / "weights.onnx").write_bytes(bright_cells())
    assert find_model(path).name == find_model(str(tmp_path / "weights.onnx")).name == "bright"


def test_a_broken_description_of_another_network_stops_nobody(tmp_path):
    write(tmp_path, name="a", decoder="absent", format=7)
    (tmp_path / "broken.json").write_text('{"format": 1, "decoder": 5}')
    write(tmp_path, name="good", file="other.onnx", network=False)
    for name in ("other.onnx", "alone.onnx"):
        (tmp_path / name).write_bytes(bright_cells())
    assert find_model(str(tmp_path / "other.onnx")).name == "good"
    with pytest.raises(ModelError, match="alone.onnx has no description: write alone.json beside it"):
        find_model(str(tmp_path / "alone.onnx"))


def test_a_bare_network_is_told_what_to_write(nothing_shipped, tmp_path):
    (tmp_path / "yolo.onnx").write_bytes(bright_cells())
    with pytest.raises(ModelError, match=r"yolo.onnx has no description: write yolo.json beside it.*docs/models.md"):
        find_model(str(tmp_path / "yolo.onnx"))


def test_unknown_names(nothing_shipped, tmp_path):
    with pytest.raises(ModelError, match="no model bright: no models folder is installed"):
        find_model("bright")
    write(tmp_path)
    with pytest.raises(ModelError, match="no model brihgt: did you mean bright[?] there are bright"):
        find_model("brihgt", str(tmp_path))
    with pytest.raises(ModelError, match="no model file /nope/x.onnx"):
        find_model("/nope/x.onnx")


def test_a_broken_neighbour_is_passed_over(nothing_shipped, tmp_path):
    write(tmp_path)
    write(tmp_path, name="broken", decoder={"kind": "magic"})
    assert [model.name for model in list_models(str(tmp_path))] == ["bright"]
