"""V4L2's structs, constants and ioctl numbers, as in <linux/videodev2.h>, under the kernel's own names.

Written by hand, and only what edgecam uses; a test compiles the system's header and
compares every size, offset and number. The kernel documents them in
Documentation/userspace-api/media/v4l.
"""
import ctypes
from ctypes import (POINTER, c_char, c_int16, c_int32, c_int64, c_long, c_uint8, c_uint16, c_uint32, c_uint64,
                    c_ulong, c_void_p)

u8, u16, u32, u64, s16, s32, s64 = c_uint8, c_uint16, c_uint32, c_uint64, c_int16, c_int32, c_int64


class Struct(ctypes.Structure):
    """A C struct with a repr for log lines."""

    def __repr__(self):
        fields = ("{}={!r}".format(field[0], getattr(self, field[0])) for field in self._fields_)
        return "{}({})".format(type(self).__name__, ", ".join(fields))


def fourcc(text):
    """Return the number of a four-character code: ``fourcc("NV12")``."""
    return int.from_bytes(text.ljust(4).encode("ascii"), "little")


def fourcc_text(number):
    """Return the characters of a code: "NV12"."""
    return (number & 0x7fffffff).to_bytes(4, "little").decode("ascii", "replace").rstrip()


# -- kinds of buffer, memory, field ---------------------------------------------------------------

V4L2_BUF_TYPE_VIDEO_CAPTURE = 1
V4L2_BUF_TYPE_VIDEO_OUTPUT = 2
V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE = 9
V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE = 10

V4L2_MEMORY_MMAP = 1
V4L2_MEMORY_USERPTR = 2
V4L2_MEMORY_DMABUF = 4

V4L2_FIELD_ANY = 0
V4L2_FIELD_NONE = 1

VIDEO_MAX_PLANES = 8
VIDEO_MAX_FRAME = 32

# -- capabilities ---------------------------------------------------------------------------------

V4L2_CAP_VIDEO_CAPTURE = 0x00000001
V4L2_CAP_VIDEO_OUTPUT = 0x00000002
V4L2_CAP_VIDEO_CAPTURE_MPLANE = 0x00001000
V4L2_CAP_VIDEO_OUTPUT_MPLANE = 0x00002000
V4L2_CAP_VIDEO_M2M_MPLANE = 0x00004000
V4L2_CAP_VIDEO_M2M = 0x00008000
V4L2_CAP_READWRITE = 0x01000000
V4L2_CAP_STREAMING = 0x04000000
V4L2_CAP_DEVICE_CAPS = 0x80000000

V4L2_CAP_TIMEPERFRAME = 0x1000

V4L2_FMT_FLAG_COMPRESSED = 0x0001
V4L2_FMT_FLAG_EMULATED = 0x0002

V4L2_FRMSIZE_TYPE_DISCRETE = 1
V4L2_FRMSIZE_TYPE_CONTINUOUS = 2
V4L2_FRMSIZE_TYPE_STEPWISE = 3
V4L2_FRMIVAL_TYPE_DISCRETE = 1
V4L2_FRMIVAL_TYPE_CONTINUOUS = 2
V4L2_FRMIVAL_TYPE_STEPWISE = 3

# -- colours --------------------------------------------------------------------------------------

V4L2_COLORSPACE_DEFAULT = 0
V4L2_COLORSPACE_SMPTE170M = 1
V4L2_COLORSPACE_REC709 = 3
V4L2_COLORSPACE_JPEG = 7
V4L2_COLORSPACE_SRGB = 8
V4L2_QUANTIZATION_DEFAULT = 0
V4L2_QUANTIZATION_FULL_RANGE = 1
V4L2_QUANTIZATION_LIM_RANGE = 2
V4L2_YCBCR_ENC_DEFAULT = 0
V4L2_YCBCR_ENC_601 = 1
V4L2_YCBCR_ENC_709 = 2

# -- pixel formats --------------------------------------------------------------------------------

V4L2_PIX_FMT_NV12 = fourcc("NV12")
V4L2_PIX_FMT_NV12M = fourcc("NM12")
V4L2_PIX_FMT_YUV420 = fourcc("YU12")
V4L2_PIX_FMT_YUV420M = fourcc("YM12")
V4L2_PIX_FMT_YUYV = fourcc("YUYV")
V4L2_PIX_FMT_GREY = fourcc("GREY")
V4L2_PIX_FMT_MJPEG = fourcc("MJPG")
V4L2_PIX_FMT_JPEG = fourcc("JPEG")
V4L2_PIX_FMT_H264 = fourcc("H264")
V4L2_PIX_FMT_HEVC = fourcc("HEVC")
V4L2_PIX_FMT_FWHT = fourcc("FWHT")

# -- buffer flags ---------------------------------------------------------------------------------

V4L2_BUF_FLAG_MAPPED = 0x00000001
V4L2_BUF_FLAG_QUEUED = 0x00000002
V4L2_BUF_FLAG_DONE = 0x00000004
V4L2_BUF_FLAG_KEYFRAME = 0x00000008
V4L2_BUF_FLAG_PFRAME = 0x00000010
V4L2_BUF_FLAG_BFRAME = 0x00000020
V4L2_BUF_FLAG_ERROR = 0x00000040
V4L2_BUF_FLAG_TIMESTAMP_MASK = 0x0000e000
V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC = 0x00002000
V4L2_BUF_FLAG_TIMESTAMP_COPY = 0x00004000
V4L2_BUF_FLAG_TSTAMP_SRC_MASK = 0x00070000
V4L2_BUF_FLAG_TSTAMP_SRC_SOE = 0x00010000
V4L2_BUF_FLAG_LAST = 0x00100000

# -- events and commands --------------------------------------------------------------------------

V4L2_EVENT_EOS = 2
V4L2_EVENT_CTRL = 3
V4L2_EVENT_SOURCE_CHANGE = 5
V4L2_EVENT_SRC_CH_RESOLUTION = 1
V4L2_ENC_CMD_START = 0
V4L2_ENC_CMD_STOP = 1
V4L2_DEC_CMD_START = 0
V4L2_DEC_CMD_STOP = 1

# -- controls -------------------------------------------------------------------------------------

V4L2_CTRL_TYPE_INTEGER = 1
V4L2_CTRL_TYPE_BOOLEAN = 2
V4L2_CTRL_TYPE_MENU = 3
V4L2_CTRL_TYPE_BUTTON = 4
V4L2_CTRL_TYPE_INTEGER64 = 5
V4L2_CTRL_TYPE_CTRL_CLASS = 6
V4L2_CTRL_TYPE_STRING = 7
V4L2_CTRL_TYPE_BITMASK = 8
V4L2_CTRL_TYPE_INTEGER_MENU = 9
V4L2_CTRL_TYPE_U8 = 0x0100
V4L2_CTRL_TYPE_U16 = 0x0101
V4L2_CTRL_TYPE_U32 = 0x0102

V4L2_CTRL_FLAG_DISABLED = 0x0001
V4L2_CTRL_FLAG_READ_ONLY = 0x0004
V4L2_CTRL_FLAG_INACTIVE = 0x0010
V4L2_CTRL_FLAG_WRITE_ONLY = 0x0040
V4L2_CTRL_FLAG_HAS_PAYLOAD = 0x0100
V4L2_CTRL_FLAG_NEXT_CTRL = 0x80000000
V4L2_CTRL_FLAG_NEXT_COMPOUND = 0x40000000
V4L2_CTRL_WHICH_CUR_VAL = 0

V4L2_CID_BRIGHTNESS = 0x00980900
V4L2_CID_MIN_BUFFERS_FOR_CAPTURE = 0x00980927
V4L2_CID_MIN_BUFFERS_FOR_OUTPUT = 0x00980928
V4L2_CID_MPEG_VIDEO_GOP_SIZE = 0x009909cb
V4L2_CID_MPEG_VIDEO_B_FRAMES = 0x009909ca
V4L2_CID_MPEG_VIDEO_BITRATE_MODE = 0x009909ce
V4L2_CID_MPEG_VIDEO_BITRATE = 0x009909cf
V4L2_CID_MPEG_VIDEO_BITRATE_PEAK = 0x009909d0
V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE = 0x009909d7
V4L2_CID_MPEG_VIDEO_HEADER_MODE = 0x009909d8
V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER = 0x009909e2
V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME = 0x009909e5
V4L2_CID_FWHT_I_FRAME_QP = 0x00990a22
V4L2_CID_FWHT_P_FRAME_QP = 0x00990a23
V4L2_CID_MPEG_VIDEO_H264_I_FRAME_QP = 0x00990a5e
V4L2_CID_MPEG_VIDEO_H264_P_FRAME_QP = 0x00990a5f
V4L2_CID_MPEG_VIDEO_H264_MIN_QP = 0x00990a61
V4L2_CID_MPEG_VIDEO_H264_MAX_QP = 0x00990a62
V4L2_CID_MPEG_VIDEO_H264_LEVEL = 0x00990a67
V4L2_CID_MPEG_VIDEO_H264_PROFILE = 0x00990a6b
V4L2_CID_MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE = 0x00991103

V4L2_MPEG_VIDEO_BITRATE_MODE_VBR = 0
V4L2_MPEG_VIDEO_BITRATE_MODE_CBR = 1
V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME = 1
V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE = 0
V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE = 1
V4L2_MPEG_VIDEO_H264_PROFILE_MAIN = 2
V4L2_MPEG_VIDEO_H264_PROFILE_HIGH = 4

# -- structs --------------------------------------------------------------------------------------


class v4l2_capability(Struct):
    _fields_ = [("driver", c_char * 16), ("card", c_char * 32), ("bus_info", c_char * 32), ("version", u32),
                ("capabilities", u32), ("device_caps", u32), ("reserved", u32 * 3)]


class v4l2_fmtdesc(Struct):
    _fields_ = [("index", u32), ("type", u32), ("flags", u32), ("description", u8 * 32), ("pixelformat", u32),
                ("reserved", u32 * 4)]


class v4l2_fract(Struct):
    _fields_ = [("numerator", u32), ("denominator", u32)]


class v4l2_rect(Struct):
    _fields_ = [("left", s32), ("top", s32), ("width", u32), ("height", u32)]


class v4l2_frmsize_discrete(Struct):
    _fields_ = [("width", u32), ("height", u32)]


class v4l2_frmsize_stepwise(Struct):
    _fields_ = [("min_width", u32), ("max_width", u32), ("step_width", u32),
                ("min_height", u32), ("max_height", u32), ("step_height", u32)]


class _frmsize(ctypes.Union):
    _fields_ = [("discrete", v4l2_frmsize_discrete), ("stepwise", v4l2_frmsize_stepwise)]


class v4l2_frmsizeenum(Struct):
    _anonymous_ = ("u",)
    _fields_ = [("index", u32), ("pixel_format", u32), ("type", u32), ("u", _frmsize), ("reserved", u32 * 2)]


class v4l2_frmival_stepwise(Struct):
    _fields_ = [("min", v4l2_fract), ("max", v4l2_fract), ("step", v4l2_fract)]


class _frmival(ctypes.Union):
    _fields_ = [("discrete", v4l2_fract), ("stepwise", v4l2_frmival_stepwise)]


class v4l2_frmivalenum(Struct):
    _anonymous_ = ("u",)
    _fields_ = [("index", u32), ("pixel_format", u32), ("width", u32), ("height", u32), ("type", u32),
                ("u", _frmival), ("reserved", u32 * 2)]


class v4l2_pix_format(Struct):
    _fields_ = [("width", u32), ("height", u32), ("pixelformat", u32), ("field", u32), ("bytesperline", u32),
                ("sizeimage", u32), ("colorspace", u32), ("priv", u32), ("flags", u32), ("ycbcr_enc", u32),
                ("quantization", u32), ("xfer_func", u32)]


class v4l2_plane_pix_format(Struct):
    _pack_ = 1
    _fields_ = [("sizeimage", u32), ("bytesperline", u32), ("reserved", u16 * 6)]


class v4l2_pix_format_mplane(Struct):
    _pack_ = 1
    _fields_ = [("width", u32), ("height", u32), ("pixelformat", u32), ("field", u32), ("colorspace", u32),
                ("plane_fmt", v4l2_plane_pix_format * VIDEO_MAX_PLANES), ("num_planes", u8), ("flags", u8),
                ("ycbcr_enc", u8), ("quantization", u8), ("xfer_func", u8), ("reserved", u8 * 7)]


class _fmt(ctypes.Union):
    _fields_ = [("pix", v4l2_pix_format), ("pix_mp", v4l2_pix_format_mplane), ("raw_data", u8 * 200),
                ("_align", c_void_p)]          # a window's pointer aligns the union to 8 bytes


class v4l2_format(Struct):
    _fields_ = [("type", u32), ("fmt", _fmt)]


class v4l2_requestbuffers(Struct):
    _fields_ = [("count", u32), ("type", u32), ("memory", u32), ("capabilities", u32), ("reserved", u32)]


class timeval(Struct):
    _fields_ = [("tv_sec", c_long), ("tv_usec", c_long)]


class v4l2_timecode(Struct):
    _fields_ = [("type", u32), ("flags", u32), ("frames", u8), ("seconds", u8), ("minutes", u8), ("hours", u8),
                ("userbits", u8 * 4)]


class _plane_m(ctypes.Union):
    _fields_ = [("mem_offset", u32), ("userptr", c_ulong), ("fd", s32)]


class v4l2_plane(Struct):
    _fields_ = [("bytesused", u32), ("length", u32), ("m", _plane_m), ("data_offset", u32), ("reserved", u32 * 11)]


class _buffer_m(ctypes.Union):
    _fields_ = [("offset", u32), ("userptr", c_ulong), ("planes", POINTER(v4l2_plane)), ("fd", s32)]


class v4l2_buffer(Struct):
    _fields_ = [("index", u32), ("type", u32), ("bytesused", u32), ("flags", u32), ("field", u32),
                ("timestamp", timeval), ("timecode", v4l2_timecode), ("sequence", u32), ("memory", u32),
                ("m", _buffer_m), ("length", u32), ("reserved2", u32), ("reserved", u32)]


class v4l2_exportbuffer(Struct):
    _fields_ = [("type", u32), ("index", u32), ("plane", u32), ("flags", u32), ("fd", s32), ("reserved", u32 * 11)]


class v4l2_captureparm(Struct):
    _fields_ = [("capability", u32), ("capturemode", u32), ("timeperframe", v4l2_fract), ("extendedmode", u32),
                ("readbuffers", u32), ("reserved", u32 * 4)]


class v4l2_outputparm(Struct):
    _fields_ = [("capability", u32), ("outputmode", u32), ("timeperframe", v4l2_fract), ("extendedmode", u32),
                ("writebuffers", u32), ("reserved", u32 * 4)]


class _parm(ctypes.Union):
    _fields_ = [("capture", v4l2_captureparm), ("output", v4l2_outputparm), ("raw_data", u8 * 200)]


class v4l2_streamparm(Struct):
    _fields_ = [("type", u32), ("parm", _parm)]


class v4l2_selection(Struct):
    _fields_ = [("type", u32), ("target", u32), ("flags", u32), ("r", v4l2_rect), ("reserved", u32 * 9)]


V4L2_SEL_TGT_CROP = 0


class v4l2_control(Struct):
    _fields_ = [("id", u32), ("value", s32)]


class _ext_control(ctypes.Union):
    _pack_ = 1
    _fields_ = [("value", s32), ("value64", s64), ("string", c_void_p), ("ptr", c_void_p)]


class v4l2_ext_control(Struct):
    _pack_ = 1
    _anonymous_ = ("u",)
    _fields_ = [("id", u32), ("size", u32), ("reserved2", u32 * 1), ("u", _ext_control)]


class v4l2_ext_controls(Struct):
    _fields_ = [("which", u32), ("count", u32), ("error_idx", u32), ("request_fd", s32), ("reserved", u32 * 1),
                ("controls", POINTER(v4l2_ext_control))]


class v4l2_query_ext_ctrl(Struct):
    _fields_ = [("id", u32), ("type", u32), ("name", c_char * 32), ("minimum", s64), ("maximum", s64), ("step", u64),
                ("default_value", s64), ("flags", u32), ("elem_size", u32), ("elems", u32), ("nr_of_dims", u32),
                ("dims", u32 * 4), ("reserved", u32 * 32)]


class _querymenu(ctypes.Union):
    _pack_ = 1
    _fields_ = [("name", u8 * 32), ("value", s64)]


class v4l2_querymenu(Struct):
    _pack_ = 1
    _anonymous_ = ("u",)
    _fields_ = [("id", u32), ("index", u32), ("u", _querymenu), ("reserved", u32)]


class v4l2_event_subscription(Struct):
    _fields_ = [("type", u32), ("id", u32), ("flags", u32), ("reserved", u32 * 5)]


class v4l2_event_src_change(Struct):
    _fields_ = [("changes", u32)]


class _event_u(ctypes.Union):
    _fields_ = [("src_change", v4l2_event_src_change), ("data", u8 * 64), ("_align", s64)]


class timespec(Struct):
    _fields_ = [("tv_sec", c_long), ("tv_nsec", c_long)]


class v4l2_event(Struct):
    _fields_ = [("type", u32), ("u", _event_u), ("pending", u32), ("sequence", u32), ("timestamp", timespec),
                ("id", u32), ("reserved", u32 * 8)]


class v4l2_encoder_cmd(Struct):
    _fields_ = [("cmd", u32), ("flags", u32), ("_raw", u32 * 8)]


class v4l2_decoder_cmd(Struct):
    _fields_ = [("cmd", u32), ("flags", u32), ("_raw", u64 * 8)]


class v4l2_dv_timings(Struct):
    """Timings of a digital video signal (HDMI), only ever passed on as they are."""

    _pack_ = 1
    _fields_ = [("type", u32), ("reserved", u32 * 32)]


class v4l2_input(Struct):
    _fields_ = [("index", u32), ("name", u8 * 32), ("type", u32), ("audioset", u32), ("tuner", u32), ("std", u64),
                ("status", u32), ("capabilities", u32), ("reserved", u32 * 3)]


# -- ioctls: _IOC of <asm-generic/ioctl.h>, for x86 and ARM ----------------------------------------


def _IOC(direction, number, struct):
    return direction << 30 | ctypes.sizeof(struct) << 16 | ord("V") << 8 | number


def _IOW(number, struct):
    return _IOC(1, number, struct)


def _IOR(number, struct):
    return _IOC(2, number, struct)


def _IOWR(number, struct):
    return _IOC(3, number, struct)


VIDIOC_QUERYCAP = _IOR(0, v4l2_capability)
VIDIOC_ENUM_FMT = _IOWR(2, v4l2_fmtdesc)
VIDIOC_G_FMT = _IOWR(4, v4l2_format)
VIDIOC_S_FMT = _IOWR(5, v4l2_format)
VIDIOC_TRY_FMT = _IOWR(64, v4l2_format)
VIDIOC_REQBUFS = _IOWR(8, v4l2_requestbuffers)
VIDIOC_QUERYBUF = _IOWR(9, v4l2_buffer)
VIDIOC_QBUF = _IOWR(15, v4l2_buffer)
VIDIOC_EXPBUF = _IOWR(16, v4l2_exportbuffer)
VIDIOC_DQBUF = _IOWR(17, v4l2_buffer)
VIDIOC_STREAMON = _IOW(18, s32)
VIDIOC_STREAMOFF = _IOW(19, s32)
VIDIOC_G_PARM = _IOWR(21, v4l2_streamparm)
VIDIOC_S_PARM = _IOWR(22, v4l2_streamparm)
VIDIOC_G_CTRL = _IOWR(27, v4l2_control)
VIDIOC_S_CTRL = _IOWR(28, v4l2_control)
VIDIOC_ENUMINPUT = _IOWR(26, v4l2_input)
VIDIOC_G_INPUT = _IOR(38, s32)
VIDIOC_S_INPUT = _IOWR(39, s32)
VIDIOC_QUERYMENU = _IOWR(37, v4l2_querymenu)
VIDIOC_G_EXT_CTRLS = _IOWR(71, v4l2_ext_controls)
VIDIOC_S_EXT_CTRLS = _IOWR(72, v4l2_ext_controls)
VIDIOC_TRY_EXT_CTRLS = _IOWR(73, v4l2_ext_controls)
VIDIOC_ENUM_FRAMESIZES = _IOWR(74, v4l2_frmsizeenum)
VIDIOC_ENUM_FRAMEINTERVALS = _IOWR(75, v4l2_frmivalenum)
VIDIOC_ENCODER_CMD = _IOWR(77, v4l2_encoder_cmd)
VIDIOC_S_DV_TIMINGS = _IOWR(87, v4l2_dv_timings)
VIDIOC_G_DV_TIMINGS = _IOWR(88, v4l2_dv_timings)
VIDIOC_QUERY_DV_TIMINGS = _IOR(99, v4l2_dv_timings)
VIDIOC_DQEVENT = _IOR(89, v4l2_event)
VIDIOC_SUBSCRIBE_EVENT = _IOW(90, v4l2_event_subscription)
VIDIOC_UNSUBSCRIBE_EVENT = _IOW(91, v4l2_event_subscription)
VIDIOC_G_SELECTION = _IOWR(94, v4l2_selection)
VIDIOC_S_SELECTION = _IOWR(95, v4l2_selection)
VIDIOC_DECODER_CMD = _IOWR(96, v4l2_decoder_cmd)
VIDIOC_QUERY_EXT_CTRL = _IOWR(103, v4l2_query_ext_ctrl)
