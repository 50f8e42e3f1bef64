"""How every script ends where it was asked for what can't be: one line and exit code 2, no traceback."""
import os
import sys


class Refused(Exception):
    """What was asked for can't be done; the message says why, in a line."""


def run(main):
    """Return the exit code of ``main()``; a file that can't be read or written, and `Refused`, are told in a line."""
    try:
        return main()
    except Refused as error:
        said = str(error)
    except OSError as error:
        if error.filename is None:
            raise                       # no file of the user's
        said = "%s: %s" % (error.filename, error.strerror)
    sys.stderr.write("%s: error: %s\n" % (os.path.basename(sys.argv[0]), said))
    return 2
