"""Checkpoints: the averaged weights in FP16 pieces small enough to leave a machine often, and whole ones to resume from."""
import glob
import os
import pickle

import torch

from network import build
from refused import Refused

PIECE_BYTES = 15 * 2 ** 20


def save(path, content):
    """Write ``content`` so that a reader sees the old file or the new one, never half of it."""
    torch.save(content, path + ".part")
    os.replace(path + ".part", path)


def light_copy(weights):
    """State dict in FP16 (batch norm statistics stay FP32), on the CPU."""
    return {name: value.detach().cpu().half() if value.dtype == torch.float32 and "running" not in name
            else value.detach().cpu().clone() for name, value in weights.items()}


def save_start(path, variant, network):
    """Write weights that no training has seen yet, for ``--init``."""
    save(path, {"variant": variant, "step": 0, "progress": 0.0, "weights": light_copy(network.state_dict())})


def split(path, folder):
    """Cut a file into pieces ``NAME.00``, ``NAME.01`` ... of at most 15 MiB in ``folder``; returns their paths."""
    made = []
    with open(path, "rb") as handle:
        for number, piece in enumerate(iter(lambda: handle.read(PIECE_BYTES), b"")):
            made.append(os.path.join(folder, "%s.%02d" % (os.path.basename(path), number)))
            with open(made[-1], "wb") as out:
                out.write(piece)
    return made


def merge(first, path):
    """Join the pieces that begin with ``first`` (``.../NAME.00``) into ``path``."""
    with open(path, "wb") as out:
        for name in sorted(glob.glob(first[:-2] + "[0-9][0-9]")):
            with open(name, "rb") as handle:
                out.write(handle.read())


def load(path):
    """A checkpoint as a dictionary with ``variant``, ``weights`` and, in whole ones, the state to resume from."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise Refused("%s: is no checkpoint, or a part of one" % path) from error
    if not isinstance(content, dict) or not {"variant", "weights"} <= set(content):
        raise Refused("%s: is no checkpoint of train.py: it has no variant and weights" % path)
    return content


def load_network(path):
    """(network in evaluation mode with the averaged weights, its variant)."""
    content = load(path)
    network = build(content["variant"])
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in content["weights"].items()})
    except RuntimeError as error:
        raise Refused("%s: its weights are not those of the variant %s" % (path, content["variant"])) from error
    return network.eval(), content["variant"]


def load_backbone(network, path):
    """``--init``: take every tensor of ``path`` whose name and shape fit (ImageNet weights, say); returns how many."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    content = content.get("weights", content.get("state_dict", content))
    own = network.state_dict()
    fitting = {k: v.float() if v.is_floating_point() else v for k, v in content.items()
               if k in own and own[k].shape == v.shape}
    network.load_state_dict(fitting, strict=False)
    return len(fitting)
