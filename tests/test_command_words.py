"""What all commands have in common, however deep they stand, and what becomes of a word that can't be read."""
import logging

import pytest

from edgecam.cli import EPILOG, main
from edgecam.config import load_config

COMMANDS = ["", "check", "detect", "devices", "models", "models eval", "models build", "models resize", "passwd", "run", "bench", "bench roi"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_verbosity_and_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command.split() + ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0 and "-v, --verbose say everything" in said and said.endswith(EPILOG)


@pytest.mark.parametrize("words", [["-v", "models", "eval"], ["models", "-v", "eval"], ["models", "eval", "-v"]])
def test_verbosity_is_taken_wherever_it_stands(words, capsys, tmp_path):
    assert main(words + ["./none.onnx", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "edgecam: models eval: MODEL: no model file ./none.onnx"
    assert logging.getLogger("edgecam").level == logging.DEBUG          # there is nothing beyond that a second one would add


@pytest.mark.parametrize("words, said", [
    (["run", "--duration", "soon"], "run: argument --duration: 'soon': expected a number, such as 2.5 (try: edgecam run --help)"),
    (["detect", "x.jpg", "--threshold", "nan"], "detect: argument --threshold: 'nan': expected a number, such as 2.5 (try: edgecam detect --help)"),
    (["models", "eval", "a", "b", "--limit", "x" * 99],
     "models eval: argument --limit: '" + "x" * 57 + "...': expected a whole number, such as 20 (try: edgecam models eval --help)"),
    (["models", "build", "a", "--batch", "1.5"], "models build: argument --batch: '1.5': expected a whole number, such as 20 (try: edgecam models build --help)")])
def test_what_is_no_number_is_told_in_plain_words(words, said, capsys):
    assert main(words) == 2
    assert capsys.readouterr() == ("", "edgecam: " + said + "\n")


@pytest.mark.parametrize("words, code, said", [
    (["check", "~/none.yaml"], 78, "{}/none.yaml: can't be read: No such file or directory"),
    (["run", "--config=~/none.yaml"], 78, "{}/none.yaml: can't be read: No such file or directory"),
    (["run", "--model=~/none.onnx"], 2, "run: --model: no model file {}/none.onnx"),
    (["detect", "~/home"], 2, "{0}/home: a folder; name the pictures in it (try: {0}/home/*.jpg)"),
    (["devices", "~/video0"], 2, "{}/video0: there is no such device; "),
    (["models", "--folder=~/none"], 2, "models: --folder {}/none: there is no such folder"),
    (["models", "eval", "~/none.onnx", "data"], 2, "models eval: MODEL: no model file {}/none.onnx"),
    (["models", "build", "~/none.onnx"], 2, "models build: MODEL: no model file {}/none.onnx"),
    (["models", "resize", "~/none.onnx", "96x96", "x.onnx"], 2, "models resize: MODEL: no model file {}/none.onnx"),
    (["models", "resize", "x.onnx", "96x96", "~/none/x.onnx"], 2, "models resize: FILE {0}/none/x.onnx: there is no folder {0}/none; "),
    (["bench", "track", "~/none", "--json=~/none/x.json"], 2, "--json {0}/none/x.json: there is no folder {0}/none; ")])
def test_a_tilde_is_the_home_folder_where_no_shell_has_read_it(words, code, said, tmp_path, capsys, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(words) == code
    assert capsys.readouterr().err.splitlines()[-1].startswith("edgecam: " + said.format(tmp_path))


def test_a_tilde_is_the_home_folder_in_settings_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/of/mine")
    path = tmp_path / "s.yaml"
    path.write_text("outputs: {urls: [~/x.mp4, 'rtsp://~/x', ./~/x.mp4]}\nencode: {options: ~/x}\n")
    conf = load_config(str(path), overrides=["events.file=~/e.jsonl", "detect.models=~nobody-of-that-name/x"])
    assert conf.outputs.urls == ("/home/of/mine/x.mp4", "rtsp://~/x", "./~/x.mp4")
    assert (conf.events.file, conf.detect.models, conf.encode.options) == ("/home/of/mine/e.jsonl", "~nobody-of-that-name/x", "~/x")


@pytest.mark.parametrize("words, command", [(["models", "eval", "a", "b", "--foo"], "models eval"), (["bench", "roi", "x.mp4", "--foo"], "bench roi"),
                                            (["devices", "--foo"], "devices")])
def test_an_option_that_is_none_is_told_with_the_help_that_lists_them(words, command, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err == "edgecam: {0}: unknown: --foo (try: edgecam {0} --help)\n".format(command)


def test_a_command_that_is_none_is_told_with_all_that_there_are(capsys):
    assert main(["help", "run"]) == 2
    said = capsys.readouterr().err
    assert "invalid choice: 'help'" in said and all(name in said for name in ("check", "detect", "devices", "models", "passwd", "run", "bench"))
    assert main(["bench", "help", "roi"]) == 2
    said = capsys.readouterr().err
    assert "invalid choice: 'help'" in said and all(name in said for name in ("detect", "latency", "live", "pipeline", "roi", "track", "v4l2"))


@pytest.mark.parametrize("words, said", [
    (["--folder", "/tmp", "eval", "a", "b"], "eval: --folder /tmp is for the list alone; name the model's path, or set EDGECAM_MODELS"),
    (["--folder", "/tmp", "resize", "a", "64x64", "b.onnx"], "resize: --folder /tmp is for the list alone; "),
    (["--json", "build", "a"], "build: --json is for the list and eval alone; leave it out (try: edgecam models build --help)")])
def test_options_of_the_list_are_not_passed_over_before_another_action(words, said, capsys):
    assert main(["models"] + words) == 2
    assert capsys.readouterr().err.startswith("edgecam: models " + said)
