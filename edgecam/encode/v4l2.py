"""The V4L2 encoder of this machine: NVIDIA's on a Jetson, else one with a kernel driver."""
import os

from edgecam.encode.v4l2_kernel import KernelEncoder, find_encoders
from edgecam.encode.v4l2_tegra import TegraEncoder
from edgecam.errors import BackendUnavailable
from edgecam.v4l2 import tegra


def open_v4l2(settings, video_format):
    """Open the encoder that *settings* (the section ``encode``) names in ``device``, or the one found.

    Raises `BackendUnavailable` with every node that was passed over, `EncoderError` for
    settings or a size that the encoder refuses.
    """
    board = tegra.identify()
    if board is not None and (settings.device == "auto" or settings.device in tegra.NODES):
        return TegraEncoder(settings, video_format, board, tegra_node(settings, board))
    if settings.device != "auto":
        return KernelEncoder(settings, video_format, settings.device)
    reasons = []
    for path, reason in find_encoders():
        if reason is None:
            return KernelEncoder(settings, video_format, path)
        reasons.append("{}: {}".format(path, reason))
    raise BackendUnavailable("no H.264 encoder with a V4L2 driver: " + ("; ".join(reasons) or "there are no video nodes"))


def tegra_node(settings, board):
    """Return the node of a Jetson's encoder; that it exists proves nothing, opening it does."""
    if settings.device != "auto":
        return settings.device
    for node in tegra.NODES:
        if os.path.exists(node):
            return node
    raise BackendUnavailable("{} ({}): none of {} exists; in a container, pass the device through".format(
        board.model, board.l4t, " and ".join(tegra.NODES)))
