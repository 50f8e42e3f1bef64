"""The V4L2 workshop below capture and encode: structs, one function per ioctl, objects that people hold.

    raw.py      structs and numbers, the kernel's names          layout.py     where the colour planes lie in memory
    driver.py   the kernel, or libv4l2 and its plugins           controls.py   controls by name, payloads by pointer
    ioctl.py    one function for each call                       discover.py   which nodes there are, and who holds them
    device.py   Device: formats, rates, events, commands         tegra.py      NVIDIA's own controls, by L4T release
    queue.py    Queue and Buffer: memory, leases, streaming      dmabuf.py     a picture as descriptors, to hand over

Everything works on Python 3.6. Errors are `OSError` with the errno of the call; the
rooms above say in words what it means.
"""
from edgecam.v4l2.device import Device
from edgecam.v4l2.dmabuf import DmaBuf
from edgecam.v4l2.driver import KERNEL, LibV4L2

__all__ = ["Device", "DmaBuf", "KERNEL", "LibV4L2"]
