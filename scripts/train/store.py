"""Decoded pictures in flat buffers of packed pixels (0x00BBGGRR), at full, half and quarter size.

The whole augmentation is then one gather; on a GPU the 6,000 pictures of the data folder take 9 GB.  A second
set of the same pictures after real x264 at low bitrates can stand behind the first.

``python store.py DATA STORE [--worn]`` decodes once with all cores; the trainers then map the files.
"""
import argparse
import concurrent.futures
import os
import sys
import time

import cv2
import numpy as np
import torch

from canvas import letterbox_scale
from h264 import streamed, worn
from pictures import encoded, read_all
from refused import run

LEVELS = 3


def level_sizes(size):
    """(width, height) of the full, half and quarter copy."""
    return [tuple(max(1, -(-edge // 2 ** level)) for edge in size) for level in range(LEVELS)]


def decode(data):
    """JPEG or WebP -> RGB."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def layout(pictures, versions):
    """int64 ``[versions, n, LEVELS, 3]`` of (offset, width, height), and the number of pixels in all."""
    table, end = np.zeros((versions, len(pictures), LEVELS, 3), np.int64), 0
    for version in range(versions):
        for index, picture in enumerate(pictures):
            for level, (width, height) in enumerate(level_sizes(picture.size)):
                table[version, index, level] = end, width, height
                end += width * height
    return table, end


def put(pixels, places, rgb):
    """Write a picture and its smaller copies where ``places`` ``[LEVELS, 3]`` says."""
    for offset, width, height in places:
        if rgb.shape[:2] != (height, width):
            rgb = cv2.resize(rgb, (int(width), int(height)), interpolation=cv2.INTER_AREA)
        wide = np.zeros((height, width, 4), np.uint8)
        wide[..., :3] = rgb
        pixels[offset:offset + width * height] = wide.view(np.int32).ravel()


def compressed(picture, rgb, seed):
    """After x264: at a random low quality for training, as a 300 kb/s stream of the network's input for measuring."""
    if picture.part == "train":
        return worn(rgb, np.random.RandomState(seed))
    return streamed(rgb, [edge * letterbox_scale(picture.size) for edge in picture.size])


def build(folder, pictures, path, with_worn=False, workers=None):
    """Decode ``pictures`` of the data folder into ``path``.pixels.npy and ``path``.table.npy."""
    cv2.setNumThreads(1)
    table, total = layout(pictures, 2 if with_worn else 1)
    pixels = np.lib.format.open_memmap(path + ".pixels.npy", "w+", np.int32, (total,))

    def one(job):
        index, data = job
        rgb = decode(data)
        put(pixels, table[0, index], rgb)
        if with_worn:
            put(pixels, table[1, index], compressed(pictures[index], rgb, index))

    with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for _ in pool.map(one, encoded(folder, pictures)):
            pass
    np.save(path + ".table.npy", table)


class Store(object):
    """``pixels``: int32 tensor, flat; ``table``: int64 ``[versions, n, LEVELS, 3]`` of (offset, width, height)."""

    def __init__(self, pixels, table):
        self.pixels, self.table = pixels, table

    @classmethod
    def open(cls, path, device="cpu"):
        """Map the files of ``build`` and copy them to ``device``."""
        pixels = torch.from_numpy(np.load(path + ".pixels.npy", mmap_mode="c"))
        return cls(pixels if str(device) == "cpu" else pixels.to(device), np.load(path + ".table.npy"))

    def fill(self, path):
        """Copy the pixels of ``path`` into this store's own (without the x264 versions if it has no room for them)."""
        self.pixels.copy_(torch.from_numpy(np.load(path + ".pixels.npy", mmap_mode="c")[:len(self.pixels)]))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="the folder that holds train/")
    parser.add_argument("store", help="path that the files begin with")
    parser.add_argument("--worn", action="store_true", help="add a version of every picture after x264 at a low bitrate")
    options = parser.parse_args(argv)
    start, pictures = time.time(), read_all(options.data)
    build(options.data, pictures, options.store, options.worn)
    print("%d pictures decoded in %.1f s" % (len(pictures), time.time() - start))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
