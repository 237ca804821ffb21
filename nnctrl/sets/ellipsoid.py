"""Ellipsoids and balls: affine images of the Euclidean unit ball."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.sets.base import AbstractSet, Containment, finite_array, read_only
from nnctrl.sets.box import Box
from nnctrl.sets.exact import exact_square
from nnctrl.sets.generators import (
    RightInverse,
    coefficient_bounds,
    contains_by_rows,
    hits_exactly,
    image_of_generators,
    project_generators,
    row_scaling,
    support_of_centre,
)
from nnctrl.sets.rounding import add_up, dot_up, grow_up, norm_up, sum_up, two_sum, widen_up


def _unit_ball(rng: np.random.Generator, count: int, dimension: int) -> FloatArray:
    """Uniform points [count, dimension] of the unit ball."""
    normal = rng.standard_normal((count, dimension))
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return normal / length * rng.random((count, 1)) ** (1.0 / max(dimension, 1))


def _unit(vectors: FloatArray) -> FloatArray:
    """Vectors divided by their lengths; zero stays zero."""
    largest = abs(vectors).max(axis=-1, keepdims=True, initial=0.0)
    scaled = vectors / np.where(largest > 0.0, largest, 1.0)
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return scaled / np.where(length > 0.0, length, 1.0)


@dataclass(frozen=True, eq=False)
class Ellipsoid(AbstractSet):
    """{centre + shape v, |v|_2 <= 1}; centre [n], shape [n, q], usually square.

    {x : (x - c)' Q^-1 (x - c) <= 1} has as shape any root S of Q = S S'. A shape of rank below n makes a flat
    ellipsoid: coordinates without entries are compared exactly, but a map of it that rounds raises UnsupportedError,
    for the error leaves its plane.
    """

    centre: FloatArray
    shape: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", finite_array(self.centre, 1, "the centre of an ellipsoid"))
        object.__setattr__(self, "shape", finite_array(self.shape, 2, "the shape matrix of an ellipsoid"))
        if len(self.shape) != self.dim:
            raise DimensionError(
                f"an ellipsoid has a centre of {self.dim} coordinates and a shape matrix {self.shape.shape}; "
                "give one row per coordinate"
            )

    @property
    def dim(self) -> int:
        """Dimension n."""
        return len(self.centre)

    def bounding_box(self) -> Box:
        """Centre and row norms of the shape, rounded outward."""
        return Box.from_centre(self.centre, np.where(self.shape.any(axis=1), norm_up(self.shape), 0.0))

    def minkowski_sum(self, other: AbstractSet) -> Ellipsoid:
        """Refused: the sum of ellipsoids is not an ellipsoid."""
        raise UnsupportedError(
            f"the sum of an ellipsoid and a {type(other).__name__} is not an ellipsoid; "
            "add their bounding boxes instead"
        )

    def sample(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Images of uniform points of the unit ball."""
        return self.centre + _unit_ball(rng, count, self.shape.shape[1]) @ self.shape.T

    def _support(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        spread = norm_up(project_generators(directions, self.shape))
        return widen_up(support_of_centre(directions, self.centre, origin) + spread)

    def _support_vector(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        return (self.centre - origin) + _unit(directions @ self.shape) @ self.shape.T

    def _contains(self, lower: FloatArray, upper: FloatArray) -> Containment:
        """Least-norm coefficients for "inside", the gradient of the quadratic form for "outside", both certified."""

        def thick(centre: FloatArray, shape: FloatArray, low: FloatArray, high: FloatArray) -> Containment:
            return Ellipsoid(centre, shape)._contains_thick(low, high)

        return contains_by_rows(self.centre, self.shape, lower, upper, thick)

    def _contains_thick(self, lower: FloatArray, upper: FloatArray) -> Containment:
        """Membership for an ellipsoid that is not flat in any coordinate."""
        box = self.bounding_box()._contains(lower, upper)
        if box.verdict == "outside":
            return box
        point = np.clip(0.5 * lower + 0.5 * upper, lower, upper)
        scale = row_scaling(self.shape)
        inverse = np.linalg.pinv(scale[:, None] * self.shape)
        shift = scale * (point - self.centre)
        guess = inverse @ shift
        onto = RightInverse.of(self.shape)
        if onto is not None:
            bounds = coefficient_bounds(self.centre, self.shape, lower, upper, guess, onto)
            if norm_up(bounds) <= 1.0:
                return Containment("inside", read_only(guess))
        is_point = bool((lower == upper).all())
        if is_point and exact_square(guess) <= 1 and hits_exactly(self.centre, self.shape, lower, guess):
            return Containment("inside", read_only(guess))
        # least-norm coefficients are S'd for this d; off the range of S the missed part of the point separates
        rest = shift - scale[:, None] * self.shape @ guess
        for direction in (scale * (inverse.T @ guess), scale * rest):
            if self.separates(direction, lower, upper, self.centre):
                return Containment("outside", read_only(direction))
        return Containment("undecided")

    def _affine(self, matrix: FloatArray, offset: FloatArray) -> Ellipsoid:
        return _enlarged(*image_of_generators(matrix, offset, self.centre, self.shape))

    def _translate(self, vector: FloatArray) -> Ellipsoid:
        centre, error = two_sum(self.centre, vector)
        return _enlarged(centre, self.shape, abs(error))


def _enlarged(centre: FloatArray, shape: FloatArray, radius: FloatArray) -> Ellipsoid:
    """An ellipsoid that contains the sum of {centre + shape v} and the box |x| <= radius: the shape times 1 + e.

    With F the rounding of the scaled shape S' = (1 + e) S + F, a point S v + r is
    S' (v / (1 + e)) + (r - F v / (1 + e)), so it lies in the new ellipsoid if 1 / (1 + e) plus the norm of the
    coefficients that S' needs for |r| + |F| 1 is at most 1.
    """
    if not radius.any():
        return Ellipsoid(centre, shape)
    growth = 2.0**-50
    # beyond a hundredth of the size it would no longer be rounding, and the shape is too thin for this method
    while growth < 0.01:
        grown = shape * (1.0 + growth)
        onto = RightInverse.of(grown)
        if onto is None:
            break
        errors = add_up(radius, sum_up(grow_up(abs(grown) * 2.0**-52, 1)))
        if add_up(1.0 / (1.0 + growth) + 2.0**-52, norm_up(onto.reach(errors))) <= 1.0:
            return Ellipsoid(centre, grown)
        growth *= 2.0
    raise UnsupportedError(
        "the image of an ellipsoid is flat, or too thin for the rounding of the map to be covered by enlarging it; "
        "map its bounding_box() instead"
    )


@dataclass(frozen=True, eq=False)
class Ball(AbstractSet):
    """{|x - centre|_2 <= radius}; centre [n], radius >= 0. Membership is decided exactly."""

    centre: FloatArray
    radius: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", finite_array(self.centre, 1, "the centre of a ball"))
        object.__setattr__(self, "radius", float(self.radius))
        if not 0.0 <= self.radius < np.inf:
            raise InputError(f"the radius of a ball is {self.radius}; give a finite number >= 0")

    @property
    def dim(self) -> int:
        """Dimension n."""
        return len(self.centre)

    def bounding_box(self) -> Box:
        """The box of half-width `radius`, rounded outward."""
        return Box.from_centre(self.centre, self.radius)

    def minkowski_sum(self, other: AbstractSet) -> Ball:
        """Ball + Ball, rounded outward; UnsupportedError for other kinds."""
        if not isinstance(other, Ball):
            raise UnsupportedError(
                f"the sum of a ball and a {type(other).__name__} is not a ball; add their bounding boxes instead"
            )
        if other.dim != self.dim:
            raise DimensionError(f"sets of dimension {self.dim} and {other.dim} are added; give equal dimensions")
        return self._moved(other.centre, other.radius)

    def sample(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Uniform points."""
        return self.centre + self.radius * _unit_ball(rng, count, self.dim)

    def _support(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        length = norm_up(directions)
        spread = dot_up(length[:, None], np.array([self.radius]))
        return widen_up(support_of_centre(directions, self.centre, origin) + spread)

    def _support_vector(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        return (self.centre - origin) + self.radius * _unit(directions)

    def _contains(self, lower: FloatArray, upper: FloatArray) -> Containment:
        """By the farthest and the nearest point of the box, in rational arithmetic."""
        farthest, nearest = Fraction(0), Fraction(0)
        for c, low, high in zip(*(map(Fraction, v.tolist()) for v in (self.centre, lower, upper)), strict=True):
            farthest += max(c - low, high - c) ** 2
            nearest += max(low - c, c - high, Fraction(0)) ** 2
        if farthest <= Fraction(self.radius) ** 2:
            return Containment("inside")
        if nearest <= Fraction(self.radius) ** 2:
            return Containment("undecided")
        direction = np.clip(self.centre, lower, upper) - self.centre
        is_proof = self.separates(direction, lower, upper, self.centre)
        return Containment("outside", read_only(direction) if is_proof else None)

    def _affine(self, matrix: FloatArray, offset: FloatArray) -> Ellipsoid:
        return _enlarged(*image_of_generators(matrix, offset, self.centre, self.radius * np.eye(self.dim)))

    def _translate(self, vector: FloatArray) -> Ball:
        return self._moved(vector, 0.0)

    def _moved(self, vector: FloatArray, growth: float) -> Ball:
        centre, error = two_sum(self.centre, vector)
        radius = add_up(np.float64(self.radius), np.float64(growth))
        return Ball(centre, float(add_up(radius, norm_up(error)) if error.any() else radius))
