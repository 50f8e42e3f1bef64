"""Still pictures: files read into frames, and boxes drawn on them. With OpenCV or Pillow, whichever is there."""
import io
import logging
import os
import re
from fractions import Fraction

import numpy as np

from edgecam.errors import BackendUnavailable, CaptureError, OutputError, reason
from edgecam.pipes import told_when_waiting
from edgecam.redaction import hide
from edgecam.vocabulary import Frame, VideoFormat
from edgecam.whole_file import write_whole

log = logging.getLogger(__name__)
COLOURS = {"person": (80, 80, 255), "car": (255, 170, 60), "bus": (255, 220, 60), "truck": (255, 110, 110),
           "two-wheeler": (90, 220, 90)}                # BGR
LIMITS = {"PIXELS": 1 << 30, "WIDTH": 1 << 20, "HEIGHT": 1 << 20}       # OpenCV's own, unless OPENCV_IO_MAX_IMAGE_PIXELS and so on say another
OTHER_COLOURS = ((200, 120, 255), (60, 200, 255), (200, 220, 100), (160, 160, 255), (255, 160, 200))


def read_still(path):
    """Return the picture at *path* as a `Frame` in BGR3, turned upright. Raises `CaptureError` that says what is wrong."""
    name = hide(path)                   # who types an address here, with its password, is told that there is no such file
    if os.path.isdir(path):
        raise CaptureError("{}: a folder; name the pictures in it".format(name))
    try:
        with told_when_waiting(name, path), open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise CaptureError("{}: can't be read: {}".format(name, reason(error))) from error
    if not content:
        raise CaptureError("{}: empty, zero bytes".format(name))
    return still_frame(decode_still(content, name))


def still_frame(image, number=0):
    """Return a `Frame` around *image*, uint8 (h, w, 3) in BGR."""
    video = VideoFormat(image.shape[1], image.shape[0], "BGR3", Fraction(1), Fraction(1), False)
    return Frame(number, float(number), number, video, (image,))


def decode_still(content, name):
    """Return uint8 (h, w, 3) in BGR from the bytes of a JPEG, PNG, WebP and so on. Raises `CaptureError`."""
    try:
        import cv2
    except ImportError:
        return decode_with_pillow(content, name)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise CaptureError("{}: {}".format(name, too_large(error.err) or "can't be decoded: {}".format(error.err))) from error
    if image is None:
        raise CaptureError("{}: not a picture that can be read (JPEG, PNG, WebP, BMP, TIFF), or cut off".format(name))
    return image


def too_large(assertion):
    """Return what to say where OpenCV's *assertion* is about the size of a picture: it names the limit, not its number. None where it is not."""
    found = re.search("CV_IO_MAX_IMAGE_(PIXELS|WIDTH|HEIGHT)", assertion)
    if not found:
        return None
    variable = "OPENCV_IO_MAX_IMAGE_" + found.group(1)
    return "too large: OpenCV reads up to {} pixels{}; make it smaller, or allow more with the variable {}".format(
        os.environ.get(variable, LIMITS[found.group(1)]), {"PIXELS": "", "WIDTH": " across", "HEIGHT": " down"}[found.group(1)], variable)


def decode_with_pillow(content, name):
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise BackendUnavailable("reading pictures takes OpenCV or Pillow: pip install opencv-python-headless") from error
    try:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    except Image.DecompressionBombError as error:
        raise CaptureError("{}: too large: Pillow reads up to {} pixels; make it smaller, or install OpenCV, which reads more".format(
            name, 2 * Image.MAX_IMAGE_PIXELS)) from error
    except (OSError, ValueError, SyntaxError) as error:     # what Pillow's decoders raise
        raise CaptureError("{}: not a picture that can be read: {}".format(name, error)) from error


def draw(image, detections):
    """Return a copy of *image* (BGR) with a labelled box for each of *detections*, the best on top."""
    try:
        import cv2
    except ImportError:
        return draw_with_pillow(image, detections)
    out = image.copy()
    size = max(0.35, min(1.2, image.shape[1] / 1600.0))
    for label, score, box in reversed(detections):
        colour = colour_of(label)
        left, top, right, bottom = (int(round(edge)) for edge in box.corners)
        cv2.rectangle(out, (left, top), (right, bottom), colour, 1 if image.shape[1] < 1200 else 2, cv2.LINE_AA)
        if box.w >= 30 or len(detections) < 20:         # in a crowd captions would hide the objects
            caption(cv2, out, "{} {:.0f}".format(label, 100 * score), left, top, colour, size)
    return out


def caption(cv2, out, text, left, top, colour, size):
    """Write *text* on a patch of *colour* above the box, or inside where there is no room above."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    bottom = top if top > height + base + 2 else top + height + base + 2
    left = max(0, min(left, out.shape[1] - width - 2))
    cv2.rectangle(out, (left, bottom - height - base - 2), (left + width + 2, bottom), colour, -1)
    cv2.putText(out, text, (left + 1, bottom - base), cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)


def draw_with_pillow(image, detections):
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise BackendUnavailable("drawing takes OpenCV or Pillow: pip install opencv-python-headless") from error
    canvas = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    pen = ImageDraw.Draw(canvas)
    for label, score, box in reversed(detections):
        colour = colour_of(label)[::-1]
        pen.rectangle([int(round(edge)) for edge in box.corners], outline=colour)
        pen.text((box.x + 2, max(0, box.y - 11)), "{} {:.0f}".format(label, 100 * score), fill=colour)
    return np.ascontiguousarray(np.asarray(canvas)[:, :, ::-1])


def colour_of(label):
    """Return a BGR colour that stays with *label*."""
    return COLOURS.get(label) or OTHER_COLOURS[sum(label.encode("utf-8")) % len(OTHER_COLOURS)]


def write_still(path, image):
    """Write *image* (BGR) as JPEG or PNG, by the ending of *path*, whole or not at all. Raises `OutputError`."""
    try:
        write_whole(path, encode_still(image, os.path.splitext(path)[1].lower()))
    except OSError as error:
        raise OutputError("{}: can't be written: {}".format(path, reason(error))) from error


def encode_still(image, ending):
    """Return *image* (BGR) as the bytes of a picture file; *ending* is ".jpg" or ".png"."""
    try:
        import cv2
    except ImportError:
        from PIL import Image
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image[:, :, ::-1])).save(stream, "PNG" if ending == ".png" else "JPEG", quality=92)
        return stream.getvalue()
    return cv2.imencode(ending, image, [cv2.IMWRITE_JPEG_QUALITY, 92] if ending != ".png" else [])[1].tobytes()
