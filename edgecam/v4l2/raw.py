"""V4L2's structs and ioctl numbers (and, from `constants`, the constants), as in <linux/videodev2.h>, under the kernel's own names.

Written by hand, and only what edgecam uses; a test compiles the system's header and
compares every size, offset and number. The kernel documents them in
Documentation/userspace-api/media/v4l.
"""
import ctypes
from ctypes import (POINTER, c_char, c_int16, c_int32, c_int64, c_long, c_uint8, c_uint16, c_uint32, c_uint64,
                    c_ulong, c_void_p)

from edgecam.v4l2.constants import *                            # noqa: F401,F403  so that `raw` is the whole header
from edgecam.v4l2.constants import VIDEO_MAX_PLANES

u8, u16, u32, u64, s16, s32, s64 = c_uint8, c_uint16, c_uint32, c_uint64, c_int16, c_int32, c_int64


class Struct(ctypes.Structure):
    """A C struct with a repr for log lines."""

    def __repr__(self):
        fields = ("{}={!r}".format(field[0], getattr(self, field[0])) for field in self._fields_)
        return "{}({})".format(type(self).__name__, ", ".join(fields))


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
