"""What models/ ships: small enough to be cloned everywhere, whole, and described truly."""
import glob
import os
import re

import pytest

from edgecam.detect.description import read_description, sha256

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models")
DESCRIPTIONS = sorted(glob.glob(os.path.join(FOLDER, "*.json")))
MOST_BYTES, MOST_GFLOPS = 40e6, {"full": 60, "light": 16}


def test_all_of_them_stay_below_40_mb():
    assert sum(os.path.getsize(os.path.join(FOLDER, name)) for name in os.listdir(FOLDER)) < MOST_BYTES


def test_every_model_has_a_description_and_stands_in_the_card():
    with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as card:
        told = set(re.findall(r"`([^`]+\.onnx)`", card.read()))
    models = {os.path.basename(path) for path in glob.glob(os.path.join(FOLDER, "*.onnx"))}
    assert models == {os.path.basename(path)[:-5] + ".onnx" for path in DESCRIPTIONS}
    assert models == {name for name in told if name.startswith("edgecam-")} != set()


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=os.path.basename)
def test_each_is_the_file_that_its_description_means(path):
    model = read_description(path)
    assert model.sha256 and model.sha256.lower() == sha256(model.file)
    assert (model.input.width, model.input.height) == (960, 540)
    assert model.gflops <= MOST_GFLOPS[model.variant] + 0.05         # told to one decimal


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=os.path.basename)
def test_the_summary_sends_int8_to_cpus_as_the_card_does(path):
    model = read_description(path)
    assert model.summary.endswith("in INT8, for CPUs only") == (model.precision == "int8")
