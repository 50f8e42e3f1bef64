"""DetectNet's decoding and suppression on the GPU: what detectnet.cu is told, and its launches."""
import numpy as np

from edgecam.detect.cuda.driver import Pinned
from edgecam.detect.cuda.kernels import Kernels

CAPACITY, MOST_GROUPS, MOST_LABELS, MOST_GRIDS = 4096, 16, 64, 4        # as in detectnet.cu
VALUES = np.dtype([("data", "u8"), ("half", "i4"), ("picture", "i4"), ("channel", "i4"), ("cell", "i4")], align=True)
GRID = np.dtype([("coverage", VALUES), ("boxes", VALUES), ("fine", VALUES), ("width", "i4"), ("height", "i4"), ("stride", "i4"),
                 ("min_size", "f4"), ("max_size", "f4")], align=True)
DECODING = np.dtype([("grids", GRID, MOST_GRIDS), ("grid_count", "i4"), ("groups", "i4"), ("shared", "i4"), ("raw", "i4"),
                     ("corners", "i4"), ("limit", "i4"), ("norm", "f4"), ("offset", "f4"), ("iou", "f4"),
                     ("first_label", "i4", MOST_GROUPS), ("fine_first", "i4", MOST_GROUPS), ("fine_count", "i4", MOST_GROUPS),
                     ("fine_labels", "i4", MOST_LABELS), ("wanted", "i4", MOST_LABELS)], align=True)
CANDIDATE = np.dtype([("box", "f4", 4), ("score", "f4"), ("label", "i4"), ("group", "i4"), ("cell", "i4")], align=True)
COUNT = np.dtype([("threshold", "f4"), ("least", "f4"), ("candidates", "i4"), ("kept", "i4")], align=True)
BLOCK = 256


def fits(decoder, labels):
    """Say whether the kernels can stand for *decoder*."""
    if not hasattr(decoder, "layout"):
        return False
    layout = decoder.layout()
    return len(layout["grids"]) <= MOST_GRIDS and len(layout["groups"]) <= MOST_GROUPS and len(labels) <= MOST_LABELS


def decoding(layout, tensors, wanted, labels, iou, limit):
    """Return the `DECODING` record; *tensors* is {output: (address, `TensorInfo`)}, *wanted* a bool per label or None for all."""
    record = np.zeros((), DECODING)
    for key in ("shared", "raw", "corners", "norm", "offset"):
        record[key] = layout[key]
    record["grid_count"], record["groups"] = len(layout["grids"]), len(layout["groups"])
    record["iou"], record["limit"] = iou, limit
    record["wanted"][:labels] = 1 if wanted is None else wanted
    for entry, grid in zip(record["grids"], layout["grids"]):
        write_grid(entry, grid, tensors)
    for index, group in enumerate(layout["groups"]):
        record["first_label"][index] = group.labels[0]
        if group.channels is not None:
            record["fine_first"][index], record["fine_count"][index] = group.channels.start, len(group.labels)
            record["fine_labels"][group.channels] = group.labels
    return record


def write_grid(entry, grid, tensors):
    entry["height"], entry["width"] = tensors[grid.coverage][1].shape[2:]
    entry["stride"], entry["min_size"], entry["max_size"] = grid.stride, grid.min_size, grid.max_size
    for key in ("coverage", "boxes", "fine"):
        if getattr(grid, key):
            entry[key] = values(*tensors[getattr(grid, key)])


def values(address, tensor):
    """Return the `VALUES` record of *tensor* at *address*: in each layout cells lie evenly, row after row."""
    picture, channel, _, cell = tensor.strides
    return np.array((address, tensor.dtype == "float16", picture, channel, cell), VALUES)


class Suppression:
    """The kernels with their memory, for batches of up to *batch* pictures."""

    def __init__(self, gpu, record, batch):
        self.limit, self._batch = int(record["limit"]), batch
        self._cells = max(int(grid["width"]) * int(grid["height"]) for grid in record["grids"])
        self._grids = int(record["grid_count"])
        self._decoding = gpu.driver.to_device(np.frombuffer(record.tobytes(), np.uint8))
        self._found, self._sorted = (gpu.driver.mem_alloc(batch * CAPACITY * CANDIDATE.itemsize) for _ in range(2))
        self._bits = gpu.driver.mem_alloc(batch * CAPACITY * CAPACITY // 8)
        self.results = Pinned(gpu, batch * (COUNT.itemsize + self.limit * CANDIDATE.itemsize))
        kernels = Kernels(gpu, "detectnet")
        self._start = kernels.function("start", "PPi")
        self._pick = kernels.function("pick_cells", "PPP")
        self._rank = kernels.function("rank_cells", "PPP")
        self._mark = kernels.function("mark_overlaps", "PPPP")
        self._keep = kernels.function("keep_best", "PPPPP")

    def launch(self, stream, wanted):
        """Queue everything on *stream*; *wanted* is the address of one `COUNT` per picture, with its thresholds."""
        batch, counts = self._batch, self.results.address
        line, decoding_at = (BLOCK, 1, 1), int(self._decoding)
        found, ordered, bits = int(self._found), int(self._sorted), int(self._bits)
        self._start((1, 1), (max(32, batch), 1, 1), stream, wanted, counts, batch)
        self._pick(((self._cells + BLOCK - 1) // BLOCK, batch, self._grids), line, stream, decoding_at, counts, found)
        self._rank((CAPACITY // BLOCK, batch), line, stream, counts, found, ordered)
        self._mark((64, batch), line, stream, decoding_at, counts, ordered, bits)
        self._keep((batch, 1), (32, 1, 1), stream, decoding_at, counts, ordered, bits, counts + batch * COUNT.itemsize)
        self.results.download(stream)

    def read(self):
        """Return (`COUNT` array [batch], `CANDIDATE` array [batch, limit]) of the last launch, once it is done: views."""
        split = self._batch * COUNT.itemsize
        host = self.results.host
        return (host[:split].view(COUNT),
                host[split:self.results.size].view(CANDIDATE).reshape(self._batch, self.limit))

    def close(self):
        for memory in (self._decoding, self._found, self._sorted, self._bits):
            memory.free()
        self.results.close()
