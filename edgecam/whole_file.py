"""Files that are written at once: what was at a name, or the whole new content, never a part of it, whatever the disk does."""
import os
import stat
import uuid


def write_whole(path, content, sync=False):
    """Put the bytes *content* at *path*; with *sync* a power cut, too, leaves the old or the new file. Raises `OSError`.

    A device or a pipe takes them as they come. So does a file that may be written in a folder that may not.
    """
    path = os.path.realpath(path)               # a link stays one
    if os.path.exists(path) and not os.path.isfile(path):
        write_through(path, content)
        return
    try:
        fresh = write_beside(path, content, sync)
    except PermissionError:
        if not os.path.isfile(path):
            raise
        write_through(path, content)
        return
    try:
        if os.path.isfile(path):
            os.chmod(fresh, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(fresh, path)
    except OSError:
        os.unlink(fresh)
        raise


def write_beside(path, content, sync=False):
    """Write *content* into a new file in the folder of *path* and return its name; where the disk takes a part alone, nothing stays. Raises `OSError`."""
    fresh = os.path.join(os.path.dirname(path), ".edgecam-{}.part".format(uuid.uuid4().hex))     # of no length of its own: names have a limit
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
