"""Array types and the alphabet of shapes used in every docstring.

`n` state, `m` input, `w` disturbance, `p` direction, `q` generator, `s` symbol, `k` step, `batch`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

Array = Any
"""A float64 NumPy array or torch tensor: code annotated with it runs on both and imports neither torch nor numba."""


def namespace(array: Array) -> ModuleType:
    """The module (numpy or torch) whose functions apply to `array`."""
    if isinstance(array, np.ndarray | np.floating | float | int):
        return np
    # The array exists, so its module has been imported: this is a lookup, not an import.
    import torch

    return torch
