"""Certified gaps between polynomial zonotopes and convex sets, and the heuristics that find good directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.sets.monomials import BoolArray
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import UNIT_ROUNDOFF, gamma, norm_up, widen_down

GILBERT_STEPS = 4

PAIR_GRID = np.linspace(0.0, 1.0, 13)
"""Weights that are tried for a pair of faces, and again around the best of them."""


class Margin(NamedTuple):
    """`margin`: certified lower bound of a margin over rows, -inf where nothing is known; `direction` [d]: in which it
    was least.
    """

    margin: float
    direction: FloatArray


def floored(value: float) -> float:
    """`value` rounded down once more, for a margin that took up to two roundings; -inf where it is not finite."""
    lowered = value - abs(value) * (4.0 * UNIT_ROUNDOFF)
    return lowered if -np.inf < lowered < np.inf else -np.inf


def known_rows(rows: PolynomialZonotope) -> BoolArray:
    """Of which rows [n] something is known."""
    return np.isfinite(rows.magnitude + rows.radius)


def selected(rows: PolynomialZonotope, lanes: NDArray[np.intp] | BoolArray) -> PolynomialZonotope:
    """Some of the rows."""
    return PolynomialZonotope(rows.basis, rows.coefficients[lanes], rows.generators[lanes], rows.radius[lanes])


def norm_ends(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds of the Euclidean norms of vectors [..., d]."""
    high = norm_up(vectors)
    # norm_up exceeds the real norm by a relative 3 gamma at most; a length near underflow counts as none
    return np.where(high > 1e-150, high * (1.0 - 8.0 * gamma(vectors.shape[-1] + 12)), 0.0), high


def divide_down(numerator: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Lower bounds of `numerator / s` for every s in [low, high]; -inf where s may be 0 or nothing is known."""
    quotient = widen_down(np.where(numerator >= 0.0, numerator / high, numerator / low))
    return np.where((low > 0.0) & np.isfinite(quotient), quotient, -np.inf)


def best_gap(rows: PolynomialZonotope, directions: FloatArray, support: FloatArray) -> Margin:
    """Largest certified gap over candidate directions [p, d], `support` [p] bounding a convex set's support in them.

    For every point x of the rows and y of the set `|x - y| >= (d'x - d'y) / |d|`.
    """
    lower, _ = rows.affine(directions).ranges()
    gaps = divide_down(widen_down(lower - support), *norm_ends(directions))
    best = int(np.argmax(gaps))
    return Margin(float(gaps[best]), directions[best])


def zonotope_hull(rows: PolynomialZonotope) -> tuple[FloatArray, FloatArray]:
    """Centre [n] and symbols [n, m], in floating point, of the zonotope that has the same support function."""
    even = rows.basis.even[1:]
    monomials = np.where(even, 0.5, 1.0) * rows.coefficients[:, 1:]
    centre = rows.coefficients[:, 0] + monomials[:, even].sum(axis=1)
    return centre, np.concatenate([monomials, rows.generators, np.diag(rows.radius)], axis=1)


def guiding_directions(rows: PolynomialZonotope, project: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Directions [2, n] from a convex set towards the rows: at their centre, and at their nearest point.

    Floating point and heuristic (Gilbert's algorithm, a few steps). `project` maps a point to the set's nearest.
    """
    centre, symbols = zonotope_hull(rows)
    point, direction = centre, centre - project(centre)
    first = direction
    for _ in range(GILBERT_STEPS):
        move = centre - symbols @ np.sign(direction @ symbols) - point
        length = float(move @ move)
        if not length > 0.0:
            break
        point = point + min(max(-float(direction @ move) / length, 0.0), 1.0) * move
        direction = point - project(point)
    return np.nan_to_num(np.stack([first, direction]), posinf=0.0, neginf=0.0)


def best_pair(centre: FloatArray, symbols: FloatArray) -> tuple[int, int, float]:
    """Two rows of the zonotope with `centre` [k] and `symbols` [k, m], and the weight w of the second, for which the
    least value of `(1 - w) first + w second` is largest; on a grid and in floating point.
    """
    first, second = np.triu_indices(len(centre), 1)
    low, high = np.zeros(len(first)), np.ones(len(first))
    best, weight = 0, 0.5
    for _ in range(2):
        weights = low[:, None] + (high - low)[:, None] * PAIR_GRID
        mixed = (1.0 - weights)[..., None] * symbols[first][:, None] + weights[..., None] * symbols[second][:, None]
        values = (1.0 - weights) * centre[first][:, None] + weights * centre[second][:, None] - abs(mixed).sum(axis=-1)
        at = np.argmax(values, axis=1)
        pairs = np.arange(len(first))
        best = int(np.argmax(values[pairs, at]))
        weight = float(weights[best, at[best]])
        step = PAIR_GRID[1] * (high - low)
        middle = weights[pairs, at]
        low, high = np.maximum(middle - step, 0.0), np.minimum(middle + step, 1.0)
    return int(first[best]), int(second[best]), weight
