"""Make the hash of a password, or a token, for the live page's settings.

Without options: asks for a password twice (or reads one line from a pipe) and prints the
line for web.password. With --token ROLE: makes a token for a machine up and prints it, and
the line for web.tokens. Nothing is stored here.
"""
import getpass
import sys

from edgecam.errors import UsageError
from edgecam.standard import tell

SHORTEST, LONGEST = 8, 256      # characters


def add_arguments(parser):
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--viewer", action="store_true", help="for web.viewer_password: may look, but not change")
    what.add_argument("--token", choices=("viewer", "operator"), metavar="ROLE", help="make a token for a machine instead: viewer or operator")


def main(args):
    from edgecam.web.passwords import hash_password, make_token
    if args.token:
        token, line = make_token(args.token)
        tell("# the token, shown only now:  Authorization: Bearer {}\nweb:\n  tokens: [\"{}\"]\n".format(token, line))
        return 0
    key = "viewer_password" if args.viewer else "password"
    tell("web:\n  {}: {}\n".format(key, hash_password(read_password())))
    return 0


def read_password():
    """Return what is typed, twice, at a terminal, else the one line of a pipe. Raises `UsageError`."""
    try:
        password = ask()
        password.encode("utf-8")            # a browser sends it so, and a terminal of another encoding may not give it so
    except EOFError as error:
        raise UsageError("no password was typed; nothing was made") from error
    except UnicodeError as error:
        raise UsageError("the password is no UTF-8 text; nothing was made") from error
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError("a password has {} to {} characters, this one {}".format(SHORTEST, LONGEST, len(password)))
    return password


def ask():
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise UsageError("the two passwords differ; nothing was made")
        return password
    return sys.stdin.readline().rstrip("\r\n")
