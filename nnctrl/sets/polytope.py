"""Polyhedra: finitely many linear inequalities, bounded or not.

The support function is certified by duality. Any y >= 0 with A'y = d proves d'x <= b'y on {A x <= b}. Multipliers from
a linear program satisfy the equation up to a residual e = d - A'y, which is known exactly in rational arithmetic, and
then d'x <= b'y + |e|'X where X bounds |x|. Such an X follows from the same inequalities for d = +-e_i: with beta_i
their bounds and the rows of E their residuals, |x| <= beta + E |x|, so |x|_inf <= |beta|_inf / (1 - |E|_inf). Where X
is infinite and the residual is not exactly 0 the support function is inf: the truth for directions off the cone of the
normals, the best known for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.sets.base import AbstractSet, Containment, finite_array, read_only
from nnctrl.sets.box import Box
from nnctrl.sets.exact import exact_dot, exact_residual, fraction_up
from nnctrl.sets.linear_program import minimise
from nnctrl.sets.rounding import add_down, add_up, dot_down, dot_up, grow_up


class DualBound(NamedTuple):
    """A proof about {A x <= b}: `(d - e)'(x - origin) <= value` for some e with |e| <= residual."""

    residual: FloatArray
    value: float


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
        """Centre [n] of a largest inscribed ball (of bounded size), in floating point; InputError if there is none."""
        lengths = np.linalg.norm(self.normals, axis=1)
        point = np.zeros(self.dim)
        # the second pass, about the first answer, works with numbers of the polytope's own size
        for _ in range(2):
            slack = (self.offsets - self.normals @ point) / lengths
            size = abs(slack).max() or 1.0
            rows = np.concatenate([self.normals / lengths[:, None], np.ones((len(lengths), 1))], axis=1)
            limit = np.array([[-np.inf, np.inf]] * self.dim + [[-np.inf, 1.0]])
            solution = minimise(-np.eye(self.dim + 1)[self.dim], A_ub=rows, b_ub=slack / size, bounds=limit)
            if solution.status != "optimal" or solution.x[-1] < -1e-9:
                raise InputError(
                    f"no point satisfies the {len(self.normals)} inequalities of a polytope; give one that is not empty"
                )
            point = point + size * solution.x[:-1]
        return read_only(point)

    @cached_property
    def reach(self) -> FloatArray:
        """Certified bounds X [n] of |x - interior_point| over the polytope; inf where none is proved."""
        axes, size = np.eye(self.dim), self.dim
        bound, defect = np.zeros(size), np.zeros((size, size))
        for i in range(size):
            for sign in (1.0, -1.0):
                dual = self.dual_bound(sign * axes[i], self.interior_point)
                bound[i] = np.inf if dual is None else max(bound[i], dual.value)
                if dual is None:
                    break
                defect[i] = np.maximum(defect[i], dual.residual)
        # a coordinate counts as bounded only with residuals in bounded coordinates
        bounded = np.isfinite(bound)
        for _ in range(size):
            bounded = bounded & ~defect[:, ~bounded].any(axis=1)
        rows = grow_up(defect.sum(axis=1), size)
        if not bounded.any() or not (rows[bounded] < 0.5).all():
            return read_only(np.full(size, np.inf))
        # 1 / (1 - |E|_inf) <= 2
        return read_only(np.where(bounded, grow_up(bound + rows * 2.0 * bound[bounded].max(), 4), np.inf))

    def dual_bound(self, direction: FloatArray, origin: FloatArray) -> DualBound | None:
        """The best inequality known for d = `direction` [n]; None if the polytope seems unbounded that way."""
        multipliers, _ = self._solve(direction, origin)
        if multipliers is None:
            return None
        used = np.flatnonzero(multipliers)
        if len(used) == 1:
            single = self._single_face_bound(int(used[0]), direction, origin)
            if single is not None:
                return single
        error = exact_residual(direction, self.normals.T, multipliers)
        value = Fraction(0)
        for i in np.flatnonzero(multipliers):
            slack = Fraction(float(self.offsets[i])) - exact_dot(self.normals[i], origin)
            value += Fraction(float(multipliers[i])) * slack
        return DualBound(np.array([fraction_up(abs(e)) for e in error]), fraction_up(value))

    def _single_face_bound(self, face: int, direction: FloatArray, origin: FloatArray) -> DualBound | None:
        """The bound that one face gives where its normal is exactly parallel to the direction: it has no residual.

        Only such bounds hold on a polyhedron that is unbounded in other directions.
        """
        normal = [Fraction(float(v)) for v in self.normals[face]]
        goal = [Fraction(float(v)) for v in direction]
        lead = int(np.argmax(abs(self.normals[face])))
        factor = goal[lead] / normal[lead]
        if factor <= 0 or any(g != factor * v for g, v in zip(goal, normal, strict=True)):
            return None
        slack = Fraction(float(self.offsets[face])) - exact_dot(self.normals[face], origin)
        return DualBound(np.zeros(self.dim), fraction_up(factor * slack))

    @np.errstate(all="ignore")
    def extent(self, origin: FloatArray) -> FloatArray:
        """Certified bounds [n] of |x - origin| over the polytope; inf where none is proved."""
        apart = np.maximum(add_up(self.interior_point, -origin), add_up(origin, -self.interior_point))
        return add_up(self.reach, apart)

    def bounding_box(self) -> Box:
        """Support function along the axes; UnsupportedError naming the coordinate in which it is unbounded."""
        return self._box

    @cached_property
    def _box(self) -> Box:
        axes, point = np.eye(self.dim), self.interior_point
        above, below = self._support(axes, point), self._support(-axes, point)
        unbounded = np.flatnonzero(~(np.isfinite(above) & np.isfinite(below)))
        if unbounded.size:
            raise UnsupportedError(
                f"a polytope is unbounded along coordinate {int(unbounded[0])}, so it has no bounding box; "
                "intersect it with a box"
            )
        return Box(add_down(point, -below), add_up(point, above))

    def minkowski_sum(self, other: AbstractSet) -> Polytope:
        """Refused: the facets of the sum would have to be found."""
        raise UnsupportedError(
            f"the sum of a polytope and a {type(other).__name__} is not supported; add bounding boxes or zonotopes"
        )

    def vertices(self) -> FloatArray:
        """Vertices [k, n] of a bounded polytope with interior, in floating point; in the plane counter-clockwise."""
        from scipy.spatial import HalfspaceIntersection, QhullError

        box, point = self.bounding_box(), self.interior_point
        if self.dim == 1:
            return np.unique(np.stack([box.lower, box.upper]), axis=0)
        size = box.radius.max() or 1.0
        lengths = np.linalg.norm(self.normals, axis=1, keepdims=True)
        slack = (self.offsets - self.normals @ point)[:, None] / (size * lengths)
        try:
            corners = HalfspaceIntersection(np.concatenate([self.normals / lengths, -slack], axis=1), 0.0 * point)
        except QhullError as error:
            raise UnsupportedError(
                "a polytope without interior points has no vertices that can be listed; use its support function"
            ) from error
        _, first = np.unique(corners.intersections.round(12), axis=0, return_index=True)
        unique = corners.intersections[first]
        if self.dim == 2:
            unique = unique[np.argsort(np.arctan2(unique[:, 1], unique[:, 0]))]
        return point + size * unique

    def sample(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Points of a bounded polytope by hit and run (Smith 1984): independent walks of 10 n + 50 steps."""
        size = self.bounding_box().radius.max() or 1.0
        lengths = np.linalg.norm(self.normals, axis=1)
        rows, limit = self.normals / lengths[:, None], self.offsets / lengths
        points = np.tile(self.interior_point, (count, 1))
        for _ in range(10 * self.dim + 50):
            step = rng.standard_normal(points.shape)
            step /= np.linalg.norm(step, axis=1, keepdims=True)
            slope, slack = step @ rows.T, np.maximum(limit - points @ rows.T, 0.0)
            # the longest chord is 2 size sqrt(n); rows that are parallel to the step do not cut it
            ratio = slack / np.where(slope == 0.0, np.inf, slope)
            longest = 2.0 * size * np.sqrt(self.dim)
            ahead = np.where(slope > 0.0, ratio, longest).min(axis=1)
            back = np.where(slope < 0.0, ratio, -longest).max(axis=1)
            points = points + rng.uniform(back, ahead)[:, None] * step
        return points

    def _solve(self, direction: FloatArray, origin: FloatArray) -> tuple[FloatArray | None, FloatArray | None]:
        """Multipliers [k] and maximiser minus origin [n] of d'x, in floating point; None if unbounded or unsolved."""
        length = np.linalg.norm(direction)
        if length == 0.0:
            return np.zeros(len(self.offsets)), self.interior_point - origin
        lengths = np.linalg.norm(self.normals, axis=1)
        point = self.interior_point
        slack = (self.offsets - self.normals @ point) / lengths
        size = abs(slack).max() or 1.0
        rows = self.normals / lengths[:, None]
        solution = minimise(-direction / length, A_ub=rows, b_ub=slack / size)
        if solution.status != "optimal":
            return None, None
        weights = np.maximum(-solution.inequality, 0.0)
        used = np.flatnonzero(weights > 1e-9 * weights.max(initial=0.0))
        # the same rows with the equation solved to the last digit
        refined = np.linalg.lstsq(rows[used].T, direction / length, rcond=None)[0]
        if (refined >= 0.0).all():
            weights = np.zeros_like(weights)
            weights[used] = refined
        return weights * (length / lengths), (point - origin) + size * solution.x

    def _support(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        return np.array([self._support_of(direction, origin) for direction in directions])

    def _support_of(self, direction: FloatArray, origin: FloatArray) -> float:
        dual = self.dual_bound(direction, origin)
        if dual is None:
            return np.inf
        open_rows = dual.residual > 0.0
        if not open_rows.any():
            return dual.value
        spread = dot_up(dual.residual[open_rows], self.extent(origin)[open_rows])
        return float(add_up(np.float64(dual.value), spread)) if np.isfinite(spread) else np.inf

    def _support_vector(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        points = []
        for direction in directions:
            _, point = self._solve(direction, origin)
            if point is None:
                raise UnsupportedError(
                    f"a polytope is unbounded in the direction {direction}, so no point of it is farthest; "
                    "intersect it with a box"
                )
            points.append(point)
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
        offsets = []
        for normal, row, bound in zip(normals, self.normals, self.offsets, strict=True):
            error = [-e for e in exact_residual(row, matrix.T, normal)]
            total = Fraction(float(bound)) + exact_dot(normal, offset)
            for j in range(self.dim):
                if not error[j]:
                    continue
                if not np.isfinite(self.reach[j]):
                    raise UnsupportedError(
                        f"the map of an unbounded polytope rounds along coordinate {j}, which cannot be covered; "
                        "intersect it with a box"
                    )
                total += error[j] * Fraction(float(self.interior_point[j]))
                total += abs(error[j]) * Fraction(float(self.reach[j]))
            offsets.append(fraction_up(total))
        return Polytope(normals, np.array(offsets))

    def _translate(self, vector: FloatArray) -> Polytope:
        moved = [Fraction(float(b)) + exact_dot(row, vector) for row, b in zip(self.normals, self.offsets, strict=True)]
        return Polytope(self.normals, np.array([fraction_up(b) for b in moved]))
