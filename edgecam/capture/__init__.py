"""Room 1: where frames come from."""
import logging

from edgecam.capture.camera import Camera
from edgecam.capture.urls import parse_source
from edgecam.errors import BackendUnavailable, EdgecamError

__all__ = ["Camera", "open_camera", "parse_source"]

log = logging.getLogger(__name__)


def open_camera(settings, realtime=False, stopping=lambda: False):
    """Open *settings.input* and return a `Camera`.

    *realtime*: files and the scene keep the clock's time instead of running as fast as they
    are read. *stopping()*, asked on the way, says that the camera is not wanted any more. Raises
    `CaptureError`, `BackendUnavailable` or `ConfigError`, each in one line.
    """
    source = parse_source(settings.input)
    camera = OPENERS[source.kind](source, settings, realtime, stopping)
    camera.source = camera.source or source.text
    return camera


def open_file(source, settings, realtime, stopping):
    from edgecam.capture.file import FileCamera
    return FileCamera(source.path, settings.decode_threads, realtime, vectors=settings.motion_vectors)


def open_network(source, settings, realtime, stopping):
    """A stream; an address that can't be reached yet may be waited for, a description (.sdp) that is not there may not."""
    from edgecam.capture.patience import until_reached
    if "://" not in source.path:
        return connect_network(source, settings, realtime)
    return until_reached(lambda: connect_network(source, settings, realtime), settings, stopping)


def connect_network(source, settings, realtime):
    """A live stream; but what has an end (a file on a web server) is played as a file. Either goes on with the connection that told which it is:
    a server may be there for one client.
    """
    from edgecam.capture.stream import NetworkCamera
    if not source.path.lower().startswith(("http://", "https://")):
        return NetworkCamera(source.path, settings)
    from edgecam.capture.file import FileCamera
    from edgecam.capture.pyav import has_end, open_container
    container = open_container(source.path, timeout=(2 * settings.stale_after, settings.stale_after))
    if has_end(container):
        return FileCamera(source.path, settings.decode_threads, realtime, container, settings.motion_vectors)
    return NetworkCamera(source.path, settings, container)


def open_scene(source, settings, realtime, stopping):
    from edgecam.capture.scene import SceneCamera
    return SceneCamera(source, realtime, stopping)


def open_v4l2(source, settings, realtime, stopping):
    """A camera of this machine; one that was named may be waited for: after a start of the machine its driver may come late."""
    from edgecam.capture.patience import until_reached
    return until_reached(lambda: connect_v4l2(source.path, settings), settings, stopping)


def connect_v4l2(path, settings):
    from edgecam.capture.v4l2 import V4L2Camera
    return V4L2Camera(path, settings)


def open_csi(source, settings, realtime, stopping):
    raise BackendUnavailable("input {}: no CSI (Argus) backend is installed here; a USB camera is v4l2:///dev/video0, "
                             "and test://street works anywhere".format(source.text))


def open_first(source, settings, realtime, stopping):
    """The first camera that opens, else the built-in scene; every one passed over is named."""
    from edgecam.v4l2.discovery import capture_devices
    for path in capture_devices():
        try:
            camera = connect_v4l2(path, settings)       # the next one is not kept waiting
            camera.source = path
            return camera
        except EdgecamError as error:
            log.info("input auto: %s passed over: %s", path, error)
    log.info("input auto: no camera found, showing the built-in scene test://street")
    camera = open_scene(parse_source("test://street"), settings, True, stopping)
    camera.source = "test://street"
    return camera


OPENERS = {"auto": open_first, "file": open_file, "network": open_network, "test": open_scene,
           "v4l2": open_v4l2, "csi": open_csi}
