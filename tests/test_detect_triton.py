"""triton://: the same boxes from a server, and what happens when it is slow, wrong or away."""
import json
import os
import shutil
import socket
import subprocess
import textwrap
import time

import pytest

import kserve_server
from edgecam.config import load_config
from edgecam.detect import open_detector
from edgecam.detect.triton import parse_address
from edgecam.errors import BackendUnavailable, ConfigError, DetectorError, ModelError
from test_contract_detector import picture
from tiny_onnx import write_bright

BOX = (8, 16, 8, 8)


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("tritonclient.grpc")
    write_bright(tmp_path)
    (tmp_path / "bright.onnx").unlink()             # the network is the server's
    return tmp_path


def settings(folder, port, model="bright", words=""):
    return load_config().detect.replace(model="triton://127.0.0.1:{}/{}{}".format(port, model, words), models=str(folder))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("url, expected", [
    ("triton://host/street", ("host:8001", "street", 2.0, None)),
    ("triton://10.0.0.2:9000/a-b.c?timeout=0.5", ("10.0.0.2:9000", "a-b.c", 0.5, None)),
    ("triton://[fe80::1]:8001/m?description=/etc/m.json", ("[fe80::1]:8001", "m", 2.0, "/etc/m.json")),
])
def test_addresses(url, expected):
    assert parse_address(url) == expected


@pytest.mark.parametrize("url", ["triton://", "triton://host", "triton://host/a/b", "http://host/m", "triton://host:x/m", "triton://host:99999/m",
                                 "triton://host/m?timeout=0", "triton://host/m?timeout=no", "triton://host/m?speed=1", "triton://me@host/m"])
def test_wrong_addresses_are_said(url):
    with pytest.raises(ConfigError, match="expected triton://host:8001/MODEL"):
        parse_address(url)


def test_without_the_client(folder, monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    with pytest.raises(BackendUnavailable, match=r"pip install \.\[triton\]"):
        open_detector(settings(folder, 1))


def test_the_backend_without_an_address(folder):
    with pytest.raises(ConfigError, match="expected triton://"):
        open_detector(load_config().detect.replace(backend="triton", model="bright", models=str(folder)))


def test_an_address_and_another_backend(folder):
    with pytest.raises(ConfigError, match="not for detect.backend = onnx"):
        open_detector(settings(folder, 1).replace(backend="onnx"))


def test_boxes_come_back(folder):
    with kserve_server.Server() as server, open_detector(settings(folder, server.port)) as detector:
        assert detector.detect(picture("NV12"))[0].box == pytest.approx(BOX, abs=0.01)
        assert detector.detect(picture("I420", 192, 128, squares=((5, 3),)))[0].box == pytest.approx((80, 48, 16, 16), abs=0.1)
        assert detector.name == "triton" and detector.model == "bright"


def test_a_model_that_the_server_has_not(folder):
    with kserve_server.Server() as server:
        with pytest.raises(DetectorError, match="no model other here"):
            open_detector(settings(folder, server.port, "other", "?description=" + str(folder / "bright.json")))


def test_a_model_of_another_shape(folder):
    with kserve_server.Server(shape=(1, 3, 540, 960)) as server:
        with pytest.raises(ModelError, match="1x3x540x960"):
            open_detector(settings(folder, server.port), background=True)


def test_away_is_an_error_where_every_frame_counts(folder):
    with pytest.raises(DetectorError, match="bright of the server 127.0.0.1"):
        open_detector(settings(folder, free_port()))


def test_a_slow_server_is_an_error_where_every_frame_counts(folder):
    with kserve_server.Server() as server, open_detector(settings(folder, server.port, words="?timeout=0.5")) as detector:
        detector.detect(picture())
        server.delay = 2.0
        with pytest.raises(DetectorError, match="(?i)deadline"):
            detector.detect(picture())


def test_beside_video_away_means_nothing_and_it_comes_back(folder, caplog, monkeypatch):
    monkeypatch.setattr("edgecam.detect.triton.LAST_PAUSE", 1.0)
    caplog.set_level("INFO")
    server = kserve_server.Server(port=free_port())
    with open_detector(settings(folder, server.port, words="?timeout=20"), background=True) as detector:
        assert detector.away and detector.detect(picture()) == []
        try:
            for _ in range(2):                      # comes, goes, comes again
                server.start()
                deadline = time.monotonic() + 60
                while not detector.detect(picture()):
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                server.stop()
                assert detector.detect(picture()) == [] and detector.away
        finally:
            server.stop()
    assert caplog.text.count("nothing is detected until it is back") == 3 and caplog.text.count("the server 127.0.0.1:{} is back".format(server.port)) == 2


@pytest.fixture
def impatient(monkeypatch):
    """A server that is away is asked again with the next frame."""
    for name in ("FIRST_PAUSE", "LAST_PAUSE"):
        monkeypatch.setattr("edgecam.detect.triton." + name, 0.0)


@pytest.mark.parametrize("repository", [None, [], ["bright", "other"]])
def test_beside_video_a_model_may_be_loaded_later(folder, caplog, impatient, repository):
    caplog.set_level("INFO")
    with kserve_server.Server(loaded=False, repository=repository) as server, open_detector(settings(folder, server.port), background=True) as detector:
        assert [detector.detect(picture()) for _ in range(3)] == [[]] * 3 and detector.away
        server.loaded = True
        assert detector.detect(picture())[0].box == pytest.approx(BOX, abs=0.01) and not detector.away
        server.loaded, server.failure = False, "NOT_FOUND"      # and is unloaded again
        assert [detector.detect(picture()) for _ in range(3)] == [[]] * 3
    assert caplog.text.count("no model bright here (not loaded yet, or under another name); nothing is detected") == 1
    assert caplog.text.count("is back") == 3            # twice it went, once it came


def test_beside_video_a_model_that_the_server_will_not_have_is_told_at_once(folder):
    with kserve_server.Server(loaded=False, repository=["street", "yard"]) as server:
        with pytest.raises(DetectorError, match="no model bright here.*; it has street, yard$"):
            open_detector(settings(folder, server.port), background=True)


@pytest.mark.parametrize("status", ["INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN", "NOT_FOUND"])
def test_beside_video_a_server_that_fails_costs_detections_only(folder, caplog, impatient, status):
    with kserve_server.Server() as server, open_detector(settings(folder, server.port), background=True) as detector:
        assert detector.detect(picture())
        server.failure = status
        assert [detector.detect(picture()) for _ in range(3)] == [[]] * 3
        server.failure = None
        assert detector.detect(picture())
    assert caplog.text.count("inference failed") == 1


def test_what_the_server_refuses_for_good_is_an_error_beside_video_too(folder, impatient):
    with kserve_server.Server() as server, open_detector(settings(folder, server.port), background=True) as detector:
        server.failure = "INVALID_ARGUMENT"
        with pytest.raises(DetectorError, match="inference failed"):
            detector.detect(picture())


def test_a_server_that_fails_is_an_error_where_every_frame_counts(folder):
    with kserve_server.Server() as server, open_detector(settings(folder, server.port)) as detector:
        server.failure = "INTERNAL"
        with pytest.raises(DetectorError, match="inference failed"):
            detector.detect(picture())


def test_a_server_that_is_away_is_not_asked_for_every_frame(folder, monkeypatch):
    with kserve_server.Server() as server, open_detector(settings(folder, server.port, words="?timeout=0.3"), background=True) as detector:
        detector.detect(picture())
        server.delay = 1.5
        assert detector.detect(picture()) == []
        asked = server.requests
        detector._again = float("inf")
        assert [detector.detect(picture()) for _ in range(50)] == [[]] * 50 and server.requests == asked


MODEL = """
    import sys
    sys.path.insert(0, {tests!r})
    from kserve_server import bright
    from mlserver import MLModel
    from mlserver.codecs import NumpyCodec
    from mlserver.types import InferenceResponse

    class Bright(MLModel):
        async def predict(self, payload):
            cov, box = bright(NumpyCodec.decode_input(payload.inputs[0]))
            outputs = [NumpyCodec.encode_output("cov", cov), NumpyCodec.encode_output("box", box)]
            return InferenceResponse(model_name=self.name, outputs=outputs)
"""


@pytest.fixture
def mlserver(tmp_path):
    """A real MLServer with the model; its gRPC port."""
    program = os.environ.get("EDGECAM_MLSERVER") or shutil.which("mlserver")
    if program is None:
        pytest.skip("mlserver is not installed (pip install mlserver, or EDGECAM_MLSERVER=its path)")
    folder, ports = tmp_path / "served", [free_port() for _ in range(3)]
    folder.mkdir()
    tests = os.path.dirname(os.path.abspath(__file__))
    (folder / "served_bright.py").write_text(textwrap.dedent(MODEL).format(tests=tests))
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "http_port": ports[0], "grpc_port": ports[1],
                                                      "metrics_port": ports[2], "parallel_workers": 0}))
    tensor = {"datatype": "FP32", "shape": [-1, 3, 64, 96]}
    (folder / "model-settings.json").write_text(json.dumps({
        "name": "bright", "implementation": "served_bright.Bright", "inputs": [dict(tensor, name="image")],
        "outputs": [dict(tensor, name="cov"), dict(tensor, name="box")]}))
    with open(str(tmp_path / "log"), "w") as log:
        child = subprocess.Popen([program, "start", str(folder)], stdout=log, stderr=log, cwd=str(folder), env=dict(os.environ, PYTHONPATH=""))
    yield ports[1]
    child.terminate()
    child.wait(60)


def test_a_real_mlserver(folder, mlserver):
    with open_detector(settings(folder, mlserver, words="?timeout=30"), background=True) as detector:
        deadline, found = time.monotonic() + 240, []
        while not found:
            assert time.monotonic() < deadline, "it never answered"
            time.sleep(0.2)
            found = detector.detect(picture("NV12"))    # it listens before its model is loaded
        assert found[0].box == pytest.approx(BOX, abs=0.01)
