"""Drawing with matplotlib, which is installed only where figures are wanted: pip install edgecam[bench]."""
from edgecam.errors import BackendUnavailable, OutputError


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
        raise OutputError("{}: can't be drawn: {}".format(path, error)) from error
    finally:
        pyplot.close(figure)
