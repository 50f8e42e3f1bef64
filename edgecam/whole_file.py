"""Files that are written at once: what was at a name, or the whole new content, never a part of it, whatever the disk does."""
import errno
import os
import stat
import uuid
from contextlib import suppress

FIXED = errno.EBUSY, errno.EPERM, errno.EACCES      # a file mounted into a container, another user's in a folder like /tmp: can't be replaced


def write_whole(path, content, sync=False):
    """Put the bytes *content* at *path*; with *sync* a power cut, too, leaves the old or the new file. Raises `OSError`.

    A device or a pipe takes them as they come. So does a file that may be written, but not replaced. One that may not be written stays.
    """
    if os.path.exists(path) and not os.path.isfile(path):       # as it was named: what is behind /dev/stdout has no path where it is a pipe
        write_through(path, content)
        return
    path = os.path.realpath(path)               # a link stays one
    if os.path.isfile(path) and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    try:
        fresh = write_beside(path, content, sync)
    except PermissionError:
        if not os.path.isfile(path):
            raise
        write_through(path, content)
        return
    try:
        if os.path.isfile(path):
            look_like(fresh, os.stat(path))
        os.replace(fresh, path)
    except OSError as error:
        os.unlink(fresh)
        if error.errno not in FIXED or not os.path.isfile(path):
            raise
        write_through(path, content)


def look_like(path, status):
    """Give the file *path* the owner of *status*, where that may be done, and its permissions."""
    with suppress(OSError):
        os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))


def beside(path):
    """Return a hidden name that nobody else has in the folder of *path*, of no length of its own: names have a limit."""
    return os.path.join(os.path.dirname(path), ".edgecam-{}.part".format(uuid.uuid4().hex))


def write_beside(path, content, sync=False):
    """Write *content* into a new file in the folder of *path* and return its name; where the disk takes a part alone, nothing stays. Raises `OSError`."""
    fresh = beside(path)
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(number, "wb") as stream:
            stream.write(content)
            if sync:
                stream.flush()
                os.fsync(number)
    except BaseException:
        os.unlink(fresh)
        raise
    return fresh


def write_through(path, content):
    with open(path, "wb") as stream:
        stream.write(content)
