"""The package itself: imports on a bare machine, rooms that don't know each other, and 3.6's syntax everywhere."""
import ast
import os
import subprocess
import sys

import pytest

from clips import count_frames, make_clip

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOMS = ("capture", "detect", "track", "roi", "encode", "outputs", "web")
DRIVERS = ("av", "cv2", "onnxruntime", "openvino", "scipy", "tensorrt", "pycuda", "flask", "cheroot", "tqdm", "matplotlib")


def modules(*folders):
    for folder in folders:
        for where, _, names in os.walk(os.path.join(ROOT, "edgecam", folder)):
            for name in names:
                if name.endswith(".py"):
                    yield os.path.join(where, name)


def imports_of(path):
    with open(path, encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def test_import_edgecam_needs_no_driver():
    """With every driver made unimportable the package still imports, and says what a camera would need."""
    block = "import sys\nfor name in {!r}: sys.modules[name] = None\n".format(DRIVERS)
    program = block + "import edgecam, edgecam.cli\nassert edgecam.Pipeline and edgecam.__version__\n"
    subprocess.check_call([sys.executable, "-c", program], cwd=ROOT)


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["check", "--defaults"], ["run", "test://street", "--bitrate", "lots"]])
def test_who_only_asks_does_not_wait_for_libraries(words):
    program = ("import sys\nfrom edgecam.cli import main\ntry: main({!r})\nexcept SystemExit: pass\n"
               "found = [name for name in ('numpy', 'werkzeug') + {!r} if name in sys.modules]\nassert not found, found").format(words, DRIVERS)
    subprocess.check_call([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_the_help_of_run_names_every_input_and_output():
    from edgecam.capture.urls import NETWORK
    from edgecam.commands import run
    inputs, outputs = run.__doc__.split("OUTPUT ")
    assert [name for name in NETWORK if name + "://..." not in inputs] == [] and "x.sdp" in inputs
    assert [name for name in ("x.mp4", "x.h264", "rtp://", "rtsp://", "rtsps://", "null:") if name not in outputs] == []


def test_the_package_offers_its_names_and_no_others():
    import edgecam
    assert edgecam.Box is edgecam.vocabulary.Box and set(edgecam.__all__) <= set(dir(edgecam))
    for name in edgecam.__all__:
        assert getattr(edgecam, name)
    with pytest.raises(AttributeError, match="no attribute Nonsense"):
        edgecam.Nonsense
    with pytest.raises(ImportError):
        from edgecam import Nonsense        # noqa: F401


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_do_not_import_each_other(room):
    strangers = tuple("edgecam." + other for other in ROOMS if other != room)
    guilty = ["{} imports {}".format(os.path.relpath(path, ROOT), name) for path in modules(room) for name in imports_of(path)
              if name and (name + ".").startswith(tuple(s + "." for s in strangers))]
    assert guilty == []


def test_every_module_says_what_it_is_for():
    silent = []
    for path in modules(""):
        with open(path, encoding="utf-8") as stream:
            source = stream.read()
        if source.strip() and not ast.get_docstring(ast.parse(source)):
            silent.append(os.path.relpath(path, ROOT))
    assert silent == []


def test_the_documented_example_runs(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=5)
    program = os.path.join(ROOT, "docs", "example.py")
    subprocess.check_call([sys.executable, program, clip, str(tmp_path / "out.mp4")], env=dict(os.environ, PYTHONPATH=ROOT))
    assert count_frames(tmp_path / "out.mp4")[0] == 5
    alone = subprocess.run([sys.executable, program], env=dict(os.environ, PYTHONPATH=ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert alone.returncode == 1 and b"example.py walk.mp4 out.mp4" in alone.stderr and b"Traceback" not in alone.stderr
