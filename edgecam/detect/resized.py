"""A network made for another input size: the weights stay, the shapes are worked out anew.

Networks of convolutions, pools, sums and enlargements by a factor run at any size; one whose graph holds sizes as numbers does not.
Sums need grids that fit each other: rows and columns are filled up to a multiple of the network's stride by the first convolution,
as scripts/train/export.py has it for 540 rows.
"""
import numpy as np

from edgecam.errors import BackendUnavailable, ModelError

MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128)       # what rows and columns may have to be filled up to
SLACK = 1.25                                    # grids are rounded up


def import_onnx():
    """Return the package. Raises `BackendUnavailable` where it is not installed."""
    try:
        import onnx
        import onnx.shape_inference
    except ImportError as error:
        raise BackendUnavailable("resizing a model needs the package onnx: {} (try: pip install onnx)".format(error)) from error
    return onnx


def resize(model, width, height):
    """Return (the bytes of *model*'s network for pictures of *width* x *height*, its filled-up area relative to the one before).

    Raises `ModelError` where its graph is made for one size, or its description for another layout than NCHW.
    """
    onnx = import_onnx()
    if model.input.layout != "NCHW" or not model.file.endswith(".onnx"):
        raise ModelError("{}: can't be resized: expected an ONNX network whose input is NCHW".format(model.path))
    network = load(onnx, model)
    first = first_convolution(model, network.graph)
    cells, area = cells_of(inferred(onnx, network), model), filled_area(first, model.input.width, model.input.height)
    for multiple in MULTIPLES:
        fill_up(first, width, height, multiple)
        forget_sizes(network.graph, model.input.name, width, height)
        ratio = filled_area(first, width, height) / area
        try:
            fresh = inferred(onnx, network)
            check_growth(cells, cells_of(fresh, model), ratio)
        except ModelError as error:
            reason = error
            continue
        return fresh.SerializeToString(), ratio
    raise ModelError("{}: can't be resized to {}x{}: {}".format(model.path, width, height, reason)) from reason


def load(onnx, model):
    try:
        return onnx.load(model.file)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError("{}: can't be read: {}".format(model.file, error)) from error
    except Exception as error:          # protobuf's own, which is another class in each of its implementations
        if type(error).__name__ != "DecodeError":
            raise
        raise ModelError("{}: is no ONNX network: {}".format(model.file, error)) from error


def first_convolution(model, graph):
    """Return the node that reads the pictures, behind what only rounds them. Raises `ModelError`."""
    name = model.input.name
    for node in graph.node:
        if name in node.input:
            if node.op_type == "Conv":
                return node
            if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                break
            name = node.output[0]
    raise ModelError("{}: can't be resized: its pictures go into no convolution".format(model.path))


def pads_of(node):
    """Return the attribute with the rows and columns that *node* adds: top, left, bottom, right. None where it adds none."""
    return next((attribute.ints for attribute in node.attribute if attribute.name == "pads"), None)


def filled_area(node, width, height):
    """Return the pixels of a picture with what *node* fills it up by."""
    pads = pads_of(node) or (0, 0, 0, 0)
    return float((width + pads[3] - pads[1]) * (height + pads[2] - pads[0]))


def fill_up(node, width, height, multiple):
    pads = pads_of(node)
    if pads:
        pads[2], pads[3] = pads[0] + -height % multiple, pads[1] + -width % multiple


def forget_sizes(graph, name, width, height):
    """Give the input *name* its new size and leave all others to be worked out; batch and channels of the outputs stay."""
    del graph.value_info[:]
    image = next(tensor for tensor in graph.input if tensor.name == name)
    image.type.tensor_type.shape.dim[2].dim_value, image.type.tensor_type.shape.dim[3].dim_value = height, width
    for tensor in graph.output:
        for dimension in tensor.type.tensor_type.shape.dim[2:]:
            dimension.Clear()


def inferred(onnx, network):
    """Return *network* with all sizes worked out. Raises `ModelError` where they don't fit each other."""
    try:
        return onnx.shape_inference.infer_shapes(network, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(" ".join(str(error).split())) from error


def cells_of(network, model):
    """Return {output: how many values it has} of what *model* reads. Raises `ModelError` where that is not known."""
    sizes = {tensor.name: [dimension.dim_value for dimension in tensor.type.tensor_type.shape.dim] for tensor in network.graph.output}
    cells = {name: int(np.prod(sizes.get(name, [0]))) for name in model.outputs}
    for name, count in cells.items():
        if count < 1:
            raise ModelError("the size of its output {} can't be worked out".format(name))
    return cells


def check_growth(before, after, ratio):
    """Raise `ModelError` where an output does not grow as the pictures do: sizes are written into the graph."""
    for name, count in after.items():
        if not 1 / SLACK < count / (before[name] * ratio) < SLACK:
            raise ModelError("its output {} has {} values for pictures {:.2f} times as large, and had {}: its graph is made for one size".format(
                name, count, ratio, before[name]))
