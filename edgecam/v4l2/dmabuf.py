"""A picture in memory that devices share, named by descriptors, so that nobody needs to copy it."""
from typing import NamedTuple, Tuple

from edgecam.v4l2.layout import Format


class DmaBuf(NamedTuple):
    """What a camera puts into `Frame.native`: valid while a lease on the frame is held.

    *fds* has one descriptor for each memory plane of *format*; they belong to the camera
    and stay the same for the same piece of memory as long as it lives.
    """

    fds: Tuple[int, ...]
    format: Format
    bytesused: Tuple[int, ...]
    nvbuffer: bool = False      # NVIDIA's own kind of buffer, which alone their encoder reads; it knows its layout itself
