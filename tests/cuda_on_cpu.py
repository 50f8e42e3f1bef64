"""The GPU's kernels, compiled for this machine's CPU: one source, both worlds."""
import ctypes
import os
import shutil
import subprocess

import numpy as np
import pytest

from edgecam.detect.cuda import kernels, pictures, suppression
from edgecam.detect.tensorrt_api import TensorInfo

PREPROCESS = """
#include "preprocess.cu"
void preprocess(const struct Picture *picture, const struct Target *target, void *tensor) {
    for (int y = 0; y < target->height; y++)
        for (int x = 0; x < target->width; x += 4) preprocess_quad(picture, target, tensor, x, y);
}
int picture_size(void) { return sizeof(struct Picture); }
int target_size(void) { return sizeof(struct Target); }
"""
DETECTNET = """
#include "detectnet.cu"
static struct Candidate found[CAPACITY], sorted[CAPACITY];
static unsigned bits[CAPACITY][WORDS], removed[WORDS];
int detectnet(const struct Decoding *decoding, int picture, float least, struct Candidate *out) {
    int count = 0, kept = 0;
    for (int which = 0; which < decoding->grid_count; which++) {
        int cells = decoding->grids[which].width * decoding->grids[which].height;
        for (int place = cells - 1; place >= 0; place--)        /* any order will do */
            for (int group = 0; group < decoding->groups; group++)
                count += select_cell(decoding, which, picture, group, place, least, &found[count]);
    }
    int words = (count + 31) / 32;
    for (int index = 0; index < count; index++) sorted[rank_of(found, count, index)] = found[index];
    for (int row = 0; row < count; row++)
        for (int word = 0; word < words; word++) bits[row][word] = overlap_word(sorted, count, row, word, decoding->iou);
    for (int word = 0; word < words; word++) removed[word] = 0;
    for (int index = 0; index < count && kept < decoding->limit; index++) {
        if (removed[index / 32] >> (index % 32) & 1) continue;
        out[kept++] = sorted[index];
        for (int word = index / 32; word < words; word++) removed[word] |= bits[index][word];
    }
    return kept;
}
int decoding_size(void) { return sizeof(struct Decoding); }
int candidate_size(void) { return sizeof(struct Candidate); }
"""


def library(folder, text):
    """Return the C program *text*, which includes a kernel's source, as a library. Skips without a compiler."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    source, built = os.path.join(str(folder), "kernel.c"), os.path.join(str(folder), "kernel.so")
    with open(source, "w") as stream:
        stream.write(text)
    subprocess.check_call(["gcc", "-std=gnu11", "-O2", "-Werror=implicit-function-declaration", "-ffp-contract=off", "-shared", "-fPIC",
                           "-I", kernels.FOLDER, "-o", built, source, "-lm"])
    return ctypes.CDLL(built)


def address(array):
    return ctypes.c_void_p(array.ctypes.data)


def preprocess(compiled, frame, spec, resize, dtype="float32", layout="linear"):
    """Return the tensor that the kernel makes of *frame*, as an array of its shape, and all of its memory as `base`."""
    geometry = pictures.Geometry(frame.format, spec, resize)
    records = np.zeros(1, pictures.PICTURE)
    geometry.write(records, 0, [plane.ctypes.data for plane in frame.planes], [plane.strides[0] for plane in frame.planes])
    tensor = TensorInfo("image", True, spec.shape, dtype, layout)
    record, memory = pictures.target(spec, resize, tensor), np.full(tensor.held, 7, dtype)
    compiled.preprocess(address(records), address(record), address(memory))
    return tensor.view(memory)


def laid_out(array, layout):
    """Return (the memory of *array* in *layout*, what fills up as NaN, and its `TensorInfo`)."""
    tensor = TensorInfo("", False, array.shape, array.dtype.name, layout)
    memory = np.full(tensor.held, np.nan, array.dtype)
    tensor.view(memory)[...] = array
    return memory, tensor


def detectnet(compiled, decoder, outputs, labels, threshold, iou, limit, wanted=None, picture=0, layout="linear"):
    """Return (boxes, scores, labels) that the kernels keep of *outputs*, {name: array}, which lie in *layout*."""
    laid = {name: laid_out(array, layout) for name, array in outputs.items()}
    tensors = {name: (memory.ctypes.data, tensor) for name, (memory, tensor) in laid.items()}
    record = suppression.decoding(decoder.layout(), tensors, wanted, labels, iou, limit)
    out = np.zeros(limit, suppression.CANDIDATE)
    kept = compiled.detectnet(address(record), picture, ctypes.c_float(decoder.least(threshold)), address(out))
    return out["box"][:kept], out["score"][:kept], out["label"][:kept]
