"""Which video nodes there are, what they are called for good, who holds them, and why one does not open."""
import errno
import glob
import grp
import os
import re

from edgecam.errors import reason
from edgecam.v4l2.device import Device

STABLE = "/dev/v4l/by-id", "/dev/v4l/by-path"


def video_nodes():
    """Return the paths of all video nodes, by number."""
    return sorted(glob.glob("/dev/video[0-9]*"), key=lambda path: int(re.sub(r"\D", "", path)))


def capture_devices():
    """Return the paths of the nodes that deliver pictures; nodes that can't be opened are among them,
    so that whoever tries one learns the reason."""
    found = []
    for path in video_nodes():
        try:
            with Device(path) as device:
                if device.capability.captures and not device.capability.mem2mem:
                    found.append(path)
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.ENODEV, errno.ENXIO):
                found.append(path)
    return found


def stable_names(path):
    """Return the names that stay with a device when it is plugged in again: /dev/v4l/by-id/... first."""
    real, names = os.path.realpath(path), []
    for folder in STABLE:
        if os.path.isdir(folder):
            names += [link for link in sorted(glob.glob(folder + "/*")) if os.path.realpath(link) == real]
    return names


def find_again(path, capability):
    """Return the path under which a device that went away is back, or None.

    *path* itself where it leads to the same driver and card again (a stable name always does),
    else any node on the same bus.
    """
    for candidate, fields in [(path, 2)] + [(node, 3) for node in video_nodes()]:
        try:
            with Device(candidate) as device:
                if device.capability[:fields] == capability[:fields] and device.capability.captures:
                    return candidate
        except OSError:         # not it, or not ready yet
            continue
    return None


def holders(path):
    """Return "name (pid)" of the other processes that have *path* open, as far as we may look."""
    real, found = os.path.realpath(path), []
    for folder in glob.glob("/proc/[0-9]*/fd"):
        pid = int(folder.split("/")[2])
        if pid != os.getpid() and real in open_files(folder):
            found.append("{} ({})".format(process_name(pid), pid))
    return found


def open_files(folder):
    try:
        return {os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)}
    except OSError:             # it ended, or it is not ours to look at
        return set()


def process_name(pid):
    try:
        with open("/proc/{}/comm".format(pid)) as name:
            return name.read().strip()
    except OSError:
        return "a process"


def explain(error, path):
    """Say in one clause why a node did not open or start: who holds it, which group is missing."""
    code = error.errno
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        others = video_nodes()
        return "there is no such device; {}".format("found: " + ", ".join(others) if others else "no camera is connected")
    if code in (errno.EACCES, errno.EPERM):
        return "no permission; it belongs to group {0}: sudo usermod -aG {0} $USER, then log in again".format(group_of(path))
    if code == errno.EBUSY:
        who = holders(path)
        return "in use by {}".format(", ".join(who) if who else "another program (sudo fuser -v {})".format(path))
    if code in (errno.ENOLINK, errno.ENOLCK):
        return "no signal at its input"
    if code in (errno.ENOTTY, errno.EINVAL):
        return "it does not answer as a V4L2 device ({})".format(reason(error))
    return reason(error)


def group_of(path):
    try:
        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        return "video"
