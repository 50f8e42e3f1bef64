"""What a pipe can't bring: an MP4 whose index stands behind its pictures, which FFmpeg then would have to go back for."""
from edgecam.pipes import is_pipe

LEAST_INDEX = 400       # bytes: a moov box with one track of video has more, its headers alone (ISO/IEC 14496-12)
LATE_INDEX = ("the index of this MP4 stands at its end, and a pipe can't go back to the pictures; name the file itself, or put the index first: "
              "ffmpeg -i walk.mp4 -c copy -movflags +faststart first.mp4")


def has_late_index(container, path):
    """Whether *container*, which FFmpeg has opened from *path*, is an MP4 out of a pipe whose pictures or sounds begin before an index can have ended.

    False where PyAV does not tell where they are (15 does not, 18 does).
    """
    if not is_pipe(path) or "mp4" not in container.format.name.split(","):
        return False
    begins = [entry.pos for stream in container.streams for entry in list(getattr(stream, "index_entries", ()))[:1]]
    return bool(begins) and min(begins) < LEAST_INDEX
