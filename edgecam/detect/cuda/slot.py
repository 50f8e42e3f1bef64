"""One batch under way: its frames in pinned memory, its outputs, and what became of them."""
import numpy as np

from edgecam.detect.cuda import suppression
from edgecam.detect.cuda.driver import Pinned
from edgecam.detect.cuda.pictures import PICTURE, aligned
from edgecam.detect.network import make_detections
from edgecam.errors import DetectorError


class Slot:
    """Buffers of their own for one batch. `work`, set by the detector, queues all behind the upload."""

    def __init__(self, gpu, engine, interpreter, batch, image):
        driver = gpu.driver
        self._gpu, self._interpreter, self._batch = gpu, interpreter, batch
        self._head = Pinned(gpu, batch * (PICTURE.itemsize + suppression.COUNT.itemsize))
        split = batch * PICTURE.itemsize
        self._pictures = self._head.host[:split].view(PICTURE)
        self._wanted = self._head.host[split:].view(suppression.COUNT)
        self.pictures, self._counts = self._head.address, self._head.address + split
        self._planes, self._staged = Pinned(gpu), 0
        self.outputs = {tensor.name: Output(gpu, tensor) for tensor in engine.tensors if not tensor.is_input}
        addresses = {name: output.memory.address for name, output in self.outputs.items()}
        addresses.update({tensor.name: image for tensor in engine.tensors if tensor.is_input})
        self.infer = engine.runner(addresses)
        self._suppression = self._on_gpu(gpu, interpreter)
        self._uploaded = driver.Event(driver.event_flags.DISABLE_TIMING)
        self.done = driver.Event(driver.event_flags.DISABLE_TIMING)
        self.work = None
        self._frames, self._placements, self._sizes, self._threshold = 0, [], [], 0.0

    def _on_gpu(self, gpu, interpreter):
        """Return the kernels that finish this network's outputs on the GPU, or None where only the CPU knows how."""
        if not suppression.fits(interpreter.decoder, interpreter.labels):
            return None
        tensors = {name: (output.memory.address, output.tensor) for name, output in self.outputs.items()}
        record = suppression.decoding(interpreter.decoder.layout(), tensors, interpreter.wanted, len(interpreter.labels),
                                      interpreter.iou, interpreter.limit)
        return suppression.Suppression(gpu, record, self._batch)

    def blank(self):
        """Describe a batch without any picture."""
        self._pictures[...] = 0
        self._wanted[...] = 0
        self._wanted["threshold"] = self._wanted["least"] = np.inf
        self._staged = self._frames = 0

    def fill(self, frames, geometries, threshold):
        """Copy *frames* into pinned memory and describe them; places of the batch that are left over stay empty."""
        self._frames, self._threshold = len(frames), threshold
        self._placements = [geometry.placement for geometry in geometries]
        self._sizes = [(frame.width, frame.height) for frame in frames]
        self._grow(geometries)
        self._pictures[len(frames):] = 0                # what was there pointed into memory that may be gone
        self._wanted["least"] = np.inf
        self._wanted["least"][:len(frames)] = self._least(threshold)
        self._staged = 0
        for index, (frame, geometry) in enumerate(zip(frames, geometries)):
            planes = device_planes(frame)
            if not planes and not frame.planes:
                raise DetectorError("{!r} has no planes in memory, nor on the GPU".format(frame))
            addresses, pitches = planes if planes else self._stage(frame, geometry)
            geometry.write(self._pictures, index, addresses, pitches)

    def _least(self, threshold):
        return threshold if self._suppression is None else self._interpreter.decoder.least(threshold)

    def _grow(self, geometries):
        """Have room for these frames, and at once for a whole batch of their largest: pinned memory takes long to get."""
        if sum(geometry.size for geometry in geometries) > self._planes.size:
            self._gpu.driver.Context.synchronize()      # nobody may still read what is given back
            self._planes.grow(self._batch * max(geometry.size for geometry in geometries))

    def _stage(self, frame, geometry):
        """Copy the planes of *frame* behind each other; return their addresses on the GPU and their pitches."""
        addresses, pitches = [], []
        for plane, (rows, pitch) in zip(frame.planes, geometry.shapes):
            room = self._planes.host[self._staged:self._staged + rows * pitch]
            np.copyto(room.reshape(plane.shape), plane)
            addresses.append(self._planes.address + self._staged)
            pitches.append(pitch)
            self._staged += aligned(rows * pitch)
        return addresses, pitches

    def upload(self, copies, compute):
        """Queue the copy to the GPU on the stream *copies*; *compute* waits for it."""
        self._head.upload(copies)
        if self._staged:
            self._planes.upload(copies, self._staged)
        self._uploaded.record(copies)
        compute.wait_for_event(self._uploaded)

    def finish(self, compute):
        """Queue what brings the results to host memory."""
        if self._suppression is not None:
            self._suppression.launch(compute, self._counts)
            return
        for output in self.outputs.values():
            output.memory.download(compute)

    def detections(self):
        """Return a list of `Detection` for each frame, once the work is done."""
        if self._suppression is None:
            return [self._interpret(index) for index in range(self._frames)]
        counts, found = self._suppression.read()
        counts = counts[:self._frames]
        if (counts["candidates"] > suppression.CAPACITY).any():
            for output in self.outputs.values():
                self._gpu.driver.memcpy_dtoh(output.memory.host, output.memory.device)
            return [self._interpret(index) for index in range(self._frames)]
        rows = [found[index, :kept] for index, kept in enumerate(counts["kept"])]
        return [make_detections(self._interpreter.labels, placement.to_frame(row["box"], *size), row["score"], row["label"])
                for row, placement, size in zip(rows, self._placements, self._sizes)]

    def _interpret(self, index):
        outputs = {name: output.of(index) for name, output in self.outputs.items()}
        placement, size = self._placements[index], self._sizes[index]
        return self._interpreter.interpret(outputs, self._threshold, lambda boxes: placement.to_frame(boxes, *size))

    def close(self):
        for output in self.outputs.values():
            output.memory.close()
        if self._suppression is not None:
            self._suppression.close()
        self._pictures = self._wanted = None
        self._head.close()
        self._planes.close()
        self.work = self.infer = None


class Output:
    """One output tensor: on the GPU, and pinned memory to bring it down to."""

    def __init__(self, gpu, tensor):
        self.tensor, self.memory = tensor, Pinned(gpu, tensor.nbytes)
        self.array = tensor.view(self.memory.host)

    def of(self, index):
        """Return what was brought down of picture *index*, [1, ...]; halves as float32, which decoders compute in."""
        array = self.array[index:index + 1]
        return np.ascontiguousarray(array, np.float32) if array.dtype == np.float16 else array


def device_planes(frame):
    """Return (addresses, pitches) of planes that lie on the GPU already, or None.

    A capture backend says so by giving `frame.native` an attribute `cuda_planes`: one object with
    `__cuda_array_interface__` per plane, as CuPy, PyTorch, Numba and jetson-utils make them.
    """
    planes = getattr(frame.native, "cuda_planes", None)
    if planes is None:
        return None
    interfaces = [plane.__cuda_array_interface__ for plane in planes]
    return [entry["data"][0] for entry in interfaces], [pitch_of(entry) for entry in interfaces]


def pitch_of(interface):
    """Return bytes from row to row: the array interface leaves strides out where rows follow each other."""
    if interface.get("strides"):
        return interface["strides"][0]
    return int(np.prod(interface["shape"][1:]))
