"""The encoder of NVIDIA's Jetsons, with regions: through libnvv4l2, in the order of NVIDIA's own sample.

No kernel driver stands behind the node; libv4l2 hands every call to a plugin. Nothing can be
polled, so each queue has a thread that waits in DQBUF.
"""
import logging
import threading
from collections import deque

from edgecam import clock
from edgecam.encode.v4l2_m2m import STALL
from edgecam.encode.v4l2_tegra_setup import TegraSetup, open_device
from edgecam.errors import BackendUnavailable, EncoderError, WorkerStuck, reason
from edgecam.v4l2 import raw, tegra
from edgecam.worker import Worker

log = logging.getLogger(__name__)


class TegraEncoder(TegraSetup):
    """NVENC on *board* at *node*.

    *metadata* is what the encoder told of the newest packet's frame (`FrameMetadata`): average,
    lowest and highest QP, and bits, by which anybody can see that the regions work. With the
    setting ``motion_vectors`` the newest frame's are in *vectors*. On a release whose header
    nobody has read there are no regions, and a plan that has some is refused.
    """

    def __init__(self, settings, video_format, board, node, driver=None):
        self._board, self._layout = board, tegra.layout_for(board.release)
        self._open = lambda: open_device(node, driver, board)
        if board.without_encoder:               # before anything touches the node: probing it has hung such boards
            raise BackendUnavailable("the {} has no H.264 encoder; use --set encode.backend=x264".format(board.without_encoder))
        self.supports_roi = self._layout is not None
        self.max_regions = tegra.MAX_REGIONS if self.supports_roi else 0
        self.metadata = self.vectors = None
        self._ready, self._error = threading.Condition(), None
        self._arrived, self._ended, self._workers = deque(), False, []
        self._check_known("motion vectors", settings.motion_vectors)
        self._check_known("a QP range", settings.min_qp is not None or settings.max_qp is not None)
        self._check_range(settings.min_qp, settings.max_qp)
        device = self._open()
        try:
            super().__init__(settings, video_format, device)
        except Exception:
            device.close()
            raise
        self._set_up()

    def _set_up(self):
        self._queued = threading.Semaphore(0)
        super()._set_up()

    def _begin(self):
        super()._begin()
        self._workers = [Worker("encode-out", self._receive, self._wake).start(),
                         Worker("encode-in", self._reclaim, self._wake).start()]

    # -- the threads -----------------------------------------------------------------------------------

    def _receive(self, stopping):
        """Take packets from CAPTURE until the end of the stream."""
        while not stopping.is_set():
            buffer = self._dequeue(self._coded, stopping)
            if buffer is None:
                return
            if not buffer.bytesused[0]:                 # the sign of the end
                self._ended = True
                return
            metadata, vectors = self._read_metadata(buffer)
            with self._ready:
                self._arrived.append((buffer.payload(), buffer.flags, buffer.microseconds, metadata, vectors))
                self._ready.notify_all()
            self._coded.enqueue(buffer)

    def _reclaim(self, stopping):
        """Take OUTPUT buffers back, as many as were queued."""
        while True:
            self._queued.acquire()                      # `_stop` releases it once more
            buffer = None if stopping.is_set() else self._dequeue(self._raw, stopping)
            if buffer is None:
                return
            with self._ready:
                self._take_input_back(buffer)
                self._ready.notify_all()

    def _dequeue(self, queue, stopping):
        """Wait in DQBUF; None at the end. A failure is kept for the encoding thread."""
        while True:
            try:
                return queue.dequeue()
            except BlockingIOError:
                if queue.drained or stopping.wait(0.002):
                    return None
            except OSError as error:
                if not stopping.is_set():
                    self._error = "{} queue: {}".format("output" if queue is self._coded else "input", reason(error))
                return None

    def _read_metadata(self, buffer):
        """Return (`FrameMetadata`, vectors) of a packet's frame; it must be asked before the buffer goes back."""
        if self._layout is None:
            return None, None
        vectors = None
        self._get(tegra.METADATA, buffer)
        metadata = self._reader.frame()
        if self._settings.motion_vectors:
            self._get(tegra.METADATA_MV, buffer)
            vectors = self._reader.vectors()
        return metadata, vectors

    def _get(self, number, buffer):
        identity = tegra.control_id(number, self._layout)
        self.device.controls.get_payload(identity, self._reader.ask(buffer.index), 0, tegra.CLASS)

    def _wake(self):
        with self._ready:
            self._ready.notify_all()

    # -- a frame's way ---------------------------------------------------------------------------------

    def _wait(self, condition, seconds):
        """Wait until *condition* holds, the stream ended or something failed; return whether it holds."""
        with self._ready:
            self._ready.wait_for(lambda: condition() or self._failed(), seconds)
        self._check_workers()
        return condition()

    def _failed(self):
        return self._error or self._ended or any(worker.error for worker in self._workers)

    def _check_workers(self):
        for worker in self._workers:
            if worker.error is not None:
                raise EncoderError("{}: {}".format(self.device.path, worker.error)) from worker.error
        if self._error:
            raise EncoderError("{}: {}".format(self.device.path, self._error))

    def _wait_free(self):
        if not self._wait(lambda: self._free, STALL):
            raise EncoderError("{}: {}".format(self.device.path, "the encoder ended the stream by itself" if self._ended else
                                               "is stuck: no input buffer came back within {:g} s".format(STALL)))
        return self._free.popleft()

    def _load(self, buffer, frame):
        super()._load(buffer, frame)
        if not self._imports:
            for plane, (fd, address) in enumerate(self._addresses[buffer.index]):
                self._translate(self._sync, fd, plane, address)

    def _import(self, buffer, native):
        """NVIDIA's way: one descriptor for the whole picture, repeated in every plane."""
        planes = len(self._input.planes)
        buffer.import_fds(native.fds[:1] * planes, [plane.size for plane in self._input.planes])
        buffer.set_bytesused(self._bytesused())

    def _attach(self, buffer, plan):
        """Send the frame's regions, none too: an old list might be applied again."""
        if self._layout is None:
            if plan.regions:
                raise EncoderError("L4T {}: regions of interest are not known to work on this release; turn them off "
                                   "with --no-roi, or use --set encode.backend=x264".format(self._board.l4t))
            return
        regions = self._lists[buffer.index]
        regions.write(tegra.rectangles(plan, *self._size))
        self._translate(self._set_payload, tegra.INPUT_METADATA, regions.payload)
        buffer.raw.reserved2 = buffer.index

    def _submit(self, buffer, frame):
        super()._submit(buffer, frame)
        self._queued.release()

    def _wait_packets(self, behind):
        packets, end = [], clock.now() + self._patience
        while len(self._inside) > behind:
            left = end - clock.now()
            if left <= 0 or not self._wait(lambda: self._arrived, left):
                self._check_ended()
                break
            packets += self._ready_packets()
        return packets

    def _check_ended(self):
        if self._ended:
            raise EncoderError("{}: the encoder ended the stream by itself".format(self.device.path))

    def _ready_packets(self):
        packets = []
        while self._arrived:
            payload, flags, microseconds, metadata, vectors = self._arrived.popleft()
            packet = self._packet(payload, flags, microseconds, metadata.qp if metadata else None)
            if packet is not None:
                self.metadata, self.vectors = metadata, vectors
                packets.append(packet)
        return packets

    # -- the rest ----------------------------------------------------------------------------------------

    def flush(self):
        """Drain: an empty OUTPUT buffer is the end of the stream; an empty CAPTURE buffer answers it."""
        packets = [] if self._closed else self._drain()
        self.close()
        return packets

    def _drain(self):
        packets = []
        if not self._workers:
            return packets
        self._send_end()
        end = clock.now() + STALL
        while not self._ended or self._arrived:
            before = len(packets)
            packets += self._ready_packets()
            end = clock.now() + STALL if len(packets) > before else end
            if clock.now() >= end:
                raise EncoderError("{} is stuck: it did not drain within {:g} s".format(self.device.path, STALL))
            self._wait(lambda: self._arrived, min(0.05, STALL))
        return packets

    def _send_end(self):
        buffer = self._wait_free()
        buffer.set_bytesused([0] * len(self._input.planes))
        buffer.raw.flags = 0
        self._translate(self._raw.enqueue, buffer)

    def _change_rate(self, bits_per_second):
        self._set(raw.V4L2_CID_MPEG_VIDEO_BITRATE, bits_per_second)

    def _change_range(self, low, high):
        """NVIDIA's encoder takes a range before its buffers are made and at no other time: drain it, and open it anew.

        The next frame is a keyframe.
        """
        packets = self._drain()
        self._end()
        self._forget()
        self._workers, self._ended = [], False
        self.device = self._open()
        self._set_up()
        return packets

    def _force_keyframe(self):
        self._set(raw.V4L2_CID_MPEG_MFC51_VIDEO_FORCE_FRAME_TYPE, 0)

    def _stop(self):
        for worker in self._workers:
            worker.stopping.set()
            self._queued.release()
        for queue in (self._raw, self._coded):
            if queue.streaming:
                try:
                    queue.stream_off()              # wakes who waits in DQBUF
                except OSError as error:
                    log.warning("%s: stopping: %s", self.device.path, error)
        self._stuck = False
        for worker in self._workers:
            try:
                worker.stop(STALL)
            except WorkerStuck as error:
                log.error("%s: %s: it hangs in the library, which is left open", self.device.path, error)
                self._stuck = True

    def _close_device(self):
        if not self._stuck:                         # closing under a call that hangs could crash the library
            self.device.close()
