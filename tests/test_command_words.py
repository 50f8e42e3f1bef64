"""What all commands have in common, however deep they stand, and what becomes of a word that can't be read."""
import pytest

from edgecam.cli import EPILOG, main

COMMANDS = ["", "check", "detect", "devices", "models", "models eval", "models build", "models resize", "passwd", "run", "bench", "bench roi"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_verbosity_and_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command.split() + ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0 and "-v, --verbose" in said and said.endswith(EPILOG)


@pytest.mark.parametrize("words", [["-v", "models", "eval"], ["models", "-v", "eval"], ["models", "eval", "-v"]])
def test_verbosity_is_taken_wherever_it_stands(words, capsys, tmp_path):
    assert main(words + ["./none.onnx", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "edgecam: models eval: MODEL: no model file ./none.onnx"


@pytest.mark.parametrize("words, said", [
    (["run", "--duration", "soon"], "run: argument --duration: 'soon': expected a number, such as 2.5 (try: edgecam run --help)"),
    (["detect", "x.jpg", "--threshold", "nan"], "detect: argument --threshold: 'nan': expected a number, such as 2.5 (try: edgecam detect --help)"),
    (["models", "eval", "a", "b", "--limit", "x" * 99],
     "models eval: argument --limit: '" + "x" * 57 + "...': expected a whole number, such as 20 (try: edgecam models eval --help)"),
    (["models", "build", "a", "--batch", "1.5"], "models build: argument --batch: '1.5': expected a whole number, such as 20 (try: edgecam models build --help)")])
def test_what_is_no_number_is_told_in_plain_words(words, said, capsys):
    assert main(words) == 2
    assert capsys.readouterr() == ("", "edgecam: " + said + "\n")
