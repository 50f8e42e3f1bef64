"""PyTorch as the yardstick of `edgecam bench detect`: the same network in half precision, eager and as a CUDA graph."""
from edgecam.errors import BackendUnavailable, ModelError

WARM_UP = 5


def open_torch(model, kind, batch):
    """Return a function that runs *model* once on *batch* pictures and waits; *kind* is "eager" or "graph".

    Raises `BackendUnavailable` without PyTorch, CUDA or onnx2torch, `ModelError` for networks that can't be brought over.
    """
    try:
        import torch
        from onnx2torch import convert
    except ImportError as error:
        raise BackendUnavailable("PyTorch is not measured here ({}): pip install torch onnx2torch".format(error)) from error
    if not torch.cuda.is_available():
        raise BackendUnavailable("PyTorch is not measured here: it finds no CUDA device")
    try:
        network = convert(model.file).eval().half().cuda()
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelError("{}: onnx2torch can't bring it to PyTorch: {}".format(model.file, error)) from error
    image = torch.zeros((batch,) + model.input.shape[1:], dtype=torch.half, device="cuda")
    with torch.no_grad():
        run = eager(torch, network, image)
        return run if kind == "eager" else recorded(torch, network, image)


def eager(torch, network, image):
    def run():
        with torch.no_grad():
            network(image)
        torch.cuda.synchronize()
    for _ in range(WARM_UP):
        run()
    return run


def recorded(torch, network, image):
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        network(image)

    def run():
        graph.replay()
        torch.cuda.synchronize()
    return run
