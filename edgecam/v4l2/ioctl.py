"""One function for each ioctl: fills the struct, makes the call, returns what it answered.

*ioctl* is what `Kernel.bind` or `LibV4L2.bind` returned. Errors are `OSError` with the
errno of the call; ``read_all`` functions take the errno that means "end of the list".
"""
import errno
from ctypes import c_int32

from edgecam.v4l2 import raw

NO_SUCH_CALL = (errno.ENOTTY, errno.EINVAL)     # how drivers say that they don't have it


def query_capability(ioctl):
    capability = raw.v4l2_capability()
    ioctl(raw.VIDIOC_QUERYCAP, capability)
    return capability


def enumerate_with(ioctl, request, make):
    """Yield make(index) filled by *request*, from 0 until the driver says that there are no more."""
    for index in range(1024):
        item = make(index)
        try:
            ioctl(request, item)
        except OSError as error:
            if error.errno in NO_SUCH_CALL + (errno.ENODATA,):
                return
            raise
        yield item


def enum_formats(ioctl, buffer_type):
    return enumerate_with(ioctl, raw.VIDIOC_ENUM_FMT, lambda i: raw.v4l2_fmtdesc(index=i, type=buffer_type))


def enum_frame_sizes(ioctl, pixel_format):
    return enumerate_with(ioctl, raw.VIDIOC_ENUM_FRAMESIZES,
                          lambda i: raw.v4l2_frmsizeenum(index=i, pixel_format=pixel_format))


def enum_frame_intervals(ioctl, pixel_format, width, height):
    return enumerate_with(ioctl, raw.VIDIOC_ENUM_FRAMEINTERVALS, lambda i: raw.v4l2_frmivalenum(
        index=i, pixel_format=pixel_format, width=width, height=height))


def enum_inputs(ioctl):
    return enumerate_with(ioctl, raw.VIDIOC_ENUMINPUT, lambda i: raw.v4l2_input(index=i))


def set_input(ioctl, index):
    ioctl(raw.VIDIOC_S_INPUT, c_int32(index))


def query_dv_timings(ioctl):
    """Return the timings of the signal that comes in; raises `OSError` ENOLINK without one."""
    timings = raw.v4l2_dv_timings()
    ioctl(raw.VIDIOC_QUERY_DV_TIMINGS, timings)
    return timings


def get_dv_timings(ioctl):
    timings = raw.v4l2_dv_timings()
    ioctl(raw.VIDIOC_G_DV_TIMINGS, timings)
    return timings


def set_dv_timings(ioctl, timings):
    ioctl(raw.VIDIOC_S_DV_TIMINGS, timings)


def get_format(ioctl, buffer_type):
    fmt = raw.v4l2_format(type=buffer_type)
    ioctl(raw.VIDIOC_G_FMT, fmt)
    return fmt


def set_format(ioctl, fmt):
    """Set *fmt*, a `v4l2_format`, which then holds what the driver made of it."""
    ioctl(raw.VIDIOC_S_FMT, fmt)
    return fmt


def try_format(ioctl, fmt):
    ioctl(raw.VIDIOC_TRY_FMT, fmt)
    return fmt


def get_parameters(ioctl, buffer_type):
    parameters = raw.v4l2_streamparm(type=buffer_type)
    ioctl(raw.VIDIOC_G_PARM, parameters)
    return parameters


def set_parameters(ioctl, parameters):
    ioctl(raw.VIDIOC_S_PARM, parameters)
    return parameters


def get_selection(ioctl, buffer_type, target):
    selection = raw.v4l2_selection(type=buffer_type, target=target)
    ioctl(raw.VIDIOC_G_SELECTION, selection)
    return selection


def set_selection(ioctl, buffer_type, target, width, height):
    """Select the *width* x *height* pixels at the top left corner."""
    selection = raw.v4l2_selection(type=buffer_type, target=target, r=raw.v4l2_rect(0, 0, width, height))
    ioctl(raw.VIDIOC_S_SELECTION, selection)
    return selection


def request_buffers(ioctl, buffer_type, memory, count):
    """Return how many buffers the driver really gives."""
    request = raw.v4l2_requestbuffers(count=count, type=buffer_type, memory=memory)
    ioctl(raw.VIDIOC_REQBUFS, request)
    return request.count


def query_buffer(ioctl, buffer):
    ioctl(raw.VIDIOC_QUERYBUF, buffer)
    return buffer


def export_buffer(ioctl, buffer_type, index, plane, flags):
    """Return a dma-buf descriptor of one plane; the caller closes it."""
    export = raw.v4l2_exportbuffer(type=buffer_type, index=index, plane=plane, flags=flags)
    ioctl(raw.VIDIOC_EXPBUF, export)
    return export.fd


def stream_on(ioctl, buffer_type):
    ioctl(raw.VIDIOC_STREAMON, c_int32(buffer_type))


def stream_off(ioctl, buffer_type):
    ioctl(raw.VIDIOC_STREAMOFF, c_int32(buffer_type))


def encoder_command(ioctl, command, flags=0):
    ioctl(raw.VIDIOC_ENCODER_CMD, raw.v4l2_encoder_cmd(cmd=command, flags=flags))


def decoder_command(ioctl, command, flags=0):
    ioctl(raw.VIDIOC_DECODER_CMD, raw.v4l2_decoder_cmd(cmd=command, flags=flags))


def subscribe_event(ioctl, kind, identity=0):
    ioctl(raw.VIDIOC_SUBSCRIBE_EVENT, raw.v4l2_event_subscription(type=kind, id=identity))


def dequeue_event(ioctl):
    """Return the next `v4l2_event`; raises `OSError` ENOENT or EAGAIN when none waits."""
    event = raw.v4l2_event()
    ioctl(raw.VIDIOC_DQEVENT, event)
    return event


def query_control(ioctl, identity):
    control = raw.v4l2_query_ext_ctrl(id=identity)
    ioctl(raw.VIDIOC_QUERY_EXT_CTRL, control)
    return control


def query_menu(ioctl, identity, index):
    item = raw.v4l2_querymenu(id=identity, index=index)
    ioctl(raw.VIDIOC_QUERYMENU, item)
    return item


def ext_controls(controls, which):
    """Wrap a ctypes array of `v4l2_ext_control`; the array must outlive the call."""
    return raw.v4l2_ext_controls(which=which, count=len(controls), controls=controls)


def get_ext_controls(ioctl, controls, which=raw.V4L2_CTRL_WHICH_CUR_VAL):
    ioctl(raw.VIDIOC_G_EXT_CTRLS, ext_controls(controls, which))
    return controls


def set_ext_controls(ioctl, controls, which=raw.V4L2_CTRL_WHICH_CUR_VAL):
    ioctl(raw.VIDIOC_S_EXT_CTRLS, ext_controls(controls, which))
    return controls
