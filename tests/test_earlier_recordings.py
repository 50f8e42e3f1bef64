"""A second run under the same name: no earlier recording is lost, and its user is told."""
import os
import time

import pytest

from clips import count_frames, import_av, make_clip
from edgecam.cli import main
from edgecam.events import EventFile
from edgecam.naming import NewName
from edgecam.outputs import open_outputs
from edgecam.outputs.mp4 import Mp4Output
from streams import SLICED_FILE, STREAM, make_packets, settings_with

EARLIER = b"of yesterday"
QUIET = ["--mode", "exact", "--web", "off", "--detector", "none"]


@pytest.fixture(params=["x.mp4", "x.h264"])
def earlier(request, tmp_path):
    path = tmp_path / request.param
    path.write_bytes(EARLIER)
    return path


def record(path, **settings):
    """Record to *path*; return the names of the files that it took."""
    with open_outputs(settings_with(urls=[str(path)], **settings), STREAM, lossless=True) as outputs:
        for packet in make_packets():
            outputs.write(packet)
    return [os.path.basename(name) for name in outputs.stats()[0]["files"]]


def test_the_next_free_name_is_taken_and_said(earlier, caplog):
    stem, ending = earlier.name.split(".")
    assert [record(earlier) for _ in range(2)] == [["{}-{}.{}".format(stem, number, ending)] for number in (2, 3)]
    assert earlier.read_bytes() == EARLIER and caplog.text.count("is there from an earlier run and is kept") == 2


def test_who_may_overwrite_does(earlier, caplog):
    assert record(earlier, overwrite=True) == [earlier.name]
    assert earlier.read_bytes()[:12] != EARLIER and os.listdir(str(earlier.parent)) == [earlier.name] and not caplog.text


def test_an_empty_file_is_no_recording(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"")
    assert record(tmp_path / "x.mp4") == ["x.mp4"]


def test_a_pipe_is_no_recording(tmp_path):
    os.mkfifo(str(tmp_path / "x.h264"))
    assert NewName(str(tmp_path / "x.h264")).next() == str(tmp_path / "x.h264")


def test_a_recording_that_goes_on_elsewhere_passes_over_earlier_ones_too(tmp_path):
    (tmp_path / "x-2.mp4").write_bytes(EARLIER)
    with Mp4Output(str(tmp_path / "x.mp4")) as output:
        output.open(STREAM)
        for packet in make_packets() + make_packets(SLICED_FILE, first=300000):
            output.write(packet)
    assert [os.path.basename(name) for name in output.files] == ["x.mp4", "x-3.mp4"]
    assert (tmp_path / "x-2.mp4").read_bytes() == EARLIER


def test_events_are_kept_too(tmp_path):
    (tmp_path / "e.jsonl").write_bytes(EARLIER)
    for overwrite, name in ((False, "e-2.jsonl"), (True, "e.jsonl")):
        with EventFile(str(tmp_path / "e.jsonl"), overwrite) as events:
            assert events.path == str(tmp_path / name) and (tmp_path / "e.jsonl").read_bytes() == EARLIER
            events.write({"frame": 0})
        assert (tmp_path / name).read_text() == '{"frame":0}\n'
    with EventFile(str(tmp_path / "e-%Y.jsonl")) as events:
        assert os.path.basename(events.path) == time.strftime("e-%Y.jsonl")


@pytest.mark.parametrize("there, urls, taken", [
    (["two"], ["two", "two-2"], ["two-3", "two-2"]), (["two"], ["two-2", "two"], ["two-2", "two-3"]), (["two"], ["two", "./two-2"], ["two-3", "two-2"]),
    (["two", "two-2"], ["two", "two-2"], ["two-3", "two-2-2"]), ([], ["%Y", time.strftime("%Y")], [time.strftime(name) for name in ("%Y", "%Y-2")]),
])
@pytest.mark.parametrize("ending", [".mp4", ".h264"])
def test_the_free_name_is_no_other_output_of_the_run(tmp_path, monkeypatch, caplog, ending, there, urls, taken):
    monkeypatch.chdir(tmp_path)
    for name in there:
        (tmp_path / (name + ending)).write_bytes(EARLIER)
    with open_outputs(settings_with(urls=[url + ending for url in urls]), STREAM, lossless=True) as outputs:
        for packet in make_packets():
            outputs.write(packet)
    assert [os.path.normpath(name) for output in outputs.stats() for name in output["files"]] == [name + ending for name in taken]
    assert all((tmp_path / (name + ending)).read_bytes() == EARLIER for name in there)
    assert caplog.text.count("is there from an earlier run and is kept") == len(there)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_recording_that_goes_on_elsewhere_passes_over_other_outputs(tmp_path, caplog, overwrite):
    urls = [str(tmp_path / name) for name in ("x.mp4", "x-2.mp4")]
    with open_outputs(settings_with(urls=urls, overwrite=overwrite), STREAM, lossless=True) as outputs:
        for packet in make_packets() + make_packets(SLICED_FILE, first=300000):
            outputs.write(packet)
    assert [[os.path.basename(name) for name in output["files"]] for output in outputs.stats()] == [["x.mp4", "x-3.mp4"], ["x-2.mp4", "x-2-2.mp4"]]
    assert "x-2.mp4: is another output of this run; this one goes into " in caplog.text


# -- the program ----------------------------------------------------------------------------------------

@pytest.fixture
def clip(tmp_path):
    import_av()
    (tmp_path / "in").mkdir()
    return make_clip(tmp_path / "in" / "walk.mp4", frames=3)


@pytest.fixture
def settings_file(tmp_path):
    path = tmp_path / "in" / "mine.yaml"
    path.write_text("outputs: {overwrite: true}\n")
    return str(path)


def test_a_file_is_not_run_into_an_earlier_recording(earlier, capsys):
    assert main(["run", "walk.mp4", str(earlier)] + QUIET) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and str(earlier) in said[0] and "--overwrite" in said[0]
    assert earlier.read_bytes() == EARLIER and os.listdir(str(earlier.parent)) == [earlier.name]


def test_what_the_line_says_helps(clip, tmp_path, settings_file):
    out = str(tmp_path / "o.mp4")
    for words in ([], ["--overwrite"], ["--set", "outputs.overwrite=true"], ["--config", settings_file]):
        assert main(["run", clip, out] + words + QUIET) == 0
    assert main(["run", clip, str(tmp_path / "%Y.mp4")] + QUIET) == main(["run", clip, str(tmp_path / "%Y.mp4")] + QUIET) == 0
    assert len(list(tmp_path.iterdir())) == 4 and count_frames(out)[0] == 3


def test_what_is_live_is_recorded_whatever_is_there(tmp_path, capsys):
    import_av()
    words = ["run", "test://street?size=320x240&frames=5", str(tmp_path / "o.mp4")] + QUIET
    assert [main(words) for _ in range(3)] == [0, 0, 0]
    assert sorted(os.listdir(str(tmp_path))) == ["o-2.mp4", "o-3.mp4", "o.mp4"]
    assert all(count_frames(path)[0] == 5 for path in tmp_path.iterdir())
    said = capsys.readouterr()
    assert "o.mp4: is there from an earlier run and is kept" in said.err and "o-3.mp4  5 packets" in said.out


def test_what_is_live_is_recorded_beside_an_output_that_has_its_free_name(tmp_path, monkeypatch):
    import_av()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.mp4").write_bytes(EARLIER)
    assert main(["run", "test://street?size=320x240&frames=5", "two.mp4", "two-2.mp4"] + QUIET) == 0
    assert (tmp_path / "two.mp4").read_bytes() == EARLIER and [count_frames(tmp_path / name)[0] for name in ("two-2.mp4", "two-3.mp4")] == [5, 5]
