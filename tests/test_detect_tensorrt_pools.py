"""Wide pools as two narrow ones: on a network that has TensorRT's attributes and computes with numpy."""
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgecam.detect.tensorrt_pools import split_pools
from edgecam.errors import BackendUnavailable

POOLING, OTHER, MAX, AVERAGE = "POOLING", "CONVOLUTION", "MAX", "AVERAGE"
DOWN, UP, SAME = "EXPLICIT_ROUND_DOWN", "EXPLICIT_ROUND_UP", "SAME_UPPER"


class Layer:
    """A layer as some bindings hand it out: what kind it is, and nothing of its own."""

    type = property(lambda self: POOLING if self.kind is not None else OTHER)

    def __init__(self, network, inputs, name, kind=None, window=(1, 1), stride=(1, 1), before=(0, 0), after=(0, 0), mode=DOWN):
        self.name, self.kind, self.inputs = name, kind, list(inputs)
        self.window_size_nd, self.stride_nd, self.pre_padding, self.post_padding, self.padding_mode = window, stride, before, after, mode
        self.output = SimpleNamespace(name=name + "_output", is_network_output=False, maker=self)
        network.layers.append(self)

    num_inputs = property(lambda self: len(self.inputs))

    def get_input(self, number):
        return self.inputs[number]

    def set_input(self, number, tensor):
        self.inputs[number] = tensor

    def get_output(self, number):
        return self.output

    def compute(self, known):
        inputs = [known[id(tensor)] for tensor in self.inputs if tensor is not None]
        return sum(inputs) if self.kind is None else pooled(inputs[0], self)


class Pooling(Layer):
    type = property(lambda self: self.kind)


class Network:
    def __init__(self):
        self.layers = []

    num_layers = property(lambda self: len(self.layers))

    def get_layer(self, index):
        return self.layers[index]

    def add_pooling_nd(self, tensor, kind, window):
        return Pooling(self, [tensor], "unnamed", kind, window)

    def run(self, tensor, picture, wanted):
        """Compute what is needed for the tensor *wanted* from *picture* in *tensor*."""
        if wanted is tensor:
            return picture
        return wanted.maker.compute({id(part): self.run(tensor, picture, part) for part in wanted.maker.inputs if part is not None})


TRT = SimpleNamespace(LayerType=SimpleNamespace(POOLING=POOLING), PoolingType=SimpleNamespace(MAX=MAX, AVERAGE=AVERAGE), IPoolingLayer=Pooling,
                      PaddingMode=SimpleNamespace(EXPLICIT_ROUND_DOWN=DOWN, EXPLICIT_ROUND_UP=UP, SAME_UPPER=SAME))


def pooled(picture, layer):
    """The largest value of each window of *picture* [rows, columns], by the definition."""
    (high, wide), (top, left), (bottom, right) = layer.window_size_nd, layer.pre_padding, layer.post_padding
    padded = np.pad(picture, ((top, bottom), (left, right)), mode="constant", constant_values=-np.inf)
    rows, columns = padded.shape[0] - high + 1, padded.shape[1] - wide + 1
    return np.array([[padded[row:row + high, column:column + wide].max() for column in range(columns)] for row in range(rows)])


def inception(**options):
    """A pool between two layers, which a third reads beside the pool's own input, and the tensor that all begin with."""
    network = Network()
    picture = SimpleNamespace(name="image")
    entry = Layer(network, [picture], "entry")
    pool = Layer(network, [entry.output], "pool", options.pop("kind", MAX), **options)
    first = Layer(network, [pool.output, None], "first")
    last = Layer(network, [entry.output, pool.output, first.output], "last")
    return network, picture, pool, last.output


@given(window=some.tuples(some.integers(2, 5), some.integers(2, 5)), padding=some.tuples(*[some.integers(0, 2)] * 4), seed=some.integers(0, 99))
def test_a_split_pool_gives_the_same_numbers(window, padding, seed):
    shape = 7 + window[0] - 1 - padding[0] - padding[2], 9 + window[1] - 1 - padding[1] - padding[3]     # 7x9 behind the pool
    values = np.random.RandomState(seed).randn(*shape)
    network, picture, pool, last = inception(window=window, before=padding[:2], after=padding[2:])
    expected = pooled(values, pool)
    assert split_pools(TRT, network) == 1
    (readers_of_pool,) = [layer for layer in network.layers if pool.output in layer.inputs]
    assert readers_of_pool.name == "pool along rows" and readers_of_pool.output.name == "pool_output along rows"
    assert (pool.window_size_nd[1], readers_of_pool.window_size_nd[0]) == (1, 1)
    assert np.array_equal(network.run(picture, values, readers_of_pool.output), expected)


def test_all_readers_get_the_second_pools_output():
    network, picture, pool, last = inception(window=(3, 3), before=(1, 1), after=(1, 1))
    values = np.random.RandomState(1).randn(6, 5)
    expected = network.run(picture, values, last)
    split_pools(TRT, network)
    assert np.array_equal(network.run(picture, values, last), expected)
    assert [layer.name for layer in network.layers if pool.output in layer.inputs] == ["pool along rows"]


@pytest.mark.parametrize("options", [dict(window=(3, 3), stride=(2, 2)), dict(window=(3, 1)), dict(window=(1, 3)), dict(window=(3, 3), kind=AVERAGE),
                                     dict(window=(3, 3), mode=SAME)])
def test_other_pools_stay_as_they_are(options):
    network, _, pool, _ = inception(**options)
    assert split_pools(TRT, network) == 0 and len(network.layers) == 4 and pool.window_size_nd == options["window"]


def test_a_pool_that_gives_an_output_keeps_it():
    network, _, pool, _ = inception(window=(3, 3))
    pool.output.is_network_output = True
    assert split_pools(TRT, network) == 0


@pytest.mark.gpu
def test_tensorrt_gives_the_same_numbers():
    from edgecam.detect import tensorrt, tensorrt_build
    from edgecam.detect.tensorrt_api import LoadedEngine, make_logger
    from edgecam.detect.tensorrt_plans import on_gpu
    try:
        tensorrt.version()
    except BackendUnavailable as error:
        pytest.skip(str(error))
    trt = tensorrt.import_tensorrt()
    picture = np.random.RandomState(3).randn(2, 8, 17, 23).astype(np.float32)
    with on_gpu(0) as gpu:
        builder = trt.Builder(make_logger(trt))
        network = builder.create_network(tensorrt_build.explicit_batch(trt))
        image = network.add_input("image", trt.float32, picture.shape)
        parts = [image]
        for size in (3, 5):                             # a chain whose every part is read twice, as in an Inception network's context
            pool = network.add_pooling_nd(parts[-1], trt.PoolingType.MAX, (size, size))
            pool.stride_nd, pool.padding_nd = (1, 1), (size // 2, size // 2)
            parts.append(pool.get_output(0))
        joined = network.add_concatenation(parts).get_output(0)
        joined.name = "joined"
        network.mark_output(joined)
        assert split_pools(trt, network) == 2
        config = builder.create_builder_config()
        tensorrt_build.configure(trt, config, "fp32", tensorrt_build.BuildFlags(trt, 64), None)
        engine = LoadedEngine(trt, builder.build_serialized_network(network, config))
        memory = {"image": gpu.driver.to_device(picture), "joined": gpu.driver.mem_alloc(3 * picture.nbytes)}
        gpu.driver.Context.synchronize()
        engine.runner({name: int(address) for name, address in memory.items()})(0)
        gpu.driver.Context.synchronize()
        found = gpu.driver.from_device(memory["joined"], (2, 24, 17, 23), np.float32)
        engine.close()
    expected = [picture]
    for size in (3, 5):
        layer = SimpleNamespace(window_size_nd=(size, size), pre_padding=(size // 2,) * 2, post_padding=(size // 2,) * 2)
        expected.append(np.array([[pooled(plane, layer) for plane in planes] for planes in expected[-1]], np.float32))
    assert np.array_equal(found, np.concatenate(expected, 1))
