"""Approximate closest points of two convex sets known by their support points (Gilbert 1966; Wolfe 1976).

Keep a few support points of the difference b - a, take the shortest vector of their convex hull, add the support point
of that direction, until none is nearer. Between curved sets in many dimensions that is slow: the best direction is then
improved by a quasi-Newton method on the gap itself, whose gradient is the difference of the support points. Nothing
here is certified.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.rounding import norm_up

MAX_ITERATIONS = 500

PRECISION = 1e-11
"""Relative size of the optimality gap of the squared distance at which the search for a direction stops."""

ROUGH = 1e-8
"""Relative distance between what two sets seem to be apart and how near two points of them are that calls for more."""

LAST_EXPONENT = 1000
"""Powers of two of at most this size, and their inverses, are used as factors: they do not round numbers."""

SupportPoints = Callable[[FloatArray], FloatArray]
"""Farthest point [n] of a set in a direction [n], minus a common origin."""


@dataclass(frozen=True, eq=False)
class ClosestPoints:
    """Approximate closest points of a and b (minus the origin of the search); nothing is certified.

    `active` [k, n] are the support points of b - a whose convex hull holds the vector between them; `size` is that of
    the numbers that entered, whose rounding the shift carries. The sets seem to be `widest` apart in the direction
    `guide`: no more than the length of the shift, and less where the search ended early.
    """

    of_a: FloatArray
    of_b: FloatArray
    active: FloatArray
    size: float
    widest: float = -np.inf
    guide: FloatArray | None = None

    @property
    def shift(self) -> FloatArray:
        """From a to b [n]; 0 where they meet."""
        return self.of_b - self.of_a

    @property
    def unit(self) -> float:
        """A power of two near the size, and not 0."""
        return math.ldexp(1.0, within_range(math.frexp(self.size)[1]))


def within_range(exponent: int) -> int:
    """The nearest exponent whose power of two can be divided by."""
    return min(max(exponent, -LAST_EXPONENT), LAST_EXPONENT)


def closest_points(support_a: SupportPoints, support_b: SupportPoints, dim: int) -> ClosestPoints:
    """Approximate closest points of two sets given by their support points."""
    start = np.ones(dim)
    of_a, of_b = support_a(start)[None], support_b(-start)[None]
    best = ClosestPoints(of_a[0], of_b[0], of_b - of_a, _size(of_a, of_b))
    widest, guide = -np.inf, best.shift
    for _ in range(MAX_ITERATIONS):
        # in units of the sets no square overflows or vanishes, and a power of two rounds nothing
        unit = best.unit
        shift = best.shift / unit
        squared = float(shift @ shift)
        if not (1e-15 * (best.size / unit)) ** 2 < squared < np.inf:
            break
        new_a, new_b = support_a(shift), support_b(-shift)
        width = float(shift @ ((new_b - new_a) / unit))
        if not math.isfinite(width):
            break
        if unit * (width / math.sqrt(squared)) > widest:
            widest, guide = unit * (width / math.sqrt(squared)), best.shift
        if squared - width <= PRECISION * squared:
            break
        of_a, of_b = np.concatenate([of_a, new_a[None]]), np.concatenate([of_b, new_b[None]])
        weights = _shortest_combination(of_b - of_a)
        used = weights > 0.0
        of_a, of_b, weights = of_a[used], of_b[used], weights[used]
        closer = ClosestPoints(weights @ of_a, weights @ of_b, of_b - of_a, _size(of_a, of_b))
        closer_shift = closer.shift / unit
        if float(closer_shift @ closer_shift) >= squared:
            # no progress in floating point
            break
        best = closer
    return replace(best, widest=widest, guide=guide)


def better_directions(points: ClosestPoints, support_a: SupportPoints, support_b: SupportPoints) -> list[FloatArray]:
    """Where the search ended early its guide, and what a quasi-Newton method makes of that.

    It maximises `min d'b - max d'a` over |d| = 1 and needs curved sets. Cost: some hundred support points.
    """
    from scipy.optimize import minimize

    guide, unit = points.guide, points.unit
    # -inf where the sets meet or overflow, nan never
    is_rough = -np.inf < points.widest < (1.0 - ROUGH) * float(norm_up(points.shift))
    if guide is None or not is_rough:
        return []

    def loss(d: FloatArray) -> tuple[float, FloatArray]:
        length = float(np.linalg.norm(d))
        toward = d / length
        step = (support_b(-toward) - support_a(toward)) / unit
        gap = float(toward @ step)
        return -gap, -(step - gap * toward) / length

    options = {"gtol": PRECISION, "maxiter": MAX_ITERATIONS}
    return [guide, minimize(loss, guide / norm_up(guide), jac=True, method="BFGS", options=options).x]


def face_normals(points: ClosestPoints, support_a: SupportPoints, support_b: SupportPoints) -> list[FloatArray]:
    """Directions for sets a small gap apart, orthogonal to their closest faces; none where the shift is accurate.

    The shift between close faces is a difference of nearly equal points, but the edges of the faces are known to full
    precision. So the shift is made orthogonal to the edges found so far, and the support point of that direction is
    taken for one more vertex of the face, until the face is complete.
    """
    normals: list[FloatArray] = []
    shift, active = points.shift / points.unit, points.active / points.unit
    if not 0.0 < np.linalg.norm(shift) < 3e-3 * points.size / points.unit:
        return normals
    for _ in range(len(shift)):
        _, sizes, directions = np.linalg.svd(active[1:] - active[0], full_matrices=False)
        along = directions[sizes > 1e-9 * sizes.max(initial=0.0)]
        normal = shift - along.T @ (along @ shift)
        normal = normal - along.T @ (along @ normal)
        if not normal.any():
            break
        normals.append(normal)
        active = np.concatenate([active, (support_b(-normal) - support_a(normal))[None] / points.unit])
    return normals


def _size(of_a: FloatArray, of_b: FloatArray) -> float:
    return float(max(abs(of_a).max(), abs(of_b).max()))


def _shortest_combination(points: FloatArray) -> FloatArray:
    """Weights [k] >= 0 of sum 1 of the shortest vector in the convex hull of `points` [k, n].

    Least squares min |V'w|^2 + (1'w - 1)^2 over w >= 0 is solved by a multiple of those weights.
    """
    from scipy.optimize import nnls

    sizes = abs(points).max(axis=1)
    # beyond a third of the range no square would be finite
    unit = max(math.frexp(sizes.min())[1], math.frexp(sizes.max())[1] - LAST_EXPONENT // 3)
    system = np.concatenate([np.ldexp(points.T, -unit), np.ones((1, len(points)))])
    weights, _ = nnls(system, np.eye(len(system))[-1])
    return weights / weights.sum()
