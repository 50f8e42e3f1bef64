"""TensorRT's Python modules as three generations of JetPack have them: exactly their attributes, and no GPU.

The attributes are those of NVIDIA's API references for 8.2 (JetPack 4.6), 8.5 (JetPack 5) and
10.3 (JetPack 6.1). A context notes what was queued instead of computing it.
"""
from types import ModuleType

NUMBERED = ("num_bindings", "get_binding_name", "binding_is_input", "get_binding_shape", "get_binding_dtype", "get_binding_format")
NAMED = ("num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_shape", "get_tensor_dtype", "get_tensor_format")
TYPES = {"8.2": "FLOAT HALF INT8 INT32 BOOL", "8.5": "FLOAT HALF INT8 INT32 BOOL UINT8",
         "10": "FLOAT HALF INT8 INT32 BOOL UINT8 FP8 BF16 INT64 INT4"}
FORMATS = "LINEAR CHW2 HWC8 CHW4 CHW16 CHW32 DHWC8 CDHW32 HWC DLA_LINEAR DLA_HWC4 HWC16"
TENSORS = (("image", True, (2, 3, 64, 96), "HALF"), ("cov", False, (2, 1, 8, 12), "FLOAT"), ("box", False, (2, 4, 8, 12), "FLOAT"))


class Enum:
    """A named constant with a number, as pybind11 makes them."""

    def __init__(self, name, number):
        self.name, self.number = name, number

    def __int__(self):
        return self.number

    def __repr__(self):
        return self.name


def enum(name, words):
    return type(name, (), {word: Enum(word, number) for number, word in enumerate(words.split())})


class Context:
    def __init__(self, generations, diary):
        self.diary = diary
        if "bindings" in generations:
            self.execute_async_v2, self.execute_async = self._v2, self._v1
        if "named" in generations:
            self.set_tensor_address, self.execute_async_v3 = self._address, self._v3

    def _v1(self, batch_size, bindings, stream_handle):
        self.diary.append(("v1", batch_size, tuple(bindings), stream_handle))
        return True

    def _v2(self, bindings, stream_handle):
        self.diary.append(("v2", tuple(bindings), stream_handle))
        return True

    def _address(self, name, address):
        self.diary.append((name, address))
        return True

    def _v3(self, stream_handle):
        self.diary.append(("v3", stream_handle))
        return stream_handle != 13          # 13: the engine fails


class Engine:
    """Has the methods of its generations and no others."""

    def __init__(self, trt, generations, diary):
        self._trt, self._generations, self._diary = trt, generations, diary
        if "bindings" in generations:
            self.num_bindings, self.has_implicit_batch_dimension, self.max_batch_size = len(TENSORS), trt.implicit, 2 if trt.implicit else 1
            self.get_binding_name, self.binding_is_input = (lambda n: TENSORS[n][0]), (lambda n: TENSORS[n][1])
            self.get_binding_shape, self.get_binding_dtype = (lambda n: TENSORS[n][2][trt.implicit:]), (lambda n: self._type(n))
            self.get_binding_format = self._format
        if "named" in generations:
            at = {tensor[0]: n for n, tensor in enumerate(TENSORS)}
            self.num_io_tensors, self.get_tensor_name = len(TENSORS), lambda n: TENSORS[n][0]
            self.get_tensor_mode = lambda name: trt.TensorIOMode.INPUT if TENSORS[at[name]][1] else trt.TensorIOMode.OUTPUT
            self.get_tensor_shape, self.get_tensor_dtype = (lambda name: TENSORS[at[name]][2]), (lambda name: self._type(at[name]))
            self.get_tensor_format = lambda name: self._format(at[name])

    def _type(self, number):
        return getattr(self._trt.DataType, self._trt.types.get(TENSORS[number][0], TENSORS[number][3]))

    def _format(self, number):
        return getattr(self._trt.TensorFormat, self._trt.layouts.get(TENSORS[number][0], "LINEAR"))

    def create_execution_context(self):
        return Context(self._generations, self._diary)


class Config:
    """A builder's configuration; *kinds*: what this generation offers."""

    def __init__(self, kinds):
        self.said = {"flags": [], "cache": None}
        if "pool" in kinds:
            self.set_memory_pool_limit = lambda pool, size: self.said.update(workspace=(pool.name, size))
        else:
            self.max_workspace_size = 0
        if "tactics" in kinds:
            self.set_tactic_sources = lambda mask: self.said.update(tactics=mask)
        if "timing" in kinds:
            self.create_timing_cache = lambda content: bytes(content)
            self.set_timing_cache = self._set_timing

    def set_flag(self, flag):
        self.said["flags"].append(flag.name)

    def _set_timing(self, cache, ignore_mismatch):
        if cache == b"of another GPU":
            return False
        self.said["cache"] = cache
        return True


GENERATIONS = {"8.2": ("bindings",), "8.5": ("bindings", "named"), "10": ("named",)}


def module(version):
    """Return the stand-in for `tensorrt` of "8.2", "8.5" or "10", with *diary*, what was queued; *types* and *layouts* hold by the
    tensor's name what its engines have other than `TENSORS` and LINEAR; with *implicit* their shapes lack the batch."""
    trt = ModuleType("tensorrt")
    trt.__version__ = {"8.2": "8.2.1.8", "8.5": "8.5.2.2", "10": "10.3.0"}[version]
    trt.diary, trt.implicit, generations = [], False, GENERATIONS[version]
    trt.types, trt.layouts, trt.TensorFormat = {}, {}, enum("TensorFormat", FORMATS)
    trt.DataType = enum("DataType", TYPES[version])
    trt.BuilderFlag = enum("BuilderFlag", "FP16 INT8")
    trt.NetworkDefinitionCreationFlag = enum("NetworkDefinitionCreationFlag", "STRONGLY_TYPED" if version == "10" else "EXPLICIT_BATCH")
    trt.TacticSource = enum("TacticSource", "CUBLAS CUBLAS_LT CUDNN" + (" EDGE_MASK_CONVOLUTIONS" if version != "8.2" else "")
                            + (" JIT_CONVOLUTIONS" if version == "10" else ""))
    if version != "8.2":
        trt.MemoryPoolType = enum("MemoryPoolType", "WORKSPACE")
    if "named" in generations:
        trt.TensorIOMode = enum("TensorIOMode", "NONE INPUT OUTPUT")
    trt.ILogger = logger_base()
    trt.Runtime = lambda logger: Runtime(trt, logger)
    trt.Config = lambda: Config({"8.2": ("tactics", "timing"), "8.5": ("pool", "tactics", "timing"), "10": ("pool", "tactics", "timing")}[version])
    if version != "10":
        trt.CaffeParser, trt.UffParser = (lambda: None), (lambda: None)
    return trt


def logger_base():
    class ILogger:
        """What TensorRT's loggers descend from."""

    for number, word in enumerate("INTERNAL_ERROR ERROR WARNING INFO VERBOSE".split()):
        setattr(ILogger, word, Enum(word, number))
    return ILogger


class Runtime:
    def __init__(self, trt, logger):
        self._trt, self._logger = trt, logger

    def deserialize_cuda_engine(self, plan):
        if plan != b"a plan":
            self._logger.log(self._trt.ILogger.ERROR, "Serialization assertion\n magicTag failed")
            return None
        return Engine(self._trt, GENERATIONS[{"8.2.1.8": "8.2", "8.5.2.2": "8.5", "10.3.0": "10"}[self._trt.__version__]], self._trt.diary)
