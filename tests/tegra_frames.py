"""Pictures for encoder tests: a moving texture, cheap to make and not easy to encode."""
from fractions import Fraction

import numpy as np

from edgecam.vocabulary import Frame, VideoFormat


def video_format(width=320, height=180, fourcc="I420", rate=30):
    return VideoFormat(width, height, fourcc, Fraction(rate), Fraction(1, 90000), True)


def picture(number, video, contrast=140):
    """Return the planes of picture *number*."""
    h, w = video.height, video.width
    noise = np.random.RandomState(7).randint(60, 60 + contrast, (h, w)).astype(np.uint8)
    luma = np.roll(noise, (number, 3 * number), (0, 1))
    chroma = np.full((h // 2, w // 2), 128, np.uint8)
    if video.fourcc == "I420":
        return luma, chroma, chroma.copy()
    if video.fourcc == "NV12":
        return luma, np.stack((chroma, chroma), 2)
    if video.fourcc == "YUYV":
        return (np.stack((luma, np.full((h, w), 128, np.uint8)), 2),)
    return (luma,)


def frame(number, video, native=None, home=None, contrast=140):
    pts = number * 90000 // int(video.rate)
    return Frame(number, pts / 90000, pts, video, picture(number, video, contrast), native, home)
