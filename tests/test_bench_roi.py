"""`edgecam bench roi` from the words on the command line to table, JSON and plot; and its arithmetic."""
import json
import math
import shutil
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam import cli
from edgecam.bench.roi_bdrate import bd_rate
from edgecam.bench.roi_clip import Clip
from edgecam.bench.roi_quality import Quality, blocks, ssim_map
from edgecam.bench.roi_report import encode_ratio, summarise, verdict
from clips import make_clip
from test_capture_turning import ask

RATES = "40k,70k,120k,200k"
# Pairs of curves, with what the package bjontegaard 1.3.0 (bd_rate, method "akima", min_overlap 0) says of them. The first
# pair is the example of ITU-T VCEG-M33's spreadsheet.
KNOWN = [
    ([(686.76, 40.28), (309.58, 37.18), (157.11, 34.24), (85.95, 31.42)],
     [(893.34, 40.39), (407.8, 37.21), (204.93, 34.17), (112.75, 31.24)], 31.38398898434116),
    ([(100, 30), (200, 33), (400, 36.2), (800, 39), (1500, 41.1)],
     [(80, 30.4), (170, 33.3), (330, 36.9), (690, 39.4), (1300, 41.6)], -24.765725036838937),
]
CURVE = st.lists(st.tuples(st.floats(0.5, 3), st.floats(0.3, 4)), min_size=4, max_size=7)


@pytest.mark.parametrize("reference, test, expected", KNOWN)
def test_the_bd_rate_agrees_with_the_reference_implementation(reference, test, expected):
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    assert bd_rate(reference, test) == pytest.approx(expected, rel=1e-6)


def climb(steps):
    """Return a curve of (rate, quality) that rises in both."""
    rate, quality, points = 100.0, 30.0, []
    for up, better in steps:
        rate, quality = rate * (1 + up), quality + better
        points.append((rate, quality))
    return points


@given(CURVE, st.floats(0.2, 5))
def test_the_same_curve_at_another_rate_differs_by_just_that(steps, factor):
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    points = climb(steps)
    scaled = [(rate * factor, quality) for rate, quality in points]
    assert bd_rate(points, scaled) == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert bd_rate(points[::-1], points) == pytest.approx(0, abs=1e-9)


def test_curves_that_share_no_quality_have_no_bd_rate():
    low = climb([(1, 1)] * 5)
    assert bd_rate(low, [(rate, quality + 50) for rate, quality in low]) is None
    assert bd_rate(low, [(100, 30), (200, 31), (300, 30.5), (400, 32)]) is None
    assert bd_rate(low, [(100, 30), (200, None), (300, 32), (400, 33)]) is None


def test_a_part_without_pixels_has_no_quality():
    picture, quality = np.full((16, 16), 100, np.uint8), Quality()
    quality.add(picture, picture, np.ones((16, 16), bool))
    assert quality.psnr == {"inside": 100, "outside": None, "whole": 100} and quality.ssim["outside"] is None


def test_psnr_is_pooled_over_all_pixels_of_its_part():
    original, mask = np.full((16, 16), 100, np.uint8), np.zeros((16, 16), bool)
    mask[:8] = True
    worse, quality = original.copy(), Quality()
    worse[:8] += 10
    quality.add(original, worse, mask)
    quality.add(original, original, None)
    assert quality.psnr["inside"] == pytest.approx(10 * math.log10(255 ** 2 / 100))
    assert quality.psnr["whole"] == pytest.approx(10 * math.log10(255 ** 2 / 25))
    assert quality.psnr["outside"] == 100
    assert quality.frames == [pytest.approx(10 * math.log10(255 ** 2 / 100))]


def test_ssim_agrees_with_its_definition_window_by_window():
    random = np.random.RandomState(6)
    a, b = random.randint(0, 255, (24, 32)).astype(np.uint8), random.randint(0, 255, (24, 32)).astype(np.uint8)
    found = ssim_map(a, b)
    assert found.shape == (5, 7)
    for row, column in ((0, 0), (2, 3), (4, 6)):
        x, y = (p[4 * row:4 * row + 8, 4 * column:4 * column + 8].astype(float) for p in (a, b))
        expected = ((2 * x.mean() * y.mean() + 6.5025) * (2 * ((x * y).mean() - x.mean() * y.mean()) + 58.5225)
                    / ((x.mean() ** 2 + y.mean() ** 2 + 6.5025) * (x.var() + y.var() + 58.5225)))
        assert found[row, column] == pytest.approx(expected)
    assert ssim_map(a, a).min() == pytest.approx(1)


def test_blocks_leave_out_what_is_not_whole():
    assert blocks(np.ones((11, 9), int)).tolist() == [[16, 16], [16, 16]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A textured square on a textured ground, with noise: 24 frames of 160x96 and their truth."""
    av = pytest.importorskip("av", reason="PyAV has no wheel for this Python")
    folder = tmp_path_factory.mktemp("square")
    random = np.random.RandomState(7)
    ground, square = random.randint(90, 150, (96, 160)), random.randint(30, 220, (32, 32))
    with av.open(str(folder / "video_1.mp4"), "w") as container, open(str(folder / "gt.jsonl"), "w") as truth:
        stream = container.add_stream("libx264", rate=10, options={"crf": "8", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for i in range(24):
            picture = ground + random.randint(-6, 7, ground.shape)
            picture[30:62, 10 + 4 * i:42 + 4 * i] = square
            planes = np.full((144, 160), 128, np.uint8)
            planes[:96] = np.clip(picture, 0, 255)
            for packet in stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")):
                container.mux(packet)
            truth.write(json.dumps({"frame": i, "boxes": [["car", 10 + 4 * i, 30, 32, 32, 1, "drawn"]]}) + "\n")
        container.mux(stream.encode(None))
    return folder


def bench(*words):
    return cli.main(["bench", "roi"] + [str(word) for word in words])


def test_the_whole_benchmark_on_a_small_clip(clip, tmp_path, capsys):
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    pytest.importorskip("matplotlib", reason="matplotlib draws the plot")
    code = bench(clip / "video_1.mp4", "--size", "source", "--boxes", "truth", "--live", "--hz", "5", "--set", "track.motion=off",
                 "--json", tmp_path / "r.json", "--plot", tmp_path / "r.png")
    assert code == 0
    figures = json.loads((tmp_path / "r.json").read_text())
    video = figures["videos"][0]
    assert video["frames"] == 24 and video["size"] == [160, 96] and video["truth"] == "file"
    assert sorted(video["points"]) == ["carried", "held", "no AQ", "own AQ", "regions"]
    assert all(len(points) == 5 for points in video["points"].values())
    for points in video["points"].values():
        assert all(0 < p["psnr"]["inside"] < 60 and p["rate"] > 1000 and p["encode_ms"] > 0 for p in points)
    bd = video["bd"]["regions"]
    assert bd["no AQ"]["psnr"]["inside"] < 0 < bd["no AQ"]["psnr"]["outside"]
    assert bd["own AQ"]["ssim"]["inside"] < 0
    assert figures["summary"]["regions"]["own AQ"]["inside_mean"] == bd["own AQ"]["psnr"]["inside"]
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "BD-rate" in said and "of the exact saving" in said


def test_softening_the_background_gives_the_regions_more(clip, tmp_path):
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    pytest.importorskip("cv2", reason="OpenCV softens")
    saving = {}
    for background in ("keep", "soften"):
        out = tmp_path / background
        assert bench(clip / "video_1.mp4", "--size", "source", "--boxes", "truth", "--bitrates", "40k,70k,120k,200k,300k",
                     "--set", "roi.background=" + background, "--set", "track.motion=off", "--json", out) == 0
        saving[background] = json.loads(out.read_text())["summary"]["regions"]["no AQ"]
    assert saving["soften"]["inside_mean"] < saving["keep"]["inside_mean"]


@pytest.mark.parametrize("words, message", [
    (["--size", "100"], "expected WIDTHxHEIGHT"), (["--size", "101x99"], "even"), (["--hz", "0"], "--hz is 0.001 or more"), (["--hz", "1e-320"], "--hz is 0.001 or more"),
    (["--bitrates", "100k,200k"], "four at least"), (["--bitrates", "a,b,c,d"], "not a number"), (["--truth", "a", "--truth", "b"], "more --truth"),
])
def test_wrong_words_are_told_in_one_line(clip, capsys, words, message):
    assert bench(clip / "video_1.mp4", *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_file_that_is_no_video_is_told(clip, capsys):
    assert bench(clip / "gt.jsonl", "--boxes", "truth") == 1
    error = capsys.readouterr().err
    assert "input {}: ".format(clip / "gt.jsonl") in error and error.count("\n") == 1


def test_videos_may_stand_around_options(clip, tmp_path, capsys):
    missing = tmp_path / "missing.mp4"
    assert bench(missing, "--frames", 8, clip / "video_1.mp4") not in (0, 2)
    assert str(missing) in capsys.readouterr().err


@pytest.mark.parametrize("word, message", [("none.mp4", "none.mp4: there is no such file"),
                                           ("test://street", "VIDEO: test://street is no video file"),
                                           ("gopher://x", "bench roi: VIDEO: input gopher://x: unknown scheme gopher")])
def test_a_name_that_is_none_is_told(clip, capsys, word, message):
    assert bench(word) == (1 if word == "none.mp4" else 2)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_file_is_read_whatever_its_name_looks_like(clip, tmp_path, monkeypatch):
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    shutil.copy(str(clip / "video_1.mp4"), str(tmp_path / "12:30:00.mp4"))
    shutil.copy(str(clip / "gt.jsonl"), str(tmp_path))
    monkeypatch.chdir(str(tmp_path))
    assert bench("12:30:00.mp4", "file:12:30:00.mp4", "--size", "source", "--boxes", "truth", "--frames", "8", "--bitrates", RATES,
                 "--json", "r.json") == 0
    videos = json.loads((tmp_path / "r.json").read_text())["videos"]
    assert [(video["video"], video["truth"]) for video in videos] == [("12:30:00", "file")] * 2


def test_a_video_that_lies_on_its_side_is_compared_upright(clip, tmp_path):
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    path = ask(clip / "video_1.mp4", (0, 1, -1, 0), tmp_path / "turned.mp4")
    with open(str(clip / "gt.jsonl")) as lines, open(str(tmp_path / "gt.jsonl"), "w") as truth:
        for line in map(json.loads, lines):
            for box in line["boxes"]:
                box[1:5] = 96 - box[2] - box[4], box[1], box[4], box[3]
            truth.write(json.dumps(line) + "\n")
    assert bench(path, "--size", "source", "--boxes", "truth", "--bitrates", RATES, "--set", "track.motion=off", "--json", tmp_path / "r.json") == 0
    video = json.loads((tmp_path / "r.json").read_text())["videos"][0]
    assert video["size"] == [96, 160] and video["bd"]["regions"]["no AQ"]["psnr"]["inside"] < 0
    with Clip(path) as turned, Clip(str(clip / "video_1.mp4")) as lying:
        assert turned.count == lying.count == 24
        for number in (0, 23):
            for plane, other in zip(turned.planes(number), lying.planes(number)):
                assert (plane == np.rot90(other, 3)).all()


def test_a_truth_that_is_none_is_told(clip, tmp_path, capsys):
    for text, why in (('\n{"frame": 0}\n', ':2: it has no "boxes"; expected a line like'), ("car\n", ":1: it is no JSON; "),
                      ('{"frame": 0, "boxes": [[]]}', ":1: a value is of another kind, or one is missing; ")):
        (tmp_path / "t.jsonl").write_text(text)
        assert bench(clip / "video_1.mp4", "--truth", tmp_path / "t.jsonl") == 2
        error = capsys.readouterr().err
        assert "t.jsonl" + why in error and error.count("\n") == 1


@pytest.mark.parametrize("name, why", [("nix.jsonl", "there is no such file"), (".", "is no file")])
def test_a_truth_that_is_not_there_is_told_before_the_video_is_read(clip, capsys, name, why):
    assert bench("none.mp4", "--truth", name) == 2
    assert capsys.readouterr().err == "edgecam: bench roi: --truth {}: {}\n".format(name, why)


def test_a_truth_whose_boxes_come_later_says_where_they_begin(clip, tmp_path, capsys):
    late = tmp_path / "t.jsonl"
    late.write_text("".join(json.dumps({"frame": n, "boxes": [["car", 1, 1, 9, 9]] if n in (17, 12) else []}) + "\n" for n in reversed(range(24))))
    assert bench(clip / "video_1.mp4", "--truth", late, "--frames", "8") == 2
    error = capsys.readouterr().err
    assert "{}: there is no box in the 8 frames that are read; the first is in frame 12".format(late) in error and error.count("\n") == 1
    late.write_text('{"frame": 3, "boxes": []}\n{"frame": 30, "boxes": []}\n')
    assert bench(clip / "video_1.mp4", "--truth", late) == 2
    assert "t.jsonl: there is no box in it" in capsys.readouterr().err


@pytest.mark.parametrize("frames", [1, 7])
def test_too_few_frames_are_told_with_how_many_it_takes(clip, tmp_path, capsys, frames):
    assert bench(clip / "video_1.mp4", "--size", "source", "--boxes", "truth", "--frames", frames) == 2
    assert capsys.readouterr().err == "edgecam: --frames {}: a BD-rate needs 8 at least, better a few hundred\n".format(frames)
    path = make_clip(tmp_path / "short.mp4", frames=frames, size=(160, 96))
    assert bench(path, "--size", "source", "--boxes", "truth") == 2
    assert capsys.readouterr().err == "edgecam: short: has {} frame{}, and a BD-rate needs 8 at least; take a longer video\n".format(
        frames, "s" * (frames > 1))


def test_figures_on_standard_output_are_json_alone(clip, capsys):
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    assert bench(clip / "video_1.mp4", "--size", "source", "--boxes", "truth", "--bitrates", RATES, "--frames", "8", "--set", "track.motion=off", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["videos"][0]["frames"] == 8


def test_what_has_no_figure_is_left_out_with_the_reason(clip, tmp_path, capsys):
    """Boxes over the whole picture: nothing lies outside."""
    pytest.importorskip("scipy", reason="SciPy interpolates the curves")
    pytest.importorskip("matplotlib", reason="matplotlib draws the plot")
    whole = tmp_path / "t.jsonl"
    whole.write_text("".join(json.dumps({"frame": n, "boxes": [["car", 0, 0, 160, 96]]}) + "\n" for n in range(24)))
    out = tmp_path / "r.json"
    assert bench(clip / "video_1.mp4", "--size", "source", "--boxes", "truth", "--truth", whole, "--bitrates", RATES, "--frames", "8", "--live",
                 "--set", "track.motion=off", "--json", out, "--plot", tmp_path / "p.png") == 0
    said = capsys.readouterr().out
    assert "nan" not in said + out.read_text().lower() and "\n-: no figure: " in said and "outside      - %" in said
    figures = json.loads(out.read_text())
    assert figures["summary"]["regions"]["no AQ"]["outside_mean"] is None
    assert figures["videos"][0]["bd"]["regions"]["no AQ"]["psnr"]["inside"] is not None


def test_a_video_without_a_figure_leaves_the_verdict_open():
    one, two = result_of(-50.0), result_of(None)
    for result in (one, two):
        result["bd"]["carried"], result["points"]["carried"] = result["bd"]["regions"], result["points"]["regions"]
    lines = verdict(summarise([one, two])).splitlines()
    assert "mean      - %" in lines[1] and "unknown, for a video has no figure" in lines[1]
    assert lines[-1].startswith("carried    can't be set against the exact saving against no AQ: a video has no figure")


def result_of(inside, encode_ms=1.0):
    point = {"encode_ms": encode_ms}
    bd = {"psnr": {"inside": inside, "outside": 30.0, "whole": 10.0}}
    return {"bd": {"regions": {"own AQ": bd, "no AQ": bd}}, "points": {"regions": [point], "own AQ": [point], "no AQ": [{"encode_ms": 2.0}]}}


def test_the_verdict_takes_the_mean_and_the_worst_video():
    summary = summarise([result_of(-50.0), result_of(-15.0)])
    assert summary["regions"]["own AQ"]["inside_mean"] == -32.5 and summary["regions"]["own AQ"]["inside_worst"] == -15
    own, none = verdict(summary).splitlines()[1:]
    assert "missed" in own and "met" in none
    assert encode_ratio(result_of(-50.0), "regions", "no AQ") == 0.5


def test_rates_of_the_clip():
    from edgecam.bench.roi_measure import round_rate
    assert [round_rate(rate) for rate in (12345.6, 123456.7, 987654)] == [20000, 120000, 990000]
    assert Fraction(round_rate(20000)).denominator == 1
