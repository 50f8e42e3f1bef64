"""What the engines share: how many threads to take, and whether a network is the described one."""
import os

from edgecam.errors import ModelError

SMALL = 4.0         # GFLOPs: below, a second thread costs more CPU time than it saves


def cores():
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:                  # not on macOS and Windows
        return os.cpu_count() or 1


def thread_count(model, threads):
    """Return the setting *threads*, or where it is 0 what suits *model*: one thread for small networks, else all cores up to 8."""
    if threads:
        return threads
    if model.gflops is not None and model.gflops < SMALL:
        return 1
    return min(8, cores())


def check_tensors(model, inputs, outputs):
    """Raise `ModelError` unless the network's *inputs*, [(name, shape, dtype)], and *outputs*, [name], fit *model*.

    Dimensions of a shape that are not whole numbers are free.
    """
    name, spec = model.input.name, model.input
    if [entry[0] for entry in inputs] != [name]:
        raise ModelError("{}: its inputs are {}, but {} describes one input {}".format(
            model.file, ", ".join(entry[0] for entry in inputs) or "none", model.path, name))
    _, shape, dtype = inputs[0]
    fits = len(shape) == 4 and all(not isinstance(have, int) or have in (want, 0, -1) for have, want in zip(shape, spec.shape))
    if not fits or dtype != spec.dtype:
        raise ModelError("{}: its input {} is {} {}, but {} describes {} {}".format(
            model.file, name, dtype, "x".join(map(str, shape)), model.path, spec.dtype, "x".join(map(str, spec.shape))))
    missing = [output for output in model.outputs if output not in outputs]
    if missing:
        raise ModelError("{}: has no output {}; its outputs are {}".format(model.file, ", ".join(missing), ", ".join(outputs)))
