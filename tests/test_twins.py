"""A run never writes into its own input, nor two things into one file."""
import os
import sys

import pytest

from edgecam.cli import main
from edgecam.config import load_config
from edgecam.errors import ConfigError
from edgecam.pipeline import Pipeline
from edgecam.twins import refuse_twins


def conf(source, *urls, **settings):
    found = load_config(overrides=["web.listen=off"])
    found.capture = found.capture.replace(input=str(source))
    found.outputs = found.outputs.replace(urls=[str(url) for url in urls], sdp=settings.get("sdp"))
    found.events = found.events.replace(file=settings.get("events"))
    return found


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "walk.mp4"
    path.write_bytes(b"a video")
    return path


@pytest.mark.parametrize("write", [lambda path: str(path), lambda path: "file://" + str(path), lambda path: os.path.relpath(str(path)),
                                   lambda path: os.path.join(str(path.parent), ".", path.name)])
def test_the_input_is_no_output(video, write):
    with pytest.raises(ConfigError, match="outputs.urls = .*walk.mp4: is the same file as capture.input"):
        refuse_twins(conf(video, write(video)))


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_are_seen_through(video, tmp_path, link):
    link(str(video), str(tmp_path / "other.mp4"))
    with pytest.raises(ConfigError, match="same file as capture.input"):
        refuse_twins(conf(video, tmp_path / "other.mp4"))


def test_events_and_descriptions_are_files_too(video, tmp_path):
    with pytest.raises(ConfigError, match="events.file = .* same file as capture.input"):
        refuse_twins(conf(video, events=str(video)))
    with pytest.raises(ConfigError, match="events.file = .* same file as outputs.urls"):
        refuse_twins(conf(video, tmp_path / "out.mp4", events=str(tmp_path / "out.mp4")))
    with pytest.raises(ConfigError, match="events.file = .* same file as outputs.sdp"):
        refuse_twins(conf(video, "rtp://127.0.0.1:5600", sdp=str(tmp_path / "x"), events=str(tmp_path / "x")))


@pytest.mark.parametrize("source, urls", [("test://street", ["null:", "null:"]), ("/dev/null", ["rtp://127.0.0.1:1"]),
                                          ("rtsp://cam/1", ["rtsp://cam/1"]), ("auto", [])])
def test_what_is_no_file_is_no_twin(source, urls):
    found = conf("x", *urls)
    found.capture = found.capture.replace(input=source)
    refuse_twins(found)


def test_the_program_leaves_its_input_alone(video, capsys):
    assert main(["run", str(video), str(video), "--web", "off"]) == 2
    assert "run: OUTPUT: outputs.urls = {0}: is the same file as capture.input".format(video) in capsys.readouterr().err
    assert main(["run", str(video), "--events", str(video), "--web", "off"]) == 2
    assert "run: --events: events.file = {0}: is the same file as capture.input".format(video) in capsys.readouterr().err
    (video.parent / "mine.yaml").write_text("outputs: {{urls: [{}]}}".format(video))
    assert main(["run", str(video), "--config", str(video.parent / "mine.yaml"), "--web", "off"]) == 2
    assert "run: INPUT: outputs.urls = " in capsys.readouterr().err and video.read_bytes() == b"a video"


@pytest.mark.parametrize("words, code", [(["--model", "nope"], 2), (["--detector", "tensorrt"], 1), (["no/such/folder/y.mp4"], 2)])
@pytest.mark.parametrize("mode", ["live", "exact"])
def test_a_run_that_does_not_start_costs_no_earlier_recording(tmp_path, monkeypatch, words, code, mode):
    pytest.importorskip("av")
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.chdir(tmp_path)
    for name in ("rec.mp4", "rec.h264", "events.jsonl"):
        (tmp_path / name).write_bytes(b"of yesterday")
    assert main(["run", "test://street?size=320x240", "rec.mp4", "rec.h264", "--overwrite"] + words
                + ["--mode", mode, "--events", "events.jsonl", "--web", "off", "--duration", "1"]) == code
    for name in ("rec.mp4", "rec.h264", "events.jsonl"):
        assert (tmp_path / name).read_bytes() == b"of yesterday"


def test_the_pipeline_refuses_before_it_opens_anything(video):
    with pytest.raises(ConfigError, match="same file"):
        Pipeline(conf(video, video)).run()
