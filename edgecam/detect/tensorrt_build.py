"""Building engines: a network and a description -> the bytes of a plan, on the GPU that will run it."""
import ctypes
import logging

from edgecam.detect.cuda import suppression
from edgecam.detect.decode import open_decoder
from edgecam.detect.engine import check_tensors
from edgecam.detect.tensorrt_api import batch_axis, dtype_names, import_tensorrt, make_logger, readable
from edgecam.detect.tensorrt_parsers import carries_batch, parse
from edgecam.errors import ConfigError, ModelError

log = logging.getLogger(__name__)
MEGABYTE = 1 << 20
PRECISIONS = ("auto", "fp32", "fp16", "int8")
HALVES = ("fp16", "int8")       # builds that may use FP16
HALF_OUTPUTS = ("LINEAR", "HWC8", "CHW32")  # layouts that these may choose for their outputs, so that none is copied over; () keeps to float32.
                                            # Eight-bit kernels write halves in CHW32 alone
HALF_INPUTS = ("LINEAR", "CHW4")   # the same for pictures, of up to 4 channels


class BuildFlags:
    """What a build may use on this machine; goes into the plan's key."""

    def __init__(self, trt, workspace):
        self.workspace = workspace                          # MB
        self.libraries = usable_libraries(trt)              # whose kernels may be chosen, beside TensorRT's own

    def as_dict(self):
        return {"workspace": self.workspace, "tactics": sorted(self.libraries), "inputs": sorted(HALF_INPUTS), "outputs": sorted(HALF_OUTPUTS)}


def usable_libraries(trt):
    """Return the names of the tactic sources that work here: cuDNN and cuBLAS only where the real libraries load."""
    if not hasattr(trt, "TacticSource"):
        return []
    found = [name for name in ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS") if hasattr(trt.TacticSource, name)]
    if loads("libcudnn.so.8", "cudnnGetVersion", 1000):
        found.append("CUDNN")
    if loads("libcublas.so.11", "cublasGetCudartVersion", 1000) or loads("libcublas.so.10", "cublasGetCudartVersion", 1000):
        found += ["CUBLAS", "CUBLAS_LT"]
    return found


def loads(library, version_function, least):
    """Say whether *library* is there and answers with a version: a stand-in for the linker's sake does not."""
    try:
        function = getattr(ctypes.CDLL(library), version_function)
    except (OSError, AttributeError):
        return False
    function.restype = ctypes.c_size_t
    return function() >= least


def choose_precision(trt, wanted):
    """Return *wanted*, or for "auto" FP16 where this GPU is fast in it. Raises `ConfigError` for INT8 where there is none."""
    if wanted not in ("auto", "int8"):
        return wanted
    builder = trt.Builder(make_logger(trt))
    if wanted == "auto":
        return "fp16" if builder.platform_has_fast_fp16 else "fp32"
    if not getattr(builder, "platform_has_fast_int8", True):
        raise ConfigError("detect.precision = int8: this GPU has no INT8 arithmetic (as Nano, TX1 and TX2); use fp16")
    return wanted


def build_plan(model, precision, batch, flags, timing=b"", calibrator=None):
    """Return (plan, timing cache) as bytes. Raises `ModelError` with TensorRT's reason. Takes minutes; a GPU is current.

    INT8 takes its ranges from the table that *calibrator* has: see `calibrate`.
    """
    def adjust(trt, config):
        if precision == "int8":
            use_ranges(trt, config, calibrator)
        return attach_timing(config, timing)
    return build(model, precision, batch, flags, adjust, timing, "build it")


def calibrate(model, batch, flags, calibrator):
    """Have *calibrator* measure its table. Raises `ModelError`.

    On a network of its own, whose pictures are float32 and linear: with others TensorRT 8.5 wants batches of the input's type,
    8.6 float32, and layouts other than linear make its calibration fail. The engine that comes of it is built in haste and not kept.
    """
    def adjust(trt, config):
        use_ranges(trt, config, calibrator)
        hurry(config)
    build(model, "fp32", batch, flags, adjust, b"", "measure its ranges")


def build(model, precision, batch, flags, adjust, timing, purpose):
    """Build *model* as ``adjust(trt, config)`` adds to its configuration, which returns the timing cache where one is used; return (plan, timings)."""
    trt = import_tensorrt()
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(explicit_batch(trt) if carries_batch(model) else 0)
    if not carries_batch(model):
        builder.max_batch_size = batch
    parser = parse(trt, network, logger, model)       # keeps the weights: it must outlive the build
    shape_network(trt, network, model, precision, batch)
    config = builder.create_builder_config()
    configure(trt, config, precision, flags)
    cache = adjust(trt, config)
    profile_free_sizes(builder, config, network, model, batch)
    plan = builder.build_serialized_network(network, config)
    del parser
    if plan is None:
        raise ModelError("{}: TensorRT can't {}: {}".format(model.file, purpose, logger.last))
    return bytes(plan), bytes(config.get_timing_cache().serialize()) if cache is not None else timing


def hurry(config):
    """Time each kernel once, and few of them: who asks wants no fast engine."""
    for name, value in (("avg_timing_iterations", 1), ("min_timing_iterations", 1), ("builder_optimization_level", 0)):
        if hasattr(config, name):
            setattr(config, name, value)


def explicit_batch(trt):
    """Return the flag for networks that carry their batch; TensorRT 10 has no others."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if flag is None else 1 << int(flag)


def input_type(spec, precision):
    """Return numpy's name of the type in which an engine takes the input *spec*: 0 to 255 are exact in half, which is less to move."""
    return "float16" if spec.dtype == "float32" and precision in HALVES else spec.dtype


def shape_network(trt, network, model, precision, batch):
    """Check the parsed network against its description, set its batch and the types of its ends."""
    types, lead = dtype_names(trt), batch_axis(network, 1)
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    shapes = [lead + tuple(tensor.shape) for tensor in inputs]
    check_tensors(model, [(tensor.name, (min(shape[0], 1),) + shape[1:], types[tensor.dtype]) for tensor, shape in zip(inputs, shapes)],
                  [tensor.name for tensor in outputs])
    image = inputs[0]
    image.shape = model.input.shape[1:] if lead else (batch,) + model.input.shape[1:]
    if input_type(model.input, precision) != model.input.dtype:
        set_half(trt, image, HALF_INPUTS if len(lead) + len(image.shape) == 4 and model.input.layout == "NCHW" else ("LINEAR",))
    half_outputs = HALF_OUTPUTS and precision in HALVES and decodes_on_gpu(model)
    for tensor in outputs:
        if tensor.name not in model.outputs:
            network.unmark_output(tensor)
        elif half_outputs and types[tensor.dtype] in ("float32", "float16") and len(lead) + len(tensor.shape) == 4:
            set_half(trt, tensor, [layout for layout in HALF_OUTPUTS if readable(layout, tensor.shape[-3])])
        elif types[tensor.dtype] == "float16":
            tensor.dtype = trt.DataType.FLOAT


def decodes_on_gpu(model):
    """Say whether detectnet.cu reads the outputs: it takes halves in any of our layouts, the CPU's decoders want float32."""
    return model.decoder["kind"] != "none" and suppression.fits(open_decoder(model), model.labels)


def set_half(trt, tensor, layouts):
    tensor.dtype = trt.DataType.HALF
    tensor.allowed_formats = sum(1 << int(getattr(trt.TensorFormat, name)) for name in layouts)


def configure(trt, config, precision, flags):
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, flags.workspace * MEGABYTE)
    else:
        config.max_workspace_size = flags.workspace * MEGABYTE      # before TensorRT 8.4
    if hasattr(config, "set_tactic_sources"):
        config.set_tactic_sources(sum(1 << int(getattr(trt.TacticSource, name)) for name in flags.libraries))
    if precision in HALVES:
        config.set_flag(trt.BuilderFlag.FP16)


def use_ranges(trt, config, calibrator):
    """Allow INT8, with ranges that *calibrator* has or measures."""
    config.set_flag(trt.BuilderFlag.INT8)
    config.int8_calibrator = calibrator


def profile_free_sizes(builder, config, network, model, batch):
    """Give free dimensions of the input their one size."""
    image = network.get_input(0)
    if -1 in tuple(image.shape):
        profile = builder.create_optimization_profile()
        shape = (batch,) + model.input.shape[1:]
        profile.set_shape(image.name, shape, shape, shape)
        config.add_optimization_profile(profile)


def attach_timing(config, content):
    """Use the kernel timings of earlier builds; return the cache, or None where this TensorRT has none."""
    if not hasattr(config, "create_timing_cache"):
        return None
    cache = config.create_timing_cache(content)
    if not config.set_timing_cache(cache, ignore_mismatch=False):       # of another GPU or version
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache
