"""Polynomial zonotopes over fewer symbols, and zonotopes around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, gamma, grow_up, matmul_enclosure
from nnctrl.sets.zonotope import Zonotope


def reduced_in_frame(rows: PolynomialZonotope, limit: int, frame: FloatArray) -> PolynomialZonotope:
    """The same rows over at most `limit` independent symbols (at least n), by Girard's reduction in the coordinates
    V^-1 x of an invertible `frame` V [n, n]: those symbols that are least different from a box there become n symbols
    along the columns of V.

    Any frame is sound: with M a float inverse, `G eta = V (M G eta) + (I - V M) G eta`, and the second term goes into
    the radii. A frame of eigenvectors of a map keeps what the map leaves apart apart.
    """
    n, count = rows.dim, rows.generators.shape[1]
    limit = max(limit, n)
    if count <= limit:
        return rows
    inverse = np.linalg.inv(frame)
    inside = inverse @ rows.generators
    size = np.abs(inside)
    scaled = size / (size.sum(axis=1, keepdims=True) + TINY)
    order = np.argsort(scaled.max(axis=0) - scaled.sum(axis=0), kind="stable")
    kept, boxed = order[: limit - n], order[limit - n :]
    total = grow_up(np.abs(rows.generators[:, boxed]).sum(axis=1), len(boxed))
    reach = grow_up(size[:, boxed].sum(axis=1) + gamma(n + 2) * (np.abs(inverse) @ total), len(boxed) + n + 4)
    product, error = matmul_enclosure(frame, inverse)
    defect = np.abs(product - np.eye(n)) + error + UNIT_ROUNDOFF * np.abs(product)
    lost = defect @ total + 2.0 * UNIT_ROUNDOFF * (np.abs(frame) @ reach)
    generators = np.concatenate([rows.generators[:, kept], frame * reach], axis=1)
    return replace(rows, generators=generators, radius=grow_up(rows.radius + lost, 2 * n + 8))


def enclosing_zonotope(rows: PolynomialZonotope, limit: int) -> Zonotope:
    """A zonotope with at most `limit` generators, and n more for what is left, around all points of `rows` [n].

    Every monomial counts as an independent symbol: squares with their middle 1/2, others with 0. Those columns that are
    largest, relative to each row's sum, are kept; the others are boxed. InputError if a row is not finite.
    """
    coefficients, even = rows.coefficients[:, 1:], rows.basis.even[1:]
    halves = np.where(even, 0.5, 1.0)
    columns = np.concatenate([coefficients * halves, rows.generators], axis=1)
    shifts = 0.5 * coefficients[:, even]
    centre = rows.coefficients[:, 0] + shifts.sum(axis=1)
    size = np.abs(columns)
    share = (size / (size.sum(axis=1, keepdims=True) + TINY)).sum(axis=0)
    order = np.argsort(-share, kind="stable")
    kept, boxed = order[:limit], order[limit:]
    # halving is exact; the centre is a sum
    rounding = gamma(shifts.shape[1] + 2) * (np.abs(rows.coefficients[:, 0]) + np.abs(shifts).sum(axis=1))
    radius = grow_up(rows.radius + size[:, boxed].sum(axis=1) + rounding, columns.shape[1] + 8)
    return Zonotope(centre, np.concatenate([columns[:, kept], np.diag(radius)], axis=1))
