"""The coordinates in which an ellipsoid is a ball, with proved bounds of what they are off by."""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.rounding import add_up, matmul_enclosure, norm_up, sum_up, two_sum, widen_down, widen_up


def inverse_with_defect(shape: FloatArray) -> tuple[FloatArray, float]:
    """A matrix M [n, n] for the shape S [n, q] of an ellipsoid, and its defect, inf where there is none.

    M is a float inverse of S with |I - M S| <= defect, or, for q > n, of a square root of S S' with
    |I - M S S' M'| <= defect: the least v with S v = y has the length of M y up to a factor within 1 +- defect.
    """
    size, columns = shape.shape
    if columns < size:
        return np.zeros((size, size)), np.inf
    # S' = Q R has S S' = R'R
    root = shape if columns == size else np.linalg.qr(shape.T)[1].T
    try:
        inverse: FloatArray = np.asarray(np.linalg.inv(root), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.zeros((size, size)), np.inf
    product, radius = matmul_enclosure(inverse, shape)
    if columns > size:
        product, radius = matmul_enclosure(product, product.T, radius, radius.T)
    defect = _distance_from_identity(product, radius)
    return inverse, defect if np.isfinite(defect) else np.inf


def axis_bounds(inverse: FloatArray, defect: float) -> tuple[float, float]:
    """Bounds of the shortest semi-axis of the ellipsoid: (1 +- defect) / |M|; nan where none are proved.

    |M| by Gershgorin's discs of A A' for A = V'M, with V the computed eigenvectors of M M', orthogonal up to e:
    |A| / sqrt(1 + e) <= |M| <= |A| / sqrt(1 - e).
    """
    scale = np.ldexp(1.0, int(np.clip(-np.frexp(abs(inverse).max())[1], -1000, 1000)))
    scaled = scale * inverse
    _, vectors = np.linalg.eigh(scaled @ scaled.T)
    e = _distance_from_identity(*matmul_enclosure(vectors.T, vectors))
    product, radius = matmul_enclosure(vectors.T, scaled)
    gram, radius = matmul_enclosure(product, product.T, radius, radius.T)
    most = float(sum_up(add_up(abs(gram), radius)).max())
    least = float(widen_down(np.diag(gram) - np.diag(radius)).max())
    if not (least > 0.0 and e < 0.5):
        return np.nan, np.nan
    longest = float(widen_up(np.sqrt(most / (1.0 - e)), 8.0))
    shortest = float(widen_down(np.sqrt(least / (1.0 + e)), 8.0))
    low, high = (1.0 - defect) / longest * scale, (1.0 + defect) / shortest * scale
    return float(widen_down(low, 8.0)), float(widen_up(high, 8.0))


def _distance_from_identity(product: FloatArray, radius: FloatArray) -> float:
    """Upper bound of the Frobenius norm of `I - product`, known up to `radius`."""
    gap, error = two_sum(product, -np.eye(len(product)))
    return float(norm_up(add_up(add_up(abs(gap), abs(error)), radius).ravel()))
