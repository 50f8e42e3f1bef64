"""The size of a picture as it is typed, in every place that takes one."""
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgecam.bench.roi import parse_size
from edgecam.capture import open_camera
from edgecam.cli import main
from edgecam.config import load_config
from edgecam.errors import ConfigError
from edgecam.size import LEAST, MOST, read_size

SIDES = st.integers(LEAST, MOST)
NONE = ("big", "960", "960x", "x540", "960x540x3", "960*540", "960,540", "1_0x540", "960x5_40", "+960x540", "-960x540", "960.0x540", "1e3x540", "0x540", "0960x0540",
        "0x3cx540", "٩٦٠x٥٤٠", "９６０x５４０", "²²x540", "960×540", "960х540")      # the last two: a sign of multiplication, a Cyrillic letter
WHITE = (" 960x540", "960 x 540", "960x540 ", "960x540\n", "960x\t540")
WORDS = "expected WIDTHxHEIGHT, each from {} to {} pixels, such as 960x540"


@given(SIDES, SIDES, st.sampled_from("xX"))
def test_what_is_written_is_read(width, height, by):
    assert read_size("{}{}{}".format(width, by, height)) == (width, height)


@given(st.one_of(st.text(), st.text("0123456789xX+-_. ٣３", max_size=12), st.from_regex(r"\A\d{1,7}[xX]\d{1,7}\Z")))
@example("9" * 5000 + "x540")       # more than Python makes a number of
def test_anything_else_is_told_what_was_expected(text):
    """Whatever it reads is, up to the letter between, what the size is written as: no two spellings of one number."""
    try:
        width, height = read_size(text)
    except ValueError as error:
        assert str(error) == WORDS.format(LEAST, MOST)
    else:
        assert text.replace("X", "x") == "{}x{}".format(width, height) and set(text) <= set(string.digits + "xX")
        assert LEAST <= min(width, height) and max(width, height) <= MOST


@pytest.mark.parametrize("text", NONE + WHITE)
def test_no_size(text):
    with pytest.raises(ValueError, match="expected WIDTHxHEIGHT"):
        read_size(text)


@given(st.integers(1, 500), st.integers(0, 500), st.integers(1, 1000), st.integers(1, 1000))
def test_the_limits_of_a_place_are_told_and_both_are_in(least, more, width, height):
    text, most = "{}x{}".format(width, height), least + more
    if least <= width <= most and least <= height <= most:
        assert read_size(text, least, most) == (width, height)
    else:
        with pytest.raises(ValueError) as caught:
            read_size(text, least, most)
        assert str(caught.value) == WORDS.format(least, most)


PLACES = [      # the words before and behind the size, what is said before it, and its limits there
    (["bench", "roi", "none.mp4", "--size"], [], "--size ", LEAST, MOST), (["bench", "v4l2", "--size"], [], "--size ", LEAST, MOST),
    (["bench", "detect", "--size"], [], "--size ", LEAST, MOST), (["bench", "latency", "--ways", "img", "--size"], [], "--size ", 160, 4096),
    (["models", "resize", "full"], ["x.onnx"], "models resize: ", 64, 8192)]


def complaint(capsys, words):
    code, said = main(words), capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return code, said.err


@pytest.mark.parametrize("place", PLACES, ids=lambda place: " ".join(place[0][:2]))
@pytest.mark.parametrize("text", ["big", "1_00x540", "9x540", "960x99999"])
def test_every_command_names_option_and_value_in_one_line(capsys, place, text):
    code, said = complaint(capsys, place[0] + [text] + place[1])
    assert code == 2 and "{}{}: {}".format(place[2], text, WORDS.format(*place[3:])) in said


@pytest.mark.parametrize("place", PLACES, ids=lambda place: " ".join(place[0][:2]))
def test_white_space_and_other_scripts_digits_are_refused_everywhere(capsys, place):
    for text in (" 960x540", "٩٦٠x٥٤٠"):
        code, said = complaint(capsys, place[0] + [text] + place[1])
        assert code == 2 and "expected WIDTHxHEIGHT" in said


def test_the_scene_s_size_is_wrong_usage_where_it_is_typed_and_wrong_configuration_in_a_file(tmp_path, capsys):
    wanted = "test://street?size=1_00x540: size=1_00x540: " + WORDS.format(160, 4096)
    code, said = complaint(capsys, ["run", "test://street?size=1_00x540", "null:"])
    assert code == 2 and wanted in said
    (tmp_path / "street.yaml").write_text("capture:\n  input: test://street?size=1_00x540\noutputs:\n  urls: ['null:']\n")
    code, said = complaint(capsys, ["run", "--config", str(tmp_path / "street.yaml")])
    assert code == 78 and wanted in said and "street.yaml:2" in said


@pytest.mark.parametrize("text", ["161x99999", "159x540", "%20960x540"])
def test_the_scene_s_limits(text):
    with pytest.raises(ConfigError, match="size=.*: " + WORDS.format(160, 4096)):
        open_camera(load_config(overrides=["capture.input=test://street?size=" + text]).capture)


def test_both_letters_are_taken_by_every_place():
    assert parse_size("320X180") == parse_size("320x180") == (320, 180) and parse_size("source") is None
    with open_camera(load_config(overrides=["capture.input=test://street?size=320X180"]).capture) as camera:
        assert (camera.format.width, camera.format.height) == (320, 180)
