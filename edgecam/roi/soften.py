"""Soften what no region covers, so that the encoder spends less on it: ``roi.background: soften``.

The planes are low-passed, and regions are laid back over them with edges that fade over one
macroblock, so that nobody sees where they end.
"""
import numpy as np

from edgecam.errors import BackendUnavailable
from edgecam.roi.grid import SIDE, covered
from edgecam.vocabulary import Frame

GROUP = {"YUYV": 4}         # bytes that repeat along a row, where they are not the array's own last axis


def open_background(settings, size):
    """Return the `Softener` that the section ``roi`` asks for, also where regions are off for now, or None. Raises `BackendUnavailable`."""
    return Softener(settings.softness, size) if settings.background == "soften" else None


class Softener:
    """Softens frames of one *size* (width, height); *sigma* is the blur's standard deviation in luma pixels."""

    def __init__(self, sigma, size):
        self._cv2 = import_cv2()
        self._sigma, self._size = sigma, size
        self._plan, self._weights = None, {}

    def apply(self, frame, plan):
        """Return a frame like *frame*, with planes of its own, soft outside the regions of *plan*, and no *native*.

        Without regions it has the planes of *frame*, as they are: then nothing is known to be unimportant. *native* is left out
        there, too: an encoder that was given the camera's own buffers once takes nothing else afterwards.
        """
        if not plan.regions:
            return Frame(frame.number, frame.time, frame.pts, frame.format, frame.planes)
        if plan.regions != self._plan:
            self._plan, self._weights = plan.regions, {}
            self._sharp = self._fade(covered(plan, *self._size))
        planes = tuple(self._soften(plane, GROUP.get(frame.format.fourcc)) for plane in frame.planes)
        return Frame(frame.number, frame.time, frame.pts, frame.format, planes)

    def _fade(self, inside):
        """Return float32 (rows, columns): 1 in the regions and on their rim, which interpolation turns into a slope."""
        return self._cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)

    def _soften(self, plane, group):
        cv2, shape = self._cv2, plane.shape
        plane = plane.reshape(shape[0], -1, group) if group else plane
        scale = plane.shape[1] / self._size[0], plane.shape[0] / self._size[1]
        soft = cv2.GaussianBlur(plane, (0, 0), self._sigma * scale[0], None, self._sigma * scale[1])
        sharp, blurred = self._weight(plane.shape[:2], scale)
        return cv2.blendLinear(plane, soft, sharp, blurred).reshape(shape)

    def _weight(self, shape, scale):
        """Return the weights of the sharp and of the soft picture at each pixel of a plane of *shape*."""
        if shape not in self._weights:
            cell = SIDE * scale[0], SIDE * scale[1]         # of the grid, in this plane's pixels; its last cells may stick out
            matrix = np.float32([[cell[0], 0, (cell[0] - 1) / 2], [0, cell[1], (cell[1] - 1) / 2]])
            sharp = self._cv2.warpAffine(self._sharp, matrix, shape[::-1], flags=self._cv2.INTER_LINEAR,
                                         borderMode=self._cv2.BORDER_REPLICATE)
            self._weights[shape] = sharp, 1 - sharp
        return self._weights[shape]


def import_cv2():
    try:
        import cv2
    except ImportError as error:
        raise BackendUnavailable("roi.background: soften needs OpenCV: pip install opencv-python-headless") from error
    return cv2
