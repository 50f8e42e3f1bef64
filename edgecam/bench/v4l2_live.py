"""The V4L2 benchmark's live part: a real camera node handed on, by dma-buf, to a real encoder node."""
import statistics
import time

from edgecam.capture.v4l2 import V4L2Camera
from edgecam.config import load_config
from edgecam.encode.v4l2_kernel import KernelEncoder
from edgecam.vocabulary import NO_PLAN, Frame

WARM_UP = 10            # frames


def measure(camera_path, encoder_path, codec, width, height, rate, seconds):
    """Return the figures of the live chain, and beside it of its parts: the encoder alone, on one picture again and again."""
    capture = load_config().capture.replace(width=width, height=height, rate=rate)
    with V4L2Camera(camera_path, capture) as camera:
        with KernelEncoder(load_config().encode, camera.format, encoder_path, codec) as encoder:
            live = run_live(camera, encoder, seconds)
        with KernelEncoder(load_config().encode, camera.format, encoder_path, codec) as encoder, camera.read(5) as frame:
            live["alone"] = run_alone(encoder, frame, max(2.0, seconds / 5))
    return live


def run_live(camera, encoder, seconds):
    for _ in range(WARM_UP):
        with camera.read(5) as frame:
            encoder.encode(frame, NO_PLAN)
    drops, lost, copies, took, latencies, packets = camera.drops, camera.lost, encoder.copies, [], [], 0
    started, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - started < seconds:
        with camera.read(5) as frame:
            before = time.monotonic()
            packets += len(encoder.encode(frame, NO_PLAN))
            took.append(time.monotonic() - before)
            latencies.append(time.monotonic() - frame.time)
    spent = time.monotonic() - started
    return {"size": "{}x{}".format(camera.format.width, camera.format.height), "frames": packets, "fps": len(took) / spent,
            "dropped": camera.drops - drops, "lost": camera.lost - lost, "copies": encoder.copies - copies,
            "encode_ms": 1000 * statistics.median(took), "latency_ms": 1000 * statistics.median(latencies),
            "cpu_ms": 1000 * (time.process_time() - cpu) / len(took)}


def run_alone(encoder, frame, seconds):
    """Return frames per second of the encoder, never waiting for a camera."""
    started, count = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        count += 1
        pictured = Frame(count, frame.time, frame.pts + 3000 * count, frame.format, frame.planes, frame.native)
        encoder.encode(pictured, NO_PLAN)
    return count / (time.monotonic() - started)


def render(figures):
    return ("{size}, camera to encoder by dma-buf: {fps:.2f} frames/s, {frames} packets, {dropped} frames dropped ({lost} by the camera's driver), {copies} copied\n"
            "  encode {encode_ms:.1f} ms, from capture to packet {latency_ms:.1f} ms, CPU {cpu_ms:.1f} ms a frame (medians; CPU mean)\n"
            "  the encoder alone, on one picture: {alone:.1f} frames/s\n").format(**figures)
