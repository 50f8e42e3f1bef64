"""Drawing with matplotlib, which is installed only where figures are wanted: pip install .[bench] in the clone."""
import io
import os

from edgecam.errors import BackendUnavailable, OutputError, UsageError, reason
from edgecam.naming import refuse_no_place
from edgecam.whole_file import write_whole


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
    """Write *figure* to *path*, whole or not at all, in the format that its ending says, and close it. Raises `OutputError`."""
    pyplot = import_pyplot()
    stem, ending = os.path.splitext(path)
    kind, drawn = ending[1:] or pyplot.rcParams["savefig.format"], io.BytesIO()
    try:
        figure.savefig(drawn, format=kind, dpi=120, bbox_inches="tight")
        write_whole(stem + "." + kind, drawn.getvalue())
    except OSError as error:
        raise OutputError("{}: can't be written: {}".format(path, reason(error))) from error
    except ValueError as error:
        raise OutputError("{}: can't be drawn: {}".format(path, error)) from error
    finally:
        pyplot.close(figure)
