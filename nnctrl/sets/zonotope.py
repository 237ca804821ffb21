"""Zonotopes: affine images of cubes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, UnsupportedError
from nnctrl.sets.base import AbstractSet, Containment, finite_array, read_only
from nnctrl.sets.box import Box
from nnctrl.sets.generators import (
    RightInverse,
    add_box,
    coefficient_bounds,
    contains_by_rows,
    hits_exactly,
    image_of_generators,
    project_generators,
    row_scaling,
    support_of_centre,
)
from nnctrl.sets.linear_program import minimise
from nnctrl.sets.rounding import grow_up, two_sum, widen_up


@dataclass(frozen=True, eq=False)
class Zonotope(AbstractSet):
    """{centre + generators xi, |xi|_inf <= 1}; centre [n], generators [n, q], q >= 0.

    Flat zonotopes are allowed. Coordinates without generators are compared exactly; where a zonotope is flat in an
    oblique direction, membership is mostly undecided, for hardly a double lies exactly in it. Maps and sums cover their
    rounding with axis-aligned generators.
    """

    centre: FloatArray
    generators: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", finite_array(self.centre, 1, "the centre of a zonotope"))
        object.__setattr__(self, "generators", finite_array(self.generators, 2, "the generator matrix of a zonotope"))
        if len(self.generators) != self.dim:
            raise DimensionError(
                f"a zonotope has a centre of {self.dim} coordinates and a generator matrix {self.generators.shape}; "
                "give one row per coordinate"
            )

    @property
    def dim(self) -> int:
        """Dimension n."""
        return len(self.centre)

    def bounding_box(self) -> Box:
        """Centre and row sums of |generators|, rounded outward."""
        count = self.generators.shape[1]
        radius = grow_up(abs(self.generators).sum(axis=1), count)
        return Box.from_centre(self.centre, np.where(self.generators.any(axis=1), radius, 0.0))

    def minkowski_sum(self, other: AbstractSet) -> Zonotope:
        """Zonotope + Zonotope or Box; UnsupportedError for other kinds."""
        if isinstance(other, Box):
            other = other.to_zonotope()
        if not isinstance(other, Zonotope):
            raise UnsupportedError(
                f"the sum of a zonotope and a {type(other).__name__} is not a zonotope; add its bounding box instead"
            )
        if other.dim != self.dim:
            raise DimensionError(f"sets of dimension {self.dim} and {other.dim} are added; give equal dimensions")
        centre, error = two_sum(self.centre, other.centre)
        return Zonotope(centre, add_box(np.concatenate([self.generators, other.generators], axis=1), abs(error)))

    def sample(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Images of uniform coefficients, of which a quarter are vertices of the cube."""
        coefficients = rng.uniform(-1.0, 1.0, (count, self.generators.shape[1]))
        corners = rng.random((count, 1)) < 0.25
        return self.centre + np.where(corners, np.sign(coefficients), coefficients) @ self.generators.T

    def vertices(self) -> FloatArray:
        """Vertices [k, 2] counter-clockwise, in floating point; two dimensions only (project first by `affine`)."""
        if self.dim != 2:
            raise UnsupportedError(
                f"vertices of a zonotope are listed in dimension 2, not {self.dim}; "
                "project it with affine(matrix [2, n])"
            )
        columns = self.generators[:, self.generators.any(axis=0)]
        if columns.shape[1] == 0:
            return self.centre[None].copy()
        # all generators turned into the upper half plane, then walked around by angle
        upward = np.where((columns[1] < 0.0) | ((columns[1] == 0.0) & (columns[0] < 0.0)), -columns, columns)
        edges = 2.0 * upward[:, np.argsort(np.arctan2(upward[1], upward[0]))]
        half = self.centre - upward.sum(axis=1) + np.cumsum(np.concatenate([np.zeros((2, 1)), edges], axis=1), axis=1).T
        return np.concatenate([half[:-1], 2.0 * self.centre - half[:-1]])

    def _support(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        spread = grow_up(project_generators(directions, self.generators).sum(axis=-1), self.generators.shape[1])
        return widen_up(support_of_centre(directions, self.centre, origin) + spread)

    def _support_vector(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        return (self.centre - origin) + np.sign(directions @ self.generators) @ self.generators.T

    def _contains(self, lower: FloatArray, upper: FloatArray) -> Containment:
        """Exact in coordinates without generators; elsewhere a least-norm guess, then a linear program, certified."""

        def thick(centre: FloatArray, generators: FloatArray, low: FloatArray, high: FloatArray) -> Containment:
            return Zonotope(centre, generators)._contains_thick(low, high)

        return contains_by_rows(self.centre, self.generators, lower, upper, thick)

    def _contains_thick(self, lower: FloatArray, upper: FloatArray) -> Containment:
        """Membership for a zonotope that has generators in every coordinate."""
        box = self.bounding_box()._contains(lower, upper)
        if box.verdict == "outside":
            return box
        point = np.clip(0.5 * lower + 0.5 * upper, lower, upper)
        onto = RightInverse.of(self.generators)
        if onto is not None:
            least = onto.inverse @ (onto.scaling * (point - self.centre))
            if self._is_inside(lower, upper, least, onto):
                return Containment("inside", read_only(least))
        guess, direction = self._least_coefficients(point)
        if direction is not None and self.separates(direction, lower, upper, self.centre):
            return Containment("outside", read_only(direction))
        if guess is not None and self._is_inside(lower, upper, guess, onto):
            return Containment("inside", read_only(guess))
        return Containment("undecided")

    def _is_inside(self, lower: FloatArray, upper: FloatArray, guess: FloatArray, onto: RightInverse | None) -> bool:
        """Whether the coefficients `guess`, corrected for their residual, prove membership."""
        if not (abs(guess) <= 1.0).all():
            return False
        if onto is not None:
            bounds = coefficient_bounds(self.centre, self.generators, lower, upper, guess, onto)
            if (bounds <= 1.0).all():
                return True
        return bool((lower == upper).all()) and hits_exactly(self.centre, self.generators, lower, guess)

    def _least_coefficients(self, point: FloatArray) -> tuple[FloatArray | None, FloatArray | None]:
        """Coefficients of least |xi|_inf for `point` and the direction that needs them; None where there are none."""
        count = self.generators.shape[1]
        scale = row_scaling(self.generators)
        rows = scale[:, None] * self.generators
        # variables (xi, t): least t with -t <= xi <= t
        cube = np.block([[np.eye(count), -np.ones((count, 1))], [-np.eye(count), -np.ones((count, 1))]])
        solution = minimise(
            np.eye(count + 1)[count],
            A_ub=cube,
            b_ub=np.zeros(2 * count),
            A_eq=np.concatenate([rows, np.zeros((len(rows), 1))], axis=1),
            b_eq=scale * (point - self.centre),
        )
        if solution.status == "infeasible":
            # off the span of the generators: the part of the point that they do not reach separates
            shift = scale * (point - self.centre)
            rest = shift - rows @ (np.linalg.pinv(rows) @ shift)
            return None, scale * rest
        if solution.status != "optimal":
            return None, None
        # an answer beyond the boundary by no more than the solver's tolerance is tried on it
        near = solution.x[count] <= 1.0 + 1e-9
        return np.clip(solution.x[:count], -1.0, 1.0) if near else None, scale * solution.equality

    def _affine(self, matrix: FloatArray, offset: FloatArray) -> Zonotope:
        centre, generators, radius = image_of_generators(matrix, offset, self.centre, self.generators)
        return Zonotope(centre, add_box(generators, radius))

    def _translate(self, vector: FloatArray) -> Zonotope:
        centre, error = two_sum(self.centre, vector)
        return Zonotope(centre, add_box(self.generators, abs(error)))
