"""Networks that TensorRT reads: ONNX everywhere, Caffe (DIGITS, DetectNet) and UFF up to TensorRT 8.

A description names the `.caffemodel`; its `.prototxt` lies beside it under the same name, or as
deploy.prototxt. Both old parsers are gone from TensorRT 10 on, which is said with a way out.
UFF's fills only networks whose shapes don't have the batch (NVIDIA's answers in NVIDIA/TensorRT#438, #540, #2969).
"""
import os

from edgecam.errors import ModelError

OLD = {".caffemodel": ("CaffeParser", "Caffe"), ".uff": ("UffParser", "UFF")}


def ending(model):
    return os.path.splitext(model.file)[1].lower()


def network_files(model):
    """Return the paths of everything that *model*'s network consists of. Raises `ModelError` for a missing prototxt."""
    if ending(model) != ".caffemodel":
        return [model.file]
    stem, folder = os.path.splitext(model.file)[0], os.path.dirname(model.file)
    for path in (stem + ".prototxt", os.path.join(folder, "deploy.prototxt")):
        if os.path.isfile(path):
            return [model.file, path]
    raise ModelError("{0}: its layers are missing: put {1}.prototxt or deploy.prototxt beside it".format(model.file, os.path.basename(stem)))


def carries_batch(model):
    """Say whether *model*'s parser wants a network with the batch in its shapes."""
    return ending(model) != ".uff"


def parse(trt, network, logger, model):
    """Fill *network* with *model* and return the parser, which keeps the weights. Raises `ModelError` with its reason."""
    kind = ending(model)
    if kind in OLD and not hasattr(trt, OLD[kind][0]):
        raise ModelError("{}: this TensorRT {} reads no {}: that ended with TensorRT 8 (JetPack 6.0). Build on an older JetPack, or "
                         "convert the network to ONNX".format(model.file, trt.__version__, OLD[kind][1]))
    return {".caffemodel": parse_caffe, ".uff": parse_uff}.get(kind, parse_onnx)(trt, network, logger, model)


def parse_onnx(trt, network, logger, model):
    parser = trt.OnnxParser(network, logger)
    with open(model.file, "rb") as stream:
        content = stream.read()
    if not parser.parse(content):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        raise ModelError("{}: TensorRT can't load it: {}".format(
            model.file, "; ".join("{} (node {})".format(error.desc(), error.node()) for error in errors) or logger.last))
    if not network.num_inputs:                          # of an empty file the parser has no complaint
        raise ModelError("{}: TensorRT can't load it: there is no network in it".format(model.file))
    return parser


def parse_caffe(trt, network, logger, model):
    weights, layers = network_files(model)
    parser = trt.CaffeParser()
    blobs = parser.parse(deploy=layers, model=weights, network=network, dtype=trt.float32)
    if blobs is None:
        raise ModelError("{}: TensorRT can't read it: {}".format(weights, logger.last))
    for name in model.outputs:
        tensor = blobs.find(name)
        if tensor is None:
            raise ModelError("{}: has no blob {}".format(layers, name))
        network.mark_output(tensor)
    return parser


def parse_uff(trt, network, logger, model):
    if model.input.layout != "NCHW":
        raise ModelError("{}: UFF networks are built for layout NCHW".format(model.path))
    parser = trt.UffParser()
    parser.register_input(model.input.name, model.input.shape[1:])
    for name in model.outputs:
        parser.register_output(name)
    if not parser.parse(model.file, network):
        raise ModelError("{}: TensorRT can't read it: {}".format(model.file, logger.last))
    return parser
