"""The program: python -m edgecam, or the command edgecam."""
import sys

from edgecam.interrupts import leave_at_once
from edgecam.standard import fill_in


def program():
    """Run what was typed and return the exit code. Ctrl-C is quiet from here on, while the imports go by, too."""
    leave_at_once()
    fill_in()
    from edgecam.cli import main, own_log
    own_log()
    try:
        return main()
    finally:
        leave_at_once()         # the interpreter clears up, which is nothing to interrupt with a traceback either


if __name__ == "__main__":
    sys.exit(program())
