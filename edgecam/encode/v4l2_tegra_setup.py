"""A Jetson's encoder made ready: formats, rates, options, buffers, in the order of NVIDIA's own sample (01_video_encode)."""
import ctypes
import errno
import logging

from edgecam.encode.v4l2_input import choose_input, colours
from edgecam.encode.v4l2_m2m import OUTPUTS, M2MEncoder
from edgecam.errors import BackendUnavailable, EncoderError, reason
from edgecam.v4l2 import raw, tegra
from edgecam.v4l2.device import Device
from edgecam.v4l2.dmabuf import DmaBuf
from edgecam.v4l2.driver import LibV4L2
from edgecam.v4l2.layout import memory_planes
from edgecam.v4l2.nvbuf import open_sync

log = logging.getLogger(__name__)

CODED_SIZE = 2 << 20        # bytes for one access unit, as the sample asks
MARGIN = 4                  # QP that must lie between a range's ends, or regions would have no room
PROFILES = {"baseline": raw.V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE, "main": raw.V4L2_MPEG_VIDEO_H264_PROFILE_MAIN,
            "high": raw.V4L2_MPEG_VIDEO_H264_PROFILE_HIGH}


class TegraSetup(M2MEncoder):
    """Everything up to the first frame; *_board*, *_layout* (None on an unknown release) and *_open* are the descendant's."""

    name = "v4l2"

    def _check_known(self, what, wanted):
        if wanted and self._layout is None:
            raise EncoderError("L4T {}: {} can't be asked for: NVIDIA's header of this release is not known".format(
                self._board.l4t, what))

    def _check_range(self, low, high):
        """Refuse a QP range that leaves the regions no room."""
        self._check_known("a QP range", low is not None or high is not None)
        low, high = (0 if low is None else low), (51 if high is None else high)
        if high - low < MARGIN:
            raise EncoderError("a QP range of {} to {}: regions need {} between its ends at least".format(low, high, MARGIN))

    # -- setting up, in the sample's order -------------------------------------------------------------

    def _set_up(self):
        try:
            self._configure()
        except OSError as error:
            self.device.close()
            raise EncoderError("{}: {}".format(self.device.path, reason(error))) from error
        except EncoderError:
            self.device.close()
            raise

    def _configure(self):
        device, (width, height) = self.device, self._size
        device.set_format(device.capture_type, width, height, "H264", size=max(CODED_SIZE, width * height))
        fourcc = choose_input(device.path, self._video, ("YM12", "NM12") if self._board.release >= (34, 1, 0) else ("YM12",))
        self._input = device.set_format(device.output_type, width, height, fourcc, memory_planes(fourcc),
                                        colours=colours(self._video))
        self._set_rates()
        device.set_rate(device.output_type, self._video.rate)
        self._set_options()
        self._raw, self._coded = device.queue(device.output_type), device.queue(device.capture_type)

    def _set(self, identity, value):
        self.device.controls.set_values({identity: value}, tegra.CLASS)

    def _set_vendor(self, number, value):
        self._set(tegra.control_id(number, self._layout), value)

    def _set_payload(self, number, payload):
        self.device.controls.set_payload(tegra.control_id(number, self._layout), payload, 0, tegra.CLASS)

    def _set_rates(self):
        settings = self._settings
        gop = max(1, round(settings.keyframe_interval * self._video.rate))
        self._set(raw.V4L2_CID_MPEG_VIDEO_BITRATE, self.format.bitrate)
        self._set(raw.V4L2_CID_MPEG_VIDEO_H264_PROFILE, PROFILES[settings.profile])
        self._set(raw.V4L2_CID_MPEG_VIDEO_BITRATE_MODE, raw.V4L2_MPEG_VIDEO_BITRATE_MODE_CBR)
        if self._layout is not None:
            self._set_vendor(tegra.IDR_INTERVAL, gop)
        self._set(raw.V4L2_CID_MPEG_VIDEO_GOP_SIZE, gop)

    def _set_options(self):
        if self._layout is None:
            log.warning("L4T %s: NVIDIA's header of this release is not known, so there are no regions of interest",
                        self._board.l4t)
            return
        settings = self._settings
        self._set_vendor(tegra.HW_PRESET, tegra.ULTRAFAST)
        self._set_vendor(tegra.SPS_PPS_AT_IDR, 1)
        self._set_vendor(tegra.INSERT_VUI, 1)           # how colours are meant
        if settings.min_qp is not None or settings.max_qp is not None:
            self._set_payload(tegra.QP_RANGE, tegra.qp_range(settings.min_qp, settings.max_qp))
        if settings.motion_vectors:
            self._set_vendor(tegra.ENABLE_METADATA_MV, 1)
        self._set_payload(tegra.ENABLE_ROI, tegra.enable_roi(self._layout))

    def _can_import(self, frame):
        return isinstance(frame.native, DmaBuf) and frame.native.nvbuffer

    def _map_inputs(self):
        self._raw.export()
        self._raw.map_exported(at_offsets=True)
        self._sync = open_sync(self._layout or tegra.R364)      # the unknown ones are newer than all we know

    def _bytesused(self):
        height = self._size[1]
        return tuple(plane.stride * (height // 2 if number else height) for number, plane in enumerate(self._input.planes))

    def _begin(self):
        """The buffers, and both queues running."""
        self._coded.request(OUTPUTS, raw.V4L2_MEMORY_MMAP)
        self._coded.export()
        self._coded.map_exported(at_offsets=True)
        if self._layout is not None:
            self._lists = [tegra.RegionList(self._layout, buffer.index) for buffer in self._raw.buffers]
            self._reader = tegra.MetadataReader(self._layout)
        self._addresses = [addresses(buffer) for buffer in self._raw.buffers]
        self.device.subscribe(raw.V4L2_EVENT_EOS)
        self._raw.stream_on()
        self._coded.stream_on()
        for buffer in self._coded.buffers:
            self._coded.enqueue(buffer)


def open_device(node, driver, board):
    """Open the node through libv4l2 and make sure that an encoder answers. Raises `BackendUnavailable`."""
    try:
        device = Device(node, driver or LibV4L2(), blocking=True)
    except OSError as error:
        if error.errno == errno.ENOTTY:
            why = ("nobody answers: NVIDIA's plugin libv4l2_nvvideocodec.so was not found by libv4l2. In a container, use "
                   "the NVIDIA runtime; else check the package nvidia-l4t-multimedia")
        else:
            why = reason(error)
        raise BackendUnavailable("{} on {} ({}): {}".format(node, board.model, board.l4t, why)) from error
    if not device.capability.flags & raw.V4L2_CAP_VIDEO_M2M_MPLANE:
        device.close()
        raise BackendUnavailable("{}: {} is no encoder".format(node, device.capability.card))
    return device


def addresses(buffer):
    """Return (descriptor, address) of each mapped memory plane."""
    return [(fd, ctypes.addressof(ctypes.c_char.from_buffer(memory))) for fd, memory in zip(buffer.fds, buffer.memory)]
