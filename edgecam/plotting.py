"""Drawing with matplotlib, which is installed only where figures are wanted: pip install .[bench] in the clone."""
import os

from edgecam.errors import BackendUnavailable, OutputError, UsageError
from edgecam.naming import refuse_no_place


def expect_plot(path):
    """Raise before anything is measured where `save_figure` would fail: `UsageError` for *path*, which may be None, `BackendUnavailable`
    without matplotlib.
    """
    if not path:
        return
    refuse_no_place("--plot", path)
    pyplot = import_pyplot()
    figure = pyplot.figure()
    known = figure.canvas.get_supported_filetypes()
    pyplot.close(figure)
    ending = os.path.splitext(path)[1][1:].lower()
    if ending and ending not in known:
        raise UsageError("--plot {}: .{} is no kind of picture that can be drawn; expected x.png or x.svg".format(path, ending))


def import_pyplot():
    """Return matplotlib's pyplot, drawing into files alone. Raises `BackendUnavailable` without matplotlib."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise BackendUnavailable("--plot needs matplotlib: {} (try: pip install matplotlib)".format(error)) from error
    return pyplot


def save_figure(figure, path):
    """Write *figure* to *path*, in the format that its ending says, and close it. Raises `OutputError`."""
    pyplot = import_pyplot()
    try:
        figure.savefig(path, dpi=120, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise OutputError("{}: can't be drawn: {}".format(path, getattr(error, "strerror", None) or error)) from error
    finally:
        pyplot.close(figure)
