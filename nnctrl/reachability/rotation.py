"""Boxes in rotated coordinates: principal directions of samples, and the set that support values in them enclose."""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.rounding import gamma, matmul_enclosure, sum_up, widen_up


def principal_directions(samples: FloatArray) -> FloatArray:
    """Rows of an orthogonal matrix [n, n] (in floating point): the principal directions of `samples` [count, n]."""
    centred = samples - samples.mean(axis=0)
    _, _, rows = (
        np.linalg.svd(centred, full_matrices=True)
        if len(samples) < samples.shape[1]
        else np.linalg.svd(centred, full_matrices=False)
    )
    return np.asarray(rows, dtype=np.float64)


def enclosing_coordinates(
    directions: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Box of y such that every x with `lower <= directions x <= upper` is `directions' y`.

    `directions` V [n, n] is orthogonal only up to rounding, so y is not V x itself: x = V' y means y = (V V')^-1 V x,
    and with V V' = I + D, |D| <= d < 1 in the infinity norm, |y - V x| <= d / (1 - d) max |V x| entrywise.
    """
    size = len(directions)
    product, radius = matmul_enclosure(directions, directions.T)
    defect_matrix = widen_up(np.abs(product - np.eye(size))) + radius
    defect = float(np.max(sum_up(defect_matrix, axis=1)))
    if not defect < 0.5:
        raise ValueError(f"directions are not orthogonal: defect {defect}")
    largest = float(np.max(np.maximum(np.abs(lower), np.abs(upper))))
    slack = defect / (1.0 - defect) * largest * (1.0 + gamma(16))
    return lower - widen_up(np.full(size, slack)) - gamma(4) * np.abs(lower), upper + widen_up(
        np.full(size, slack)
    ) + gamma(4) * np.abs(upper)
