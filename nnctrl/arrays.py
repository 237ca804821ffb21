"""Numbers as users give them, turned into float64 arrays."""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError


def float_array(values: object, what: str) -> FloatArray:
    """A read-only float64 copy of `values`; InputError for what holds no real numbers or has ragged rows."""
    try:
        given = np.asarray(values)
        array = np.array(given.real, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is no array of numbers ({error}); give numbers in rows of equal length") from error
    # a cast alone would drop the imaginary parts with no more than a warning
    if np.iscomplexobj(given):
        raise InputError(f"{what} holds complex numbers; give real ones")
    array.setflags(write=False)
    return array
