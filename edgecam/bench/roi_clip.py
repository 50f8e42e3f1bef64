"""A video in memory-mapped I420 at the size of the benchmark, with the true boxes of its objects."""
import os
import tempfile

import numpy as np

from edgecam.bench.video_file import open_video
from edgecam.capture import parse_source
from edgecam.capture.pyav import import_av
from edgecam.encode.picture import PictureMaker
from edgecam.errors import CaptureError, UsageError
from edgecam.json_lines import read_lines
from edgecam.naming import real_path
from edgecam.redaction import hide
from edgecam.vocabulary import Box, Detection, Frame, VideoFormat

EXAMPLE = '{"frame": 0, "boxes": [["car", x, y, w, h]]}'


class Clip:
    """Frames that can be read again and again, by several threads; a context manager.

    *source* is named, opened and turned upright as a run does it. *truth* holds a list of `Detection` for each frame, in
    pixels of the clip, or is None. Raises `CaptureError`, or `UsageError` for a truth that is none.
    """

    def __init__(self, source, size=None, truth=None, limit=None):
        self.name = clip_name(source)
        self._file = tempfile.TemporaryFile(prefix="edgecam-bench-")
        pictures = self._decode(source, size, limit)
        try:
            self.count = sum(map(self._store, pictures))
        except BaseException:
            self._file.close()
            raise
        if not self.count:
            raise CaptureError("{}: there is no frame in it".format(hide(source)))
        self._file.flush()
        self._data = np.memmap(self._file, np.uint8, "r", shape=(self.count, self._bytes))
        self.truth = read_truth(truth, self.count, self._scale) if truth else None

    def _store(self, picture):
        self._file.write(np.ascontiguousarray(picture.to_ndarray()).tobytes())
        return 1

    def _decode(self, source, size, limit):
        """Yield PyAV pictures in I420 of *size*, None: the video's own made even."""
        with open_video(source, "capture.motion_vectors=false") as camera:
            shown, rate = camera.format, camera.format.rate.limit_denominator(1001)
            width, height = size or (shown.width & ~1, shown.height & ~1)
            self.format = VideoFormat(width, height, "I420", rate, 1 / rate, False)
            self._scale = width / shown.width, height / shown.height
            self._bytes = width * height * 3 // 2
            turned = PictureMaker(import_av(), shown)           # turned frames have no picture of the decoder's
            for index, frame in enumerate(camera):
                if index == limit:
                    return
                picture = frame.native or turned.picture(frame)
                yield picture.reformat(width, height, "yuv420p", interpolation="BICUBIC")

    @property
    def seconds(self):
        return self.count / float(self.format.rate)

    def time(self, index):
        """Return the time of a frame, seconds from the start."""
        return float(index / self.format.rate)

    def planes(self, index):
        """Return the Y, U and V arrays of a frame."""
        width, height = self.format.width, self.format.height
        luma, chroma = width * height, width * height // 4
        data = self._data[index]
        return (data[:luma].reshape(height, width), data[luma:luma + chroma].reshape(height // 2, width // 2),
                data[luma + chroma:].reshape(height // 2, width // 2))

    def frames(self):
        """Yield every `Frame`."""
        for index in range(self.count):
            yield Frame(index, self.time(index), index, self.format, self.planes(index))

    def inside(self, index):
        """Return the truth of one frame as a boolean picture, None where there is no object."""
        mask = np.zeros((self.format.height, self.format.width), bool)
        for detection in self.truth[index]:
            left, top, right, bottom = detection.box.clip(self.format.width, self.format.height).corners
            mask[int(top):-int(-bottom // 1), int(left):-int(-right // 1)] = True
        return mask if mask.any() else None

    def close(self):
        self._data = None
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def clip_name(source):
    """Return a short name: the folder's, where the file is called like thousands of others."""
    path = hide(parse_source(source).path)
    stem = os.path.splitext(os.path.basename(path))[0]
    folder = os.path.basename(os.path.dirname(real_path(path, os.path.abspath)))
    return folder if stem.startswith("video") else stem


def beside(source):
    """Return the truth file in the folder of a video, or None."""
    path = os.path.join(os.path.dirname(real_path(parse_source(source).path, os.path.abspath)), "gt.jsonl")
    return path if os.path.exists(path) else None


def read_truth(path, count, scale):
    """Return a list of `Detection` for each of *count* frames, scaled.

    A line a frame: {"frame": i, "boxes": [[label, x, y, w, h, ...], ...]}, in pixels of the video as it is shown.
    """
    truth, later = [[] for _ in range(count)], []

    def read(entry):
        if 0 <= entry["frame"] < count:
            truth[entry["frame"]] = [Detection(str(box[0]), 1.0, Box(*map(float, box[1:5])).scale(*scale)) for box in entry["boxes"]]
        elif entry.get("boxes"):
            later.append(entry["frame"])
    for _ in read_lines(path, read, EXAMPLE, UsageError):
        pass
    if not any(truth):
        raise UsageError("{}: {}".format(path, why_none(count, later)))
    return truth


def why_none(count, later):
    """Say why *count* frames have no box, where the frames *later*, not read, have some."""
    first = min([number for number in later if number >= count], default=None)
    if first is None:
        return "there is no box in it"
    return "there is no box in the {} frames that are read; the first is in frame {}, counted from 0: take more (--frames {}), if the video has them".format(
        count, first, first + 10)
