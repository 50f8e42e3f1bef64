"""Motion JPEG to I420, by PyAV or else OpenCV; only for cameras that reach their rate in no other way."""
import numpy as np

from edgecam.errors import BackendUnavailable


def open_decoder(width, height):
    """Return ``decode(jpeg) -> (planes, native)``: I420 views, and the PyAV frame they belong to or None.

    *decode* raises `ValueError` for a picture that is broken. Raises `BackendUnavailable`
    where neither library is installed.
    """
    for opener in (open_pyav, open_opencv):
        try:
            return opener(width, height)
        except ImportError:
            continue
    raise BackendUnavailable("this camera reaches size and rate only as MJPEG, which needs a decoder: pip install av, "
                             "or opencv-python; or ask for a smaller size or rate")


def open_pyav(width, height):
    import av
    codec = av.CodecContext.create("mjpeg", "r")

    def decode(jpeg):
        try:
            picture = codec.decode(av.Packet(jpeg))[0]
        except (av.error.FFmpegError, IndexError) as error:
            raise ValueError("not a JPEG picture: {}".format(error)) from error
        if (picture.width, picture.height) != (width, height):
            raise ValueError("a picture of {}x{}".format(picture.width, picture.height))
        if picture.format.name != "yuvj420p":
            picture = picture.reformat(format="yuvj420p")
        return tuple(rows(plane) for plane in picture.planes), picture
    return decode


def rows(plane):
    """Return a PyAV plane's pixels as a view without its padding."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:plane.height, :plane.width]


def open_opencv(width, height):
    import cv2

    def decode(jpeg):
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if picture is None or picture.shape[:2] != (height, width):
            raise ValueError("not a JPEG picture of {}x{}".format(width, height))
        flat = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        luma, half = width * height, (height // 2, width // 2)
        chroma = half[0] * half[1]
        return (flat[:luma].reshape(height, width), flat[luma:luma + chroma].reshape(half),
                flat[luma + chroma:].reshape(half)), None
    return decode
