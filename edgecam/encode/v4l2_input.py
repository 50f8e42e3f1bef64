"""What an encoder's input must be for our frames, and frames into its memory: copied once, converted where it reads another format."""
from edgecam.errors import EncoderError
from edgecam.v4l2 import raw
from edgecam.v4l2.layout import PICTURES, Format

# fourcc of a frame -> V4L2 formats that take it, best first: as it is, then by moving bytes, then by halving chroma.
TARGETS = {
    "NV12": ("NV12", "NM12", "YU12", "YM12"),
    "I420": ("YU12", "YM12", "NV12", "NM12"),
    "YUYV": ("YUYV", "NV12", "NM12", "YU12", "YM12"),
    "GREY": ("GREY", "NV12", "NM12", "YU12", "YM12"),
}


def copy(planes, views):
    for view, plane in zip(views, planes):
        view[...] = plane


def split(planes, views):
    """NV12 to I420."""
    views[0][...] = planes[0]
    views[1][...], views[2][...] = planes[1][:, :, 0], planes[1][:, :, 1]


def weave(planes, views):
    """I420 to NV12."""
    views[0][...] = planes[0]
    views[1][:, :, 0], views[1][:, :, 1] = planes[1], planes[2]


def halved_chroma(packed):
    """Return the chroma of a YUYV plane at half height, as (h/2, w/2, 2): each two rows' mean, rounded down."""
    chroma = packed[:, :, 1].reshape(packed.shape[0], -1, 2)
    upper, lower = chroma[0::2], chroma[1::2]
    mean = upper.copy()                 # an odd last row has nothing below it
    mean[:len(lower)] = (upper[:len(lower)] & lower) + ((upper[:len(lower)] ^ lower) >> 1)
    return mean


def unpack(planes, views):
    """YUYV to NV12 or I420."""
    views[0][...] = planes[0][:, :, 0]
    chroma = halved_chroma(planes[0])
    if len(views) == 2:
        views[1][...] = chroma
    else:
        views[1][...], views[2][...] = chroma[:, :, 0], chroma[:, :, 1]


def colourless(planes, views):
    """GREY to NV12 or I420."""
    views[0][...] = planes[0]
    for view in views[1:]:
        view[...] = 128


CONVERSIONS = {("NV12", "I420"): split, ("I420", "NV12"): weave, ("YUYV", "NV12"): unpack, ("YUYV", "I420"): unpack,
               ("GREY", "NV12"): colourless, ("GREY", "I420"): colourless}


def painter(source, target):
    """Return the function (planes, views) that brings a frame's planes, fourcc *source*, into views of fourcc *target*."""
    return copy if source == target else CONVERSIONS[source, target]


def extending(paint):
    """Wrap a painter for odd sizes: views are a column or a row larger, which repeats the last one of the picture."""
    def extended(planes, views):
        height, width = planes[0].shape[:2]
        paint(planes, (views[0][:height, :width],) + tuple(views[1:]))
        views[0][:height, width:] = views[0][:height, width - 1:width]
        views[0][height:] = views[0][height - 1:height]
    return extended


def even(video_format):
    """Return (width, height) as 4:2:0 video has them: odd ones grow by one."""
    return video_format.width + video_format.width % 2, video_format.height + video_format.height % 2


def check(video_format):
    """Raise `EncoderError` for frames that no V4L2 encoder is given."""
    if video_format.fourcc not in TARGETS:
        raise EncoderError("v4l2 encoders take {}, not {}".format(", ".join(TARGETS), video_format.fourcc))
    if video_format.fourcc == "YUYV" and video_format.width % 2:
        raise EncoderError("YUYV has pairs of columns; {} is an odd width".format(video_format.width))


def check_range(low, high):
    """Raise `EncoderError` for a QP range (None: the encoder's own limit) that no encoder can have."""
    low, high = (0 if low is None else low), (51 if high is None else high)
    if not 0 <= low <= high <= 51:
        raise EncoderError("a QP range of {} to {}: expected 0 to 51, the lower one first".format(low, high))


def choose_input(path, video_format, offered):
    """Return the best V4L2 format for our frames among those that the encoder at *path* has *offered*. Raises `EncoderError`."""
    for fourcc in TARGETS[video_format.fourcc]:
        if fourcc in offered:
            return fourcc
    raise EncoderError("{}: takes none of {} for {} frames".format(
        path, ", ".join(TARGETS[video_format.fourcc]), video_format.fourcc))


def colours(video_format):
    """Return a `Format` that says how the frames' colours are meant."""
    hd = video_format.matrix == "bt709"
    return Format(0, 0, "", (), raw.V4L2_COLORSPACE_REC709 if hd else raw.V4L2_COLORSPACE_SMPTE170M,
                  raw.V4L2_YCBCR_ENC_709 if hd else raw.V4L2_YCBCR_ENC_601,
                  raw.V4L2_QUANTIZATION_FULL_RANGE if video_format.full_range else raw.V4L2_QUANTIZATION_LIM_RANGE)


def lies_alike(theirs, ours):
    """Whether memory laid out as the `Format` *theirs* is read rightly by an encoder that expects *ours*."""
    return (theirs.fourcc == ours.fourcc and len(theirs.planes) == len(ours.planes)
            and [plane.stride for plane in theirs.planes] == [plane.stride for plane in ours.planes]
            and all(a.size >= b.size for a, b in zip(theirs.planes, ours.planes))
            and (theirs.height == ours.height or len(PICTURES[ours.fourcc][1]) == len(ours.planes)))
