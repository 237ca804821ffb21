"""Certified lower bounds on the Euclidean distance between convex sets.

A direction d with `min d'b - max d'a = gap > 0` proves that the sets are at least gap / |d| apart, and the direction
from one closest point to the other proves the distance itself. It is found in floating point by the minimum-norm point
of the difference b - a (Gilbert 1966; Wolfe 1976): keep a few support points, take the shortest vector of their convex
hull, add the support point of that direction, until none is nearer. The gap is then evaluated with outward-rounded
support functions about a common origin, so that large coordinates do not cancel in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.sets.base import AbstractSet, read_only
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.sets.linear_program import minimise
from nnctrl.sets.polytope import DualBound, Polytope
from nnctrl.sets.rounding import add_down, add_up, dot_up, norm_up, widen_down

MAX_ITERATIONS = 500

PRECISION = 1e-11
"""Relative size of the optimality gap of the squared distance at which the search for a direction stops."""

SupportPoints = Callable[[FloatArray], FloatArray]
"""Farthest point [n] of a set in a direction [n], minus a common origin."""


@dataclass(frozen=True, eq=False)
class Separation:
    """`distance` >= 0 is a lower bound of |x - y| for x in a, y in b, rounded down; 0 claims nothing.

    `direction` [n] points from a to b; where `gap` > 0, `direction'(y - x) >= gap` up to the error that the gap covers,
    and the sets are disjoint.
    """

    distance: float
    direction: FloatArray
    gap: float


@dataclass(frozen=True, eq=False)
class ClosestPoints:
    """Approximate closest points of a and b (minus the origin of the search); nothing is certified.

    `active` [k, n] are the support points of b - a whose convex hull holds the vector between them; `size` is that of
    the numbers that entered, whose rounding the shift carries.
    """

    of_a: FloatArray
    of_b: FloatArray
    active: FloatArray
    size: float

    @property
    def shift(self) -> FloatArray:
        """From a to b [n]; 0 where they meet."""
        return self.of_b - self.of_a


@np.errstate(all="ignore")
def distance_lower_bound(a: AbstractSet, b: AbstractSet) -> Separation:
    """Certified lower bound of the distance of two sets, close to it unless they (nearly) touch.

    Works for every pair of sets with a support function; polyhedra may be unbounded. Cost: some ten to a few hundred
    support vectors of each set.
    """
    check_same_space(a, b)
    origin = common_origin(a, b)
    support_a, support_b = _core_points(a, b, origin), _core_points(b, a, origin)
    points = closest_points(support_a, support_b, a.dim)
    directions = [points.shift, *face_normals(points, support_a, support_b)]
    # of an unbounded polyhedron only directions without any rounding prove something: the stored normals
    for of, sign in ((a, 1.0), (b, -1.0)):
        if isinstance(of, Polytope) and _is_unbounded(of):
            directions += list(sign * of.normals)
    found = [separation(a, b, direction, origin) for direction in directions]
    return max(found, key=lambda one: (one.distance, one.gap))


def check_same_space(a: AbstractSet, b: AbstractSet) -> None:
    """DimensionError unless both sets have the same dimension."""
    if a.dim != b.dim:
        raise DimensionError(f"sets of dimension {a.dim} and {b.dim} are compared; give equal dimensions")


def common_origin(a: AbstractSet, b: AbstractSet) -> FloatArray:
    """A point between the sets: any double vector serves, one near both keeps cancellation small."""
    return read_only(0.5 * a_point(a) + 0.5 * a_point(b))


def a_point(of: AbstractSet) -> FloatArray:
    """A point [n] well inside the set, in floating point."""
    return of.interior_point if isinstance(of, Polytope) else of.bounding_box().centre


@np.errstate(all="ignore")
def separation(a: AbstractSet, b: AbstractSet, direction: FloatArray, origin: FloatArray) -> Separation:
    """The proof that one direction gives.

    With a bound `(d - e_a)'(x - o) <= h_a` on a and `(-d - e_b)'(y - o) <= h_b` on b, taking the direction d - e_a
    (exact on a) or d + e_b (exact on b) and moving the other set's error to its extent X gives
    `gap = -h_a - h_b - (|e_a| + |e_b|)'X`, in a direction of length at most ||d| + |e||.
    """
    nothing = Separation(0.0, read_only(direction), 0.0)
    bound_a, bound_b = _half_space(a, direction, origin), _half_space(b, -direction, origin)
    if bound_a is None or bound_b is None or not direction.any():
        return nothing
    gap = add_down(np.float64(-bound_a.value), np.float64(-bound_b.value))
    error = add_up(bound_a.residual, bound_b.residual)
    if not error.any():
        return _separation(gap, norm_up(direction), direction)
    best = nothing
    for moved, exact in ((a, bound_b), (b, bound_a)):
        extent = _extent(moved, origin)
        loss = dot_up(error[error > 0.0], extent[error > 0.0])
        length = norm_up(add_up(abs(direction), exact.residual))
        candidate = _separation(add_down(gap, -loss), length, direction)
        best = max(best, candidate, key=lambda one: (one.distance, one.gap))
    return best


def _separation(gap: FloatArray, length: FloatArray, direction: FloatArray) -> Separation:
    if not gap > 0.0 or not np.isfinite(length):
        return Separation(0.0, read_only(direction), 0.0)
    return Separation(max(0.0, float(widen_down(gap / length))), read_only(direction), float(gap))


def _half_space(of: AbstractSet, direction: FloatArray, origin: FloatArray) -> DualBound | None:
    if isinstance(of, Polytope):
        return of.dual_bound(direction, origin)
    return DualBound(np.zeros(of.dim), float(of.support(direction, origin)))


def _extent(of: AbstractSet, origin: FloatArray) -> FloatArray:
    """Upper bounds [n] of |x - origin| over the set; inf where it is unbounded."""
    if isinstance(of, Polytope):
        return of.extent(origin)
    box = of.bounding_box()
    return np.maximum(add_up(box.upper, -origin), add_up(origin, -box.lower))


def _is_unbounded(of: Polytope) -> bool:
    return not np.isfinite(of.reach).all()


def _core_points(of: AbstractSet, other: AbstractSet, origin: FloatArray) -> SupportPoints:
    """Support points, but of a ball its centre: the direction is the same and found at once."""
    if isinstance(of, Ball):
        return lambda _: of.centre - origin
    return support_points(of, other, origin)


def support_points(of: AbstractSet, other: AbstractSet, origin: FloatArray) -> SupportPoints:
    """The support points of a set for the search: of a polyhedron those of the part that can be closest to `other`.

    The closest point to a bounded set is no farther from its bounding box than any two points of the sets from each
    other. Between two unbounded polyhedra the part is a guess, which costs sharpness at most.
    """
    if not isinstance(of, Polytope):
        return lambda direction: of.support_vector(direction, origin)
    apart = 2.0 * float(np.linalg.norm(a_point(of) - a_point(other))) + 1e-6
    if isinstance(other, Polytope) and _is_unbounded(other):
        near = Box.from_centre(a_point(other), 1e3 * apart)
    else:
        near = other.bounding_box()
    part = np.stack([near.lower - origin - apart, near.upper - origin + apart], axis=1)
    return _clipped_polytope(of, origin, part)


def _clipped_polytope(of: Polytope, origin: FloatArray, part: FloatArray) -> SupportPoints:
    """Support points of the polytope within the box `part` [n, 2] about the origin, by linear programming."""
    lengths = np.linalg.norm(of.normals, axis=1)
    rows, slack = of.normals / lengths[:, None], (of.offsets - of.normals @ origin) / lengths
    size = float(abs(part).max())

    def farthest(direction: FloatArray) -> FloatArray:
        length = np.linalg.norm(direction)
        solution = minimise(-direction / (length or 1.0), A_ub=rows, b_ub=slack / size, bounds=part / size)
        return size * solution.x if solution.status == "optimal" else of.interior_point - origin

    return farthest


def closest_points(support_a: SupportPoints, support_b: SupportPoints, dim: int) -> ClosestPoints:
    """Approximate closest points of two sets given by their support points."""
    start = np.ones(dim)
    of_a, of_b = support_a(start)[None], support_b(-start)[None]
    best = ClosestPoints(of_a[0], of_b[0], of_b - of_a, _size(of_a, of_b))
    for _ in range(MAX_ITERATIONS):
        shift = best.shift
        squared = float(shift @ shift)
        if squared <= (1e-15 * best.size) ** 2:
            break
        new_a, new_b = support_a(shift), support_b(-shift)
        if float(shift @ (shift - (new_b - new_a))) <= PRECISION * squared:
            break
        of_a, of_b = np.concatenate([of_a, new_a[None]]), np.concatenate([of_b, new_b[None]])
        weights = _shortest_combination(of_b - of_a)
        used = weights > 0.0
        of_a, of_b, weights = of_a[used], of_b[used], weights[used]
        closer = ClosestPoints(weights @ of_a, weights @ of_b, of_b - of_a, _size(of_a, of_b))
        if float(closer.shift @ closer.shift) >= squared:
            # no progress in floating point
            break
        best = closer
    return best


def face_normals(points: ClosestPoints, support_a: SupportPoints, support_b: SupportPoints) -> list[FloatArray]:
    """Directions for sets a small gap apart, orthogonal to their closest faces; none where the shift is accurate.

    The shift between close faces is a difference of nearly equal points, but the edges of the faces are known to full
    precision. So the shift is made orthogonal to the edges found so far, and the support point of that direction is
    taken for one more vertex of the face, until the face is complete.
    """
    normals: list[FloatArray] = []
    shift, active = points.shift, points.active
    if not 0.0 < np.linalg.norm(shift) < 3e-3 * points.size:
        return normals
    for _ in range(len(shift)):
        _, sizes, directions = np.linalg.svd(active[1:] - active[0], full_matrices=False)
        along = directions[sizes > 1e-9 * sizes.max(initial=0.0)]
        normal = shift - along.T @ (along @ shift)
        normal = normal - along.T @ (along @ normal)
        if not normal.any():
            break
        normals.append(normal)
        active = np.concatenate([active, (support_b(-normal) - support_a(normal))[None]])
    return normals


def _size(of_a: FloatArray, of_b: FloatArray) -> float:
    return float(max(abs(of_a).max(), abs(of_b).max()))


def _shortest_combination(points: FloatArray) -> FloatArray:
    """Weights [k] >= 0 of sum 1 of the shortest vector in the convex hull of `points` [k, n].

    Least squares min |V'w|^2 + (1'w - 1)^2 over w >= 0 is solved by a multiple of those weights.
    """
    from scipy.optimize import nnls

    scale = np.sqrt((points * points).sum(axis=1)).min()
    system = np.concatenate([points.T / scale if scale > 0.0 else points.T, np.ones((1, len(points)))])
    weights, _ = nnls(system, np.eye(len(system))[-1])
    return weights / weights.sum()
