"""Whether two convex sets meet, with a proof either way.

"disjoint" is proved by a separating direction, "intersecting" by a point that is certified inside both. The point is
looked for where two copies of the sets, shrunk about their middles, still meet: the more they can be shrunk, the deeper
it lies inside both. Of sets that only touch boxes are always decided, others often not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.base import AbstractSet, read_only
from nnctrl.sets.box import Box
from nnctrl.sets.closest_points import SupportPoints, closest_points
from nnctrl.sets.distance import (
    a_point,
    check_same_space,
    common_origin,
    distance_lower_bound,
    support_points,
)
from nnctrl.sets.ellipsoid import Ellipsoid
from nnctrl.sets.zonotope import Zonotope

SHARES = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0 - 1e-5, 1.0 - 1e-7, 1.0)
"""Sizes to which the sets are shrunk in the search for a common point."""

NEAR = 1e-9
"""Shrunk sets closer than this share of their size are taken to meet; what follows from it is proved afterwards."""


@dataclass(frozen=True, eq=False)
class Intersection:
    """A certified answer: "disjoint" and "intersecting" are proved, "undecided" says nothing.

    `witness` [n]: a common point, or a direction from a to b that separates (of polyhedra: up to the rounding that the
    proof accounts for).
    """

    verdict: Literal["disjoint", "intersecting", "undecided"]
    witness: FloatArray | None = None


@np.errstate(all="ignore")
def intersects(a: AbstractSet, b: AbstractSet) -> Intersection:
    """Whether the sets have a common point; a touching point counts, for sets are closed.

    Cost: that of a distance, and where the sets meet of up to eight more and as many membership tests.
    """
    check_same_space(a, b)
    if isinstance(a, Box) and isinstance(b, Box):
        return _boxes(a, b)
    apart = distance_lower_bound(a, b)
    if apart.gap > 0.0:
        return Intersection("disjoint", apart.direction)
    origin = common_origin(a, b)
    support_a, support_b = support_points(a, b, origin), support_points(b, a, origin)
    middle_a, middle_b = a_point(a), a_point(b)
    for point in (middle_a, middle_b):
        if _is_common(a, b, point):
            return Intersection("intersecting", read_only(point))
    for share in SHARES:
        points = closest_points(
            _shrunk(support_a, middle_a - origin, share), _shrunk(support_b, middle_b - origin, share), a.dim
        )
        if np.linalg.norm(points.shift / points.unit) > NEAR * points.size / points.unit:
            continue
        for candidate in (0.5 * points.of_a + 0.5 * points.of_b, points.of_a, points.of_b):
            for point in (_snapped(a, _snapped(b, candidate + origin)), _snapped(b, _snapped(a, candidate + origin))):
                if _is_common(a, b, point):
                    return Intersection("intersecting", read_only(point))
    return Intersection("undecided")


def _boxes(a: Box, b: Box) -> Intersection:
    """Boxes are compared exactly."""
    common = a.intersection(b)
    if common is not None:
        return Intersection("intersecting", read_only(common.centre))
    axis = int(np.argmax((a.upper < b.lower) | (b.upper < a.lower)))
    direction = np.zeros(a.dim)
    direction[axis] = 1.0 if a.upper[axis] < b.lower[axis] else -1.0
    return Intersection("disjoint", read_only(direction))


def _is_common(a: AbstractSet, b: AbstractSet, point: FloatArray) -> bool:
    return a.contains(point).verdict == "inside" and b.contains(point).verdict == "inside"


def _shrunk(support: SupportPoints, middle: FloatArray, share: float) -> SupportPoints:
    """Support points of the set scaled by `share` about its middle."""
    return lambda direction: middle + share * (support(direction) - middle)


def _snapped(of: AbstractSet, point: FloatArray) -> FloatArray:
    """The point with those coordinates corrected that a set leaves no freedom: the box's bounds, flat coordinates."""
    if isinstance(of, Box):
        return np.clip(point, of.lower, of.upper)
    if isinstance(of, Zonotope):
        return np.where(of.generators.any(axis=1), point, of.centre)
    if isinstance(of, Ellipsoid):
        return np.where(of.shape.any(axis=1), point, of.centre)
    return point
