"""Polyhedra: finitely many linear inequalities, bounded or not; their bounds are those of `polyhedral_bounds`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.sets.base import AbstractSet, Containment, finite_array, read_only
from nnctrl.sets.box import Box
from nnctrl.sets.exact import exact_dot, exact_residual, fraction_up
from nnctrl.sets.polyhedral_bounds import PolyhedralBounds, find_interior_point
from nnctrl.sets.rounding import add_down, add_up, dot_down, dot_up


@dataclass(frozen=True, eq=False)
class Polytope(AbstractSet):
    """{normals x <= offsets}; normals [k, n] without zero rows, offsets [k].

    It may be unbounded (a half-space), but samples, vertices and bounding boxes need a bounded one. An empty one is
    refused with InputError by the first operation that looks for a point. Membership is decided exactly.
    Cost: a linear program of k rows for each direction, and 2 n once for the bounds X of a bounded polytope.
    """

    normals: FloatArray
    offsets: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "normals", finite_array(self.normals, 2, "the normal matrix of a polytope"))
        object.__setattr__(self, "offsets", finite_array(self.offsets, 1, "the offset vector of a polytope"))
        if len(self.offsets) != len(self.normals):
            raise DimensionError(
                f"a polytope has {len(self.normals)} normals and {len(self.offsets)} offsets; "
                "give one offset per normal"
            )
        zero = np.flatnonzero(~self.normals.any(axis=1))
        if zero.size:
            raise InputError(f"normal {int(zero[0])} of a polytope is zero; remove the row")

    @staticmethod
    def half_space(normal: FloatArray, offset: float) -> Polytope:
        """{normal'x <= offset}."""
        return Polytope(np.asarray(normal, dtype=np.float64)[None], np.array([offset]))

    @staticmethod
    def from_box(box: Box) -> Polytope:
        """The box as 2 n inequalities."""
        axes = np.eye(box.dim)
        return Polytope(np.concatenate([axes, -axes]), np.concatenate([box.upper, -box.lower]))

    @property
    def dim(self) -> int:
        """Dimension n."""
        return int(self.normals.shape[1])

    @cached_property
    def interior_point(self) -> FloatArray:
        """A point [n] deep inside, in floating point; InputError if the polytope is empty."""
        return read_only(find_interior_point(self.normals, self.offsets))

    @cached_property
    def bounds(self) -> PolyhedralBounds:
        """Proved bounds of the polytope about its interior point."""
        return PolyhedralBounds(self.normals, self.offsets, self.interior_point)

    def bounding_box(self) -> Box:
        """Support function along the axes; UnsupportedError naming a coordinate in which no bound is found."""
        return self._box

    @cached_property
    @np.errstate(all="ignore")
    def _box(self) -> Box:
        unbounded = np.flatnonzero(~np.isfinite(self.bounds.reach))
        if unbounded.size:
            raise UnsupportedError(
                f"a polytope is unbounded along coordinate {int(unbounded[0])} (or too large to prove that it is not), "
                "so it has no bounding box; intersect it with a box"
            )
        above, below = self.bounds.along_axes()
        return Box(add_down(self.interior_point, -below), add_up(self.interior_point, above))

    def minkowski_sum(self, other: AbstractSet) -> Polytope:
        """Refused: the facets of the sum would have to be found."""
        raise UnsupportedError(
            f"the sum of a polytope and a {type(other).__name__} is not supported; add bounding boxes or zonotopes"
        )

    def vertices(self) -> FloatArray:
        """Vertices [k, n] of a bounded polytope with interior, in floating point; in the plane counter-clockwise."""
        from scipy.spatial import HalfspaceIntersection, QhullError

        box, program = self.bounding_box(), self.bounds.program
        if self.dim == 1:
            return np.unique(np.stack([box.lower, box.upper]), axis=0)
        lengths = np.linalg.norm(program.rows, axis=1, keepdims=True)
        walls = np.concatenate([program.rows, -program.slack[:, None]], axis=1) / lengths
        try:
            corners = HalfspaceIntersection(walls, np.zeros(self.dim))
        except QhullError as error:
            raise UnsupportedError(
                "a polytope without interior points has no vertices that can be listed; use its support function"
            ) from error
        _, first = np.unique(corners.intersections.round(12), axis=0, return_index=True)
        unique = corners.intersections[first]
        if self.dim == 2:
            unique = unique[np.argsort(np.arctan2(unique[:, 1], unique[:, 0]))]
        return program.point + program.original(unique)

    def sample(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Points of a bounded polytope by hit and run (Smith 1984): independent walks of 10 n + 50 steps."""
        self.bounding_box()
        program = self.bounds.program
        lengths = np.linalg.norm(program.rows, axis=1)
        rows, limit = program.rows / lengths[:, None], program.slack / lengths
        # a chord is no longer than the box around the polytope
        longest = 2.0 * float(np.linalg.norm(np.ldexp(self.bounds.reach, -program.columns)))
        points = np.zeros((count, self.dim))
        for _ in range(10 * self.dim + 50):
            step = rng.standard_normal(points.shape)
            step /= np.linalg.norm(step, axis=1, keepdims=True)
            slope, slack = step @ rows.T, np.maximum(limit - points @ rows.T, 0.0)
            # rows that are parallel to the step do not cut it
            ratio = slack / np.where(slope == 0.0, np.inf, slope)
            ahead = np.where(slope > 0.0, ratio, longest).min(axis=1)
            back = np.where(slope < 0.0, ratio, -longest).max(axis=1)
            points = points + rng.uniform(back, ahead)[:, None] * step
        return program.point + program.original(points)

    def _support(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        return np.array([self.bounds.support(direction, origin) for direction in directions])

    def _support_vector(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        points = []
        for direction in directions:
            point = self.bounds.farthest(direction)
            if point is None:
                raise UnsupportedError(
                    f"a polytope is unbounded in the direction {direction}, so no point of it is farthest; "
                    "intersect it with a box"
                )
            points.append(point - origin)
        return np.array(points).reshape(-1, self.dim)

    def _contains(self, lower: FloatArray, upper: FloatArray) -> Containment:
        """Row by row; what rounding leaves open is decided in rational arithmetic."""
        far = np.where(self.normals >= 0.0, upper, lower)
        near = np.where(self.normals >= 0.0, lower, upper)
        inside = dot_up(self.normals, far) <= self.offsets
        outside = dot_down(self.normals, near) > self.offsets
        for i in np.flatnonzero(~(inside | outside)):
            offset = Fraction(float(self.offsets[i]))
            inside[i] = exact_dot(self.normals[i], far[i]) <= offset
            outside[i] = exact_dot(self.normals[i], near[i]) > offset
        if outside.any():
            return Containment("outside", read_only(self.normals[int(np.argmax(outside))]))
        return Containment("inside" if inside.all() else "undecided")

    def _affine(self, matrix: FloatArray, offset: FloatArray) -> Polytope:
        """{N y <= b'}, N about A M^-1: N (M x + t) = A x + F x + N t with F = N M - A known exactly and F x bounded."""
        if matrix.shape[0] != matrix.shape[1] or not np.linalg.cond(matrix) < 1e15:
            raise UnsupportedError(
                f"a polytope is mapped by a matrix {matrix.shape} that has no inverse; map its bounding_box() instead"
            )
        normals = self.normals @ np.linalg.inv(matrix)
        if not np.isfinite(normals).all():
            raise UnsupportedError(
                f"the map of a polytope by a matrix of size {abs(matrix).max():.3g} overflows; scale its coordinates"
            )
        offsets = []
        for normal, row, bound in zip(normals, self.normals, self.offsets, strict=True):
            error = [-e for e in exact_residual(row, matrix.T, normal)]
            total = Fraction(float(bound)) + exact_dot(normal, offset)
            for j in range(self.dim):
                if not error[j]:
                    continue
                if not np.isfinite(self.bounds.reach[j]):
                    raise UnsupportedError(
                        f"the map of an unbounded polytope rounds along coordinate {j}, which cannot be covered; "
                        "intersect it with a box"
                    )
                total += error[j] * Fraction(float(self.interior_point[j]))
                total += abs(error[j]) * Fraction(float(self.bounds.reach[j]))
            offsets.append(fraction_up(total))
        return Polytope(normals, np.array(offsets))

    def _translate(self, vector: FloatArray) -> Polytope:
        moved = [Fraction(float(b)) + exact_dot(row, vector) for row, b in zip(self.normals, self.offsets, strict=True)]
        return Polytope(self.normals, np.array([fraction_up(b) for b in moved]))
