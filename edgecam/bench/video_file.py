"""The VIDEO of a benchmark: named and opened as the INPUT of a run, so upright too, and with an end, so that it can be played again."""
from edgecam.capture import open_camera, parse_source
from edgecam.commands.examine_settings import Said
from edgecam.config import load_config
from edgecam.errors import CaptureError, UsageError
from edgecam.redaction import hide


def video_source(text, command):
    """Return the `Source` that was typed as the VIDEO of *command*. Raises `UsageError` for what is no file's name and no URL of one."""
    with Said(command, (), {"capture.input": "VIDEO"}).judge("capture.input"):
        source = parse_source(text)
    if source.kind not in ("file", "network"):
        raise UsageError("{}: VIDEO: {} is no video file".format(command, source.text))
    return source


def open_video(text, *words):
    """Return the `Camera` that plays *text*, with the settings *words*. Raises `CaptureError` for a stream, else as `open_camera`."""
    camera = open_camera(load_config(overrides=["capture.input=" + text] + list(words)).capture)
    if camera.format.live:
        camera.close()
        raise CaptureError("{}: the bench needs a file that can be played again".format(hide(text)))
    return camera
