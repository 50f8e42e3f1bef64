"""One process a GPU (torchrun), or one process alone on whatever there is."""
import os

import torch
import torch.distributed as dist


class World(object):
    """Rank, size and device; gradients are averaged by hand: 25 MB a step, nothing worth hiding."""

    def __init__(self, device=None):
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", 0))
        self.device = torch.device(device or ("cuda:%d" % local if torch.cuda.is_available() else "cpu"))

    def join(self):
        """Meet the other processes; call it after the data workers were started."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if self.size > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def share(self, tensors):
        """Everybody gets rank 0's values."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def average(self, tensors):
        """Replace gradients by their mean over the processes."""
        if self.size == 1:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        parts = [p.view_as(t) for p, t in zip(flat.split([t.numel() for t in tensors]), tensors)]
        torch._foreach_copy_(tensors, parts)

    def agree(self, value):
        """Rank 0's number."""
        if self.size == 1:
            return value
        tensor = torch.tensor([float(value)], device=self.device, dtype=torch.float64)
        dist.broadcast(tensor, 0)
        return float(tensor)

    def leave(self):
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()
