"""Encode a clip at several rates, decode it again, and measure what it cost and what is left of it."""
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any, NamedTuple

from edgecam.bench.roi_quality import Quality
from edgecam.capture.pyav import import_av
from edgecam.encode import open_encoder
from edgecam.errors import UsageError
from edgecam.roi import open_background
from edgecam.vocabulary import NO_PLAN

GOOD, POOR = 22, 37         # the constant QPs of JVET's common test conditions: their rates bound the five bitrates, where none are given
STEPS = 5
FEWEST_FRAMES = 8           # of fewer the first, a keyframe, is most of what they cost: no bitrate is kept, and the curves share no quality


class Contestant(NamedTuple):
    """One way of encoding the clip."""

    name: str
    settings: Any           # the section ``encode``
    plans: list             # one for each frame
    roi: Any                # the section ``roi``, for what becomes of the background


class Point(NamedTuple):
    """One clip, encoded once."""

    asked: int              # bits per second
    rate: float             # bits per second that it took
    psnr: dict              # by part, dB
    ssim: dict              # by part, dB
    frames_psnr: float      # average over the frames with objects of their PSNR inside, dB
    encode_ms: float        # median CPU time of one frame


def choose_rates(clip, settings):
    """Return five bitrates, evenly spread between what a good and a poor picture of this clip cost.

    The clip is encoded twice, with constant QPs, without regions.
    """
    high, low = (constant_qp_rate(clip, settings, qp) for qp in (GOOD, POOR))
    ratio = (high / low) ** (1.0 / (STEPS - 1))
    return [round_rate(low * ratio ** step) for step in range(STEPS)]


def constant_qp_rate(clip, settings, qp):
    settings = settings.replace(options=join_options(settings.options, "qp={}".format(qp)))
    with open_encoder(settings, clip.format) as encoder:
        size = sum(len(packet.payload) for frame in clip.frames() for packet in encoder.encode(frame, NO_PLAN))
        size += sum(len(packet.payload) for packet in encoder.flush())
    return 8 * size / clip.seconds


def round_rate(rate):
    """Round to two figures, for readable tables, within what settings accept."""
    unit = 10 ** max(0, len(str(int(rate))) - 2)
    return max(20000, int(round(rate / unit)) * unit)


def join_options(*parts):
    return ":".join(part for part in parts if part)


def measure_all(clip, contestants, rates, workers, progress=iter):
    """Return {contestant's name: [Point, ...]}. Raises `UsageError` for a clip without a true object."""
    masks = [clip.inside(index) for index in range(clip.count)]
    if not any(mask is not None for mask in masks):
        raise UsageError("{}: there is no true object in its {} frames, so nothing can be compared inside; use more frames".format(clip.name, clip.count))
    jobs = [(contestant, rate) for rate in rates for contestant in contestants]
    with ThreadPoolExecutor(workers) as pool:
        points = list(progress(pool.map(lambda job: measure(clip, masks, *job), jobs)))
    return {contestant.name: [point for (who, _), point in zip(jobs, points) if who is contestant]
            for contestant in contestants}


def measure(clip, masks, contestant, rate):
    """Encode and decode the clip once; return its `Point`."""
    quality, size, spent = Quality(), 0, []
    decoder = Decoder()
    shown = 0
    background = open_background(contestant.roi, (clip.format.width, clip.format.height))
    with open_encoder(contestant.settings.replace(bitrate=rate), clip.format) as encoder:
        for frame, plan in zip(clip.frames(), contestant.plans):
            started = time.thread_time()            # CPU time: others may be busy on this machine
            packets = encoder.encode(background.apply(frame, plan) if background else frame, plan)
            spent.append(time.thread_time() - started)
            size += sum(len(packet.payload) for packet in packets)
            for luma in decoder.decode(packets):
                quality.add(clip.planes(shown)[0], luma, masks[shown])
                shown += 1
        for luma in decoder.decode(encoder.flush(), last=True):
            quality.add(clip.planes(shown)[0], luma, masks[shown])
            shown += 1
    return Point(rate, 8 * size / clip.seconds, quality.psnr, quality.ssim,
                 sum(quality.frames) / len(quality.frames), 1e3 * median(spent))


class Decoder:
    """Packets in, luma arrays out."""

    def __init__(self):
        self._av = import_av()
        self._codec = self._av.CodecContext.create("h264", "r")
        self._codec.thread_count = 1

    def decode(self, packets, last=False):
        """Yield the luma, uint8 (height, width), of each picture that is complete."""
        for packet in packets:
            for picture in self._codec.decode(self._av.Packet(packet.payload)):
                yield picture.to_ndarray()[:picture.height]
        for picture in self._codec.decode(None) if last else ():
            yield picture.to_ndarray()[:picture.height]
