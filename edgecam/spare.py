"""Arrays that are used again for each picture: taking and giving back megabytes costs more than many a sum, and leaves holes."""
import numpy as np


class Spare:
    """Arrays by name, shape and type, filled again for each picture; new ones are zero. There are few shapes."""

    def __init__(self):
        self._arrays = {}

    def get(self, name, shape, dtype=np.float32):
        key = name, shape, dtype
        if key not in self._arrays:
            self._arrays[key] = np.zeros(shape, dtype)
        return self._arrays[key]
