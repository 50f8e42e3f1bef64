"""One family of errors, each also the builtin that it means.

    EdgecamError
    +-- ConfigError (ValueError)              a setting, or a model's description, is wrong: exit code 78
    |   +-- WordError                         a setting that was typed, section.key=value, is wrong: exit code 2
    +-- UsageError (ValueError)               the command line is wrong: exit code 2
    +-- BackendUnavailable (ImportError)      a named backend can't run here
    +-- CaptureError (OSError)                the camera, file or stream can't be opened or read
    |   +-- CaptureTimeout (TimeoutError)     it opened, but no frame came in time
    +-- ModelError (ValueError)               a model file is broken, or is not what its description says: exit code 78
    |   +-- NoSuchModel                       no model has the name that was asked for: 2 where it was typed
    +-- DetectorError (RuntimeError)          the engine failed on a frame
    +-- EncoderError (RuntimeError)           the encoder refused a setting or failed on a frame
    +-- OutputError (OSError)                 a file, socket or server can't be written
    |   +-- StdoutError                       nor can standard output
    +-- WorkerStuck (RuntimeError)            a thread that was told to stop did not

Messages say what went wrong, with which value, and what to try. Errors of
other libraries are translated once, where they enter, with ``from``.
"""

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_CONFIG = 78        # EX_CONFIG of sysexits.h: systemd's RestartPreventExitStatus


class EdgecamError(Exception):
    """Anything that edgecam reports to its user in one line."""

    exit_code = EXIT_FAILURE


class ConfigError(EdgecamError, ValueError):
    """A setting is unknown or its value is out of range. *keys*: which settings, where only the raiser knows:
    "section.name", or "section.name.entry" before it for one entry of a mapping.
    """

    exit_code = EXIT_CONFIG

    def __init__(self, *words, keys=()):
        super().__init__(*words)
        self.keys = keys


class WordError(ConfigError):
    """A setting given as a word of the command line is wrong, and nothing in a file."""

    exit_code = EXIT_USAGE


class UsageError(EdgecamError, ValueError):
    """The command line can't be understood."""

    exit_code = EXIT_USAGE


class BackendUnavailable(EdgecamError, ImportError):
    """The backend that was asked for can't run on this machine."""


class CaptureError(EdgecamError, OSError):
    """The camera, file or stream can't be opened or read."""


class CaptureTimeout(CaptureError, TimeoutError):
    """The source is open but no frame came in time."""


class ModelError(EdgecamError, ValueError):
    """The model file is broken or does not fit its description."""

    exit_code = EXIT_CONFIG


class NoSuchModel(ModelError):
    """No model is called so, or no file is there. *keys*: the setting that asked for it, as in `ConfigError`."""

    keys = ("detect.model",)


class DetectorError(EdgecamError, RuntimeError):
    """The inference engine failed on a frame."""


class EncoderError(EdgecamError, RuntimeError):
    """The encoder refused a setting or failed on a frame."""


class OutputError(EdgecamError, OSError):
    """A recording, socket or server can't be written."""


class StdoutError(OutputError):
    """Standard output is closed, or a disk that is full."""


class WorkerStuck(EdgecamError, RuntimeError):
    """A thread did not stop when it was told to."""


def reason(error):
    """Return what went wrong in the own words of *error*, without the number and the file that `str` of an `OSError` brings: "No space left on device".

    Libraries raise some without a strerror, and errors of their own beside them: the first words that there are, the name of the class at least.
    """
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
