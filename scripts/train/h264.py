"""What low-bitrate H.264 does to a picture: a short pan over it through x264, the last frame decoded again."""
from fractions import Fraction

import cv2
import numpy as np


def clip_of(rgb, frames, step):
    """A pan by ``step`` (x, y) pixels a frame that ends exactly at ``rgb``; edges are repeated."""
    height, width = rgb.shape[:2]
    reach = max(abs(step[0]), abs(step[1])) * frames
    wide = cv2.copyMakeBorder(rgb, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    for left in range(frames - 1, -1, -1):
        x, y = reach + step[0] * left, reach + step[1] * left
        yield np.ascontiguousarray(wide[y:y + height, x:x + width])


def through_x264(frames, size, **options):
    """Encode RGB ``frames`` of even ``size`` (width, height) with x264 and return the last one decoded, RGB."""
    import av

    packets, last = [], None
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.framerate, encoder.thread_count = "yuv420p", 25, 1
    encoder.time_base = Fraction(1, 25)
    if "bit_rate" in options:
        encoder.bit_rate = options.pop("bit_rate")
    encoder.options = dict({"preset": "veryfast", "tune": "zerolatency"}, **options)
    for frame in frames:
        packets += encoder.encode(av.VideoFrame.from_ndarray(frame, format="rgb24"))
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    for packet in packets + [None]:
        for frame in decoder.decode(packet):
            last = frame
    return last.to_ndarray(format="rgb24")


def even(rgb):
    """Drop an odd last row and column by repeating, so that 4:2:0 fits."""
    return cv2.copyMakeBorder(rgb, 0, rgb.shape[0] % 2, 0, rgb.shape[1] % 2, cv2.BORDER_REPLICATE)


def worn(rgb, random):
    """``rgb`` as low-bitrate video shows it: quality (crf 28 to 42), motion and length drawn from ``random``."""
    height, width = rgb.shape[:2]
    wide = even(rgb)
    step = random.randint(-4, 5), random.randint(-2, 3)
    clip = clip_of(wide, random.randint(2, 6), step)
    crf = random.randint(28, 43)
    return through_x264(clip, (wide.shape[1], wide.shape[0]), crf=str(crf))[:height, :width]


def streamed(rgb, size, bits_per_second=300000):
    """``rgb`` as it looks when shown at ``size`` (width, height) in a live stream of that rate, at its own size again."""
    height, width = rgb.shape[:2]
    shown = cv2.resize(rgb, tuple(int(edge) // 2 * 2 for edge in size), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(at_bitrate(shown, bits_per_second), (width, height), interpolation=cv2.INTER_AREA)


def at_bitrate(rgb, bits_per_second, frames=25, step=(2, 1)):
    """The last frame of a one-second pan at 25 fps under a rate limit, as a live encoder would send it."""
    rate = str(bits_per_second)
    return through_x264(clip_of(rgb, frames, step), (rgb.shape[1], rgb.shape[0]), bit_rate=bits_per_second,
                        maxrate=rate, bufsize=rate, g="50")
