"""Half-spaces in units in which nothing overflows."""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.polytope import Polytope


def balanced(target: Polytope) -> tuple[FloatArray, FloatArray]:
    """Normals and offsets with rows times powers of two, such that lengths of normals neither overflow nor vanish.

    A row that would be rounded by it stays as it is.
    """
    exponents = np.frexp(abs(target.normals).max(axis=1))[1]
    rows = np.concatenate([target.normals, target.offsets[:, None]], axis=1)
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.ldexp(rows, -exponents[:, None])
        same = (np.ldexp(scaled, exponents[:, None]) == rows).all(axis=1, keepdims=True)
    scaled = np.where(same, scaled, rows)
    return scaled[:, :-1], scaled[:, -1]
