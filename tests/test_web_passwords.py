import argparse
import io
import os
import pty
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgecam.commands import passwd
from edgecam.config import load_config
from edgecam.errors import ConfigError, UsageError
from edgecam.web.passwords import Attempts, Keyring, hash_password, make_password, make_token
from edgecam.web.routes import OPERATOR, VIEWER
from program import ROOT, edgecam


def web(**changes):
    return load_config().web.replace(**changes)


def test_each_password_opens_its_role_and_nothing_else():
    keys = Keyring(web(password=hash_password("operator pw"), viewer_password=hash_password("viewer pw")))
    assert keys.role_of_password("operator pw") == OPERATOR
    assert keys.role_of_password("viewer pw") == VIEWER
    assert keys.role_of_password("Operator pw") is None
    assert keys.locked


def test_without_passwords_nothing_is_locked():
    assert not Keyring(web()).locked


def test_a_made_up_password_holds():
    password = make_password()
    keys = Keyring(web(), made_up=password)
    assert keys.role_of_password(password) == OPERATOR
    assert len(password) == 19 and password != make_password()


def test_tokens_open_their_role():
    token, line = make_token("viewer")
    keys = Keyring(web(tokens=[line]))
    assert keys.role_of_token(token) == VIEWER
    assert keys.role_of_token(line) is None and keys.role_of_token("") is None
    assert token not in line


@pytest.mark.parametrize("changes", [{"password": "secret"}, {"viewer_password": "secret"}, {"tokens": ["secret"]},
                                     {"tokens": ["admin:sha256:" + 64 * "0"]}, {"tokens": ["viewer:sha256:" + 64 * "\u00e9"]},
                                     {"tokens": ["viewer:sha256:" + 64 * "A"]}])
def test_what_is_no_hash_is_refused_without_being_repeated(changes):
    with pytest.raises(ConfigError) as caught:
        Keyring(web(**changes))
    assert "edgecam passwd" in str(caught.value) and "secret" not in str(caught.value)


def test_a_client_runs_out_of_attempts_and_wins_them_back():
    attempts = Attempts(burst=3, every=10)
    assert [attempts.wait_for("a", 0) for _ in range(4)] == [0, 0, 0, 10]
    assert attempts.wait_for("b", 0) == 0
    assert attempts.wait_for("a", 9) == pytest.approx(1)
    assert attempts.wait_for("a", 10) == 0


def test_many_clients_together_are_limited_too():
    attempts = Attempts(burst=3, all_burst=10, all_every=1)
    allowed = sum(attempts.wait_for("client {}".format(n), 0) == 0 for n in range(5000))
    assert allowed == 10
    assert len(attempts._buckets) <= 1024


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=60))
def test_no_client_gets_more_than_its_rate(steps):
    attempts, now, allowed = Attempts(burst=5, every=12), 0.0, {"a": 0, "b": 0, "c": 0}
    for client, pause in steps:
        now += pause
        allowed[client] += attempts.wait_for(client, now) == 0
    assert all(count <= 5 + now / 12 for count in allowed.values())


def run_passwd(words, typed, monkeypatch, capsys):
    parser = argparse.ArgumentParser()
    passwd.add_arguments(parser)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert passwd.main(parser.parse_args(words)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words, key, role", [([], "password", OPERATOR), (["--viewer"], "viewer_password", VIEWER)])
def test_passwd_prints_a_line_that_the_settings_take(words, key, role, monkeypatch, capsys, tmp_path):
    out = run_passwd(words, "correct horse\n", monkeypatch, capsys)
    assert "correct horse" not in out
    (tmp_path / "mine.yaml").write_text(out)
    assert Keyring(load_config(str(tmp_path / "mine.yaml")).web).role_of_password("correct horse") == role


def test_passwd_makes_tokens(monkeypatch, capsys, tmp_path):
    out = run_passwd(["--token", "operator"], "", monkeypatch, capsys)
    token = out.split("Bearer ")[1].split()[0]
    (tmp_path / "mine.yaml").write_text(out)
    conf = load_config(str(tmp_path / "mine.yaml"))
    assert Keyring(conf.web).role_of_token(token) == OPERATOR
    assert yaml.safe_load(out)["web"]["tokens"][0] not in str(conf.redacted())


@pytest.mark.parametrize("words", [["--viewer", "--token", "operator"], ["--token", "viewer", "--viewer"]])
def test_a_token_and_a_password_are_not_made_at_once(words):
    code, said, err = edgecam("passwd", *words)
    assert (code, said) == (2, "") and err.startswith("edgecam: passwd: argument --") and "not allowed with argument --" in err and len(err.splitlines()) == 1


def test_a_short_password_is_refused(monkeypatch, capsys):
    with pytest.raises(UsageError):
        run_passwd([], "short\n", monkeypatch, capsys)


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_bytes_that_are_no_text_are_refused(locale):
    done = subprocess.run([sys.executable, "-m", "edgecam", "passwd"], input=b"\xff\xfe password\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=ROOT, LC_ALL=locale))
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.decode().splitlines() == ["edgecam: the password is no UTF-8 text; nothing was made"]


def test_the_end_of_input_at_a_terminal_is_one_line():
    child, terminal = pty.fork()
    if child == 0:
        os.environ["PYTHONPATH"] = ROOT
        os.execv(sys.executable, [sys.executable, "-m", "edgecam", "passwd"])
    said = b""
    try:
        while b"Password:" not in said:
            said += os.read(terminal, 1000)
        os.write(terminal, b"\x04")
        while True:
            said += os.read(terminal, 1000)
    except OSError:             # Linux' word for a terminal that nobody holds any more
        pass
    finally:
        os.close(terminal)
    status = os.waitpid(child, 0)[1]
    assert os.WEXITSTATUS(status) == 2 and b"no password was typed" in said and b"Traceback" not in said
