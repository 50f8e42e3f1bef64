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
