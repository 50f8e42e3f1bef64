"""A camera that watches people does not phone home: the engines that report to their makers are kept from it."""
import importlib.util
import os
import subprocess
import sys

import pytest

from labelled_data import picture
from program import ROOT
from tiny_onnx import write_bright

ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}
DETECT = """
import sys
from edgecam.cli import main
code = main(sys.argv[1:])
sys.exit(code or sum(name.startswith("openvino_telemetry") for name in sys.modules))
"""


def need(package):
    """Skip without *package*, which is not imported here: it would report on whoever runs the tests."""
    if importlib.util.find_spec(package) is None:
        pytest.skip("{} is not installed".format(package))


def in_a_new_home(folder, *words):
    """Run Python with *words* in *folder* as a user at home in folder/home, on a machine that does not look like one that runs tests: there
    libraries report nothing. Return (exit code, stderr).
    """
    (folder / "home").mkdir()
    environment = {"HOME": str(folder / "home"), "PATH": os.environ.get("PATH", ""), "PYTHONPATH": ROOT}
    done = subprocess.run([sys.executable] + list(words), cwd=str(folder), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stderr.decode()


def files_below(folder):
    return [os.path.join(parent, name) for parent, folders, names in os.walk(str(folder)) for name in folders + names]


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_an_engine_that_runs_leaves_nothing_in_the_home_folder(tmp_path, engine):
    need(ENGINES[engine])
    from edgecam.detect.stills import write_still
    write_bright(tmp_path)
    write_still(str(tmp_path / "one.png"), picture([(1, 2)]))
    assert in_a_new_home(tmp_path, "-c", DETECT, "detect", "one.png", "--model", "./bright.json", "--detector", engine)[0] == 0
    assert files_below(tmp_path / "home") == []


OTHERS = """
import sys
import openvino_telemetry
from edgecam.detect import openvino
openvino.version()
assert sys.modules["openvino_telemetry"] is openvino_telemetry
from openvino_telemetry import Telemetry
"""


def test_a_program_that_has_the_telemetry_itself_keeps_it(tmp_path):
    need("openvino")
    need("openvino_telemetry")
    assert in_a_new_home(tmp_path, "-c", OTHERS) == (0, "")
    assert files_below(tmp_path / "home") == []
