"""PyTorch as the yardstick of `edgecam bench detect`: the same network in half precision, eager and as a CUDA graph.

The two yardstick networks are torchvision's own modules, as its users run them; others are brought over by onnx2torch.
"""
import json
import logging
import os
import subprocess

from edgecam.bench.detect_seeds import SEEDS
from edgecam.errors import BackendUnavailable, ModelError

log = logging.getLogger(__name__)
WARM_UP = 5
PATIENCE = 900          # seconds that another interpreter may take for all its rows


def rows_of(python, models, args):
    """Return the rows that the interpreter *python*, which has PyTorch, measures of *models* with this same program."""
    words = [python, "-m", "edgecam", "bench", "detect", "--engine", "torch", "--json", "-", "--seconds", str(args.seconds)]
    words += [word for model in models for word in ("--model", model)] + [word for batch in args.batch or () for word in ("--batch", str(batch))]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folders = [root] + [folder for folder in os.environ.get("EDGECAM_TORCH_PATH", "").split(os.pathsep) if folder]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(folders))
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME"):        # ours, which may hold another CUDA
        environment.pop(name, None)
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, env=environment)
        return json.loads(done.stdout.decode())["rows"]
    except (OSError, subprocess.SubprocessError) as error:
        raise BackendUnavailable("--torch {}: {}".format(python, error)) from error
    except (ValueError, KeyError) as error:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BackendUnavailable("--torch {}: {}".format(python, said[-1] if said else "said nothing")) from error


def open_torch(model, kind, batch):
    """Return ``run(times)``, which runs *model* on *batch* pictures and waits for the last; *kind* is "eager" or "graph".

    Raises `BackendUnavailable` without PyTorch, CUDA or what brings the network over, `ModelError` for networks that can't be.
    """
    try:
        import torch
        network = yardstick(model.name) if model.name in SEEDS else converted(model)
    except ImportError as error:
        raise BackendUnavailable("PyTorch is not measured here ({}): pip install torch torchvision onnx2torch".format(error)) from error
    if not torch.cuda.is_available():
        raise BackendUnavailable("PyTorch is not measured here: it finds no CUDA device")
    torch.backends.cudnn.benchmark = True
    network = network.eval().half().cuda()
    image = torch.randn((batch,) + model.input.shape[1:], dtype=torch.half, device="cuda")
    work = eager(torch, network, image)
    if kind == "graph":
        work = recorded(torch, network, image).replay

    def run(times):
        for _ in range(times):
            work()
        torch.cuda.synchronize()
    return run


def converted(model):
    from onnx2torch import convert
    try:
        return convert(model.file)
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelError("{}: onnx2torch can't bring it to PyTorch: {}".format(model.file, error)) from error


def yardstick(name):
    from torch import nn
    from torchvision.models import GoogLeNet
    network = GoogLeNet(aux_logits=False, init_weights=False)
    if name == SEEDS[0]:
        return network
    layers = [layer for key, layer in network.named_children() if key.startswith(("conv", "maxpool", "inception")) and key != "maxpool4"]
    return nn.Sequential(*(layers + [two_heads(nn)]))


def two_heads(nn):
    """Return coverage and boxes as one 1x1 convolution each."""
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.coverage, self.boxes = nn.Conv2d(1024, 1, 1), nn.Conv2d(1024, 4, 1)

        def forward(self, x):
            return self.coverage(x), self.boxes(x)
    return Heads()


def eager(torch, network, image):
    """Return one plain call of *network*, warmed up on a side stream, as recording wants it."""
    def work():
        with torch.no_grad():
            network(image)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(side)
    return work


def recorded(torch, network, image):
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        network(image)
    return graph
