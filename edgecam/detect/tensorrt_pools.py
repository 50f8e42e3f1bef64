"""Wide maximum pools as two narrow ones: rows, then columns. The same numbers to the last bit, for less work.

TensorRT's pools look at every place of their window: their time goes with the window's area, in INT8 as in FP16, and in an
Inception network on a fast GPU they take a sixth of it. The largest of a square is the largest of its rows' largest, so a 3x3
pool looks at 3 + 3 places for 9, a 5x5 pool at 5 + 5 for 25. Only pools with stride 1: with stride 2 nothing is gained.
CPU runtimes gain nothing either, so the model files stay as they are and the network is changed when an engine is built.
"""
import logging

log = logging.getLogger(__name__)


def split_pools(trt, network):
    """Split the wide maximum pools of *network*, an `INetworkDefinition`; return how many there were."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    wide = [layer for layer in layers if is_wide(trt, layer)]
    for pool in wide:
        split(trt, network, pool, readers(layers, pool.get_output(0).name))
    if wide:
        log.debug("%d maximum pools are computed by rows and columns", len(wide))
    return len(wide)


def is_wide(trt, layer):
    """Say whether *layer* is a pool worth splitting. Its class becomes `IPoolingLayer`, which some bindings leave at `ILayer`."""
    if layer.type != trt.LayerType.POOLING:
        return False
    layer.__class__ = trt.IPoolingLayer
    explicit = trt.PaddingMode.EXPLICIT_ROUND_DOWN, trt.PaddingMode.EXPLICIT_ROUND_UP      # the same where the stride is 1
    return (layer.type == trt.PoolingType.MAX and tuple(layer.stride_nd) == (1, 1) and min(layer.window_size_nd) > 1
            and layer.padding_mode in explicit and not layer.get_output(0).is_network_output)


def readers(layers, name):
    """Return [(layer, number of its input)] of all that read the tensor *name*."""
    found = []
    for layer in layers:
        for number in range(layer.num_inputs):
            tensor = layer.get_input(number)
            if tensor is not None and tensor.name == name:
                found.append((layer, number))
    return found


def split(trt, network, pool, consumers):
    """Let *pool* look along columns only, put one behind it that looks along rows, and give that one's output to *consumers*."""
    (high, wide), before, after = pool.window_size_nd, tuple(pool.pre_padding), tuple(pool.post_padding)
    pool.window_size_nd, pool.pre_padding, pool.post_padding = (high, 1), (before[0], 0), (after[0], 0)
    second = network.add_pooling_nd(pool.get_output(0), trt.PoolingType.MAX, (1, wide))
    second.stride_nd, second.pre_padding, second.post_padding = (1, 1), (0, before[1]), (0, after[1])
    second.name = pool.name + " along rows"
    second.get_output(0).name = pool.get_output(0).name + " along rows"
    for layer, number in consumers:
        layer.set_input(number, second.get_output(0))
