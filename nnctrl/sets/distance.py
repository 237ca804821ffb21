"""Certified lower bounds on the Euclidean distance between convex sets.

A direction d with `min d'b - max d'a = gap > 0` proves that the sets are at least gap / |d| apart, and the direction
from one closest point to the other proves the distance itself. It is found in floating point (see `closest_points`).
The gap is then evaluated with outward-rounded support functions about a common origin, so that large coordinates do not
cancel in it, and in a direction of a length such that neither tiny nor huge sets are lost in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.sets.base import AbstractSet, read_only
from nnctrl.sets.closest_points import (
    SupportPoints,
    better_directions,
    closest_points,
    face_normals,
)
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polyhedral_bounds import FLAT, DualBound
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import add_down, add_up, dot_up, norm_up
from nnctrl.sets.scaled_program import ScaledProgram, exponents_of

NEARBY = 1e-6
"""Share of the size of the numbers by which the part of a polyhedron that is searched is enlarged."""


@dataclass(frozen=True, eq=False)
class Separation:
    """`distance` >= 0 is a lower bound of |x - y| for x in a, y in b, rounded down; 0 claims nothing.

    `direction` [n] points from a to b; where `gap` > 0, `direction'(y - x) >= gap` up to the error that the gap covers,
    and the sets are disjoint.
    """

    distance: float
    direction: FloatArray
    gap: float


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
    if isinstance(a, Ellipsoid) or isinstance(b, Ellipsoid):
        directions += better_directions(points, support_a, support_b)
    # of an unbounded polyhedron only directions without any rounding prove something: the stored normals
    for of, sign in ((a, 1.0), (b, -1.0)):
        if isinstance(of, Polytope) and not of.bounds.are_finite:
            directions += list(sign * of.normals)
    # half the exponent keeps the gap as far from overflow and underflow as the length of the direction
    half = math.frexp(points.size)[1] // 2
    found = [separation(a, b, _of_size(direction, -half), origin) for direction in directions]
    return max(found, key=lambda one: (one.distance, one.gap))


def _of_size(direction: FloatArray, exponent: int) -> FloatArray:
    """The direction times the power of two that makes its largest entry about 2^exponent."""
    return np.ldexp(direction, exponent - math.frexp(abs(direction).max())[1])


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
    if not (direction.any() and np.isfinite(direction).all()):
        return Separation(0.0, read_only(direction), 0.0)
    bound_a, bound_b = _half_space(a, direction, origin), _half_space(b, -direction, origin)
    found = _separation(a, b, direction, origin, bound_a, bound_b)
    is_hopeless = bound_a is None or bound_b is None or not bound_a.value + bound_b.value < 0.0
    if found.gap > 0.0 or is_hopeless or (_is_bounded(a) and _is_bounded(b)):
        return found
    # the residual of a bound cannot be moved to where a set has no end
    bound_a, bound_b = _exact_half_space(a, direction, origin), _exact_half_space(b, -direction, origin)
    return _separation(a, b, direction, origin, bound_a, bound_b)


def _separation(
    a: AbstractSet,
    b: AbstractSet,
    direction: FloatArray,
    origin: FloatArray,
    bound_a: DualBound | None,
    bound_b: DualBound | None,
) -> Separation:
    """What two bounds prove."""
    best = Separation(0.0, read_only(direction), 0.0)
    if bound_a is None or bound_b is None:
        return best
    gap = add_down(np.float64(-bound_a.value), np.float64(-bound_b.value))
    error = add_up(bound_a.residual, bound_b.residual)
    if not error.any():
        return _divided(gap, norm_up(direction), direction)
    for moved, exact in ((a, bound_b), (b, bound_a)):
        extent = _extent(moved, origin)
        loss = dot_up(error[error > 0.0], extent[error > 0.0])
        length = norm_up(add_up(abs(direction), exact.residual))
        candidate = _divided(add_down(gap, -loss), length, direction)
        best = max(best, candidate, key=lambda one: (one.distance, one.gap))
    return best


def _divided(gap: FloatArray, length: FloatArray, direction: FloatArray) -> Separation:
    if not gap > 0.0 or not np.isfinite(length):
        return Separation(0.0, read_only(direction), 0.0)
    # a quotient is rounded to the nearest double, so the real one is above the next lower
    return Separation(float(np.nextafter(gap / length, 0.0)), read_only(direction), float(gap))


def _half_space(of: AbstractSet, direction: FloatArray, origin: FloatArray) -> DualBound | None:
    if isinstance(of, Polytope):
        return of.bounds.dual_bound(direction, origin)
    return DualBound(np.zeros(of.dim), float(of.support(direction, origin)))


def _exact_half_space(of: AbstractSet, direction: FloatArray, origin: FloatArray) -> DualBound | None:
    """The same, of an unbounded polyhedron without a residual."""
    if isinstance(of, Polytope) and not of.bounds.are_finite:
        return of.bounds.exact_bound(direction, origin)
    return _half_space(of, direction, origin)


def _is_bounded(of: AbstractSet) -> bool:
    return not isinstance(of, Polytope) or of.bounds.are_finite


def _extent(of: AbstractSet, origin: FloatArray) -> FloatArray:
    """Upper bounds [n] of |x - origin| over the set; inf where it is unbounded."""
    if isinstance(of, Polytope):
        return of.bounds.extent(origin)
    box = of.bounding_box()
    return np.maximum(add_up(box.upper, -origin), add_up(origin, -box.lower))


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
    own, point = of.interior_point, a_point(other)
    apart = 2.0 * norm_up(own - point) + NEARBY * max(abs(own).max(), abs(point).max())
    if isinstance(other, Polytope) and not other.bounds.are_finite:
        lower, upper = point - 1e3 * apart, point + 1e3 * apart
    else:
        near = other.bounding_box()
        lower, upper = near.lower, near.upper
        apart = apart + NEARBY * near.radius.max()
    return _clipped_polytope(of, origin, lower - origin - apart, upper - origin + apart)


def _clipped_polytope(of: Polytope, origin: FloatArray, lower: FloatArray, upper: FloatArray) -> SupportPoints:
    """Support points of the polytope within the box [lower, upper] about the origin, by linear programming."""
    sizes = exponents_of(np.maximum(abs(lower), abs(upper)))
    program = ScaledProgram.about(of.normals, of.offsets, origin, np.maximum(sizes, sizes.max() - FLAT))

    def farthest(direction: FloatArray) -> FloatArray:
        point = program.farthest_within(direction, lower, upper)
        return of.interior_point - origin if point is None else point

    return farthest
