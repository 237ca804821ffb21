"""Axis-aligned boxes: products of intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.arrays import float_array
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.sets.base import AbstractSet, Containment, finite_array, read_only
from nnctrl.sets.interval import Interval
from nnctrl.sets.rounding import add_down, add_up, dot_up

if TYPE_CHECKING:
    from nnctrl.sets.zonotope import Zonotope

MAX_VERTEX_DIM = 20


@dataclass(frozen=True, eq=False)
class Box(AbstractSet):
    """{lower <= x <= upper}, vectors [n] of finite numbers; flat sides (lower == upper) are allowed.

    InputError for an inverted, infinite, nan or zero-dimensional box. Membership is decided exactly.
    """

    lower: FloatArray
    upper: FloatArray

    def __post_init__(self) -> None:
        lower = float_array(self.lower, "the lower bounds of a box")
        upper = float_array(self.upper, "the upper bounds of a box")
        if lower.ndim != 1 or lower.shape != upper.shape or lower.size == 0:
            raise DimensionError(
                f"a box has lower bounds of shape {lower.shape} and upper bounds of shape {upper.shape}; "
                "give two vectors of the same length, at least 1"
            )
        # written so that nan fails
        wrong = np.flatnonzero(~((lower <= upper) & np.isfinite(lower) & np.isfinite(upper)))
        if wrong.size:
            i = int(wrong[0])
            raise InputError(
                f"coordinate {i} of a box runs from {lower[i]} to {upper[i]}; give finite numbers with lower <= upper"
                " (a set without bounds is a Polytope)"
            )
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @staticmethod
    def from_centre(centre: ArrayLike, radius: ArrayLike) -> Box:
        """The box |x - centre| <= radius, rounded outward; centre [n], radius [n] or a number, >= 0."""
        c = finite_array(centre, 1, "the centre of a box")
        r = np.broadcast_to(np.asarray(radius, dtype=np.float64), c.shape)
        if not (r >= 0.0).all():
            i = int(np.argmin(r >= 0.0))
            raise InputError(f"the radius of a box is {r[i]} at coordinate {i}; give numbers >= 0")
        return Box(add_down(c, -r), add_up(c, r))

    @property
    def dim(self) -> int:
        """Dimension n."""
        return len(self.lower)

    @property
    def centre(self) -> FloatArray:
        """The midpoint [n] in floating point; it lies in the box."""
        return np.clip(0.5 * self.lower + 0.5 * self.upper, self.lower, self.upper)

    @property
    def radius(self) -> FloatArray:
        """Half the sides [n], outward: [centre - radius, centre + radius] contains the box; 0 where it is flat."""
        return np.maximum(add_up(self.upper, -self.centre), add_up(self.centre, -self.lower))

    @property
    def interval(self) -> Interval:
        """The box as an interval vector."""
        return Interval(self.lower, self.upper)

    def vertices(self) -> FloatArray:
        """All corners [2^k, n], exact, where k counts the sides that are not flat."""
        open_sides = np.flatnonzero(self.lower < self.upper)
        if len(open_sides) > MAX_VERTEX_DIM:
            raise UnsupportedError(
                f"a box with {len(open_sides)} sides has 2^{len(open_sides)} vertices; use its support function"
            )
        choices = (np.arange(2 ** len(open_sides))[:, None] >> np.arange(len(open_sides))) % 2
        corners = np.tile(self.lower, (len(choices), 1))
        corners[:, open_sides] = np.where(choices == 1, self.upper[open_sides], self.lower[open_sides])
        return corners

    def split(self, axis: int) -> tuple[Box, Box]:
        """Two halves along one axis; they share the face in the middle, so together they are the box exactly."""
        if not 0 <= axis < self.dim:
            raise InputError(f"a box of dimension {self.dim} has no axis {axis}; give 0 to {self.dim - 1}")
        middle = self.centre[axis]
        if not self.lower[axis] < middle < self.upper[axis]:
            raise InputError(
                f"coordinate {axis} of the box runs from {self.lower[axis]} to {self.upper[axis]} with no number "
                "between; split along another axis"
            )
        upper, lower = self.upper.copy(), self.lower.copy()
        upper[axis] = lower[axis] = middle
        return Box(self.lower, upper), Box(lower, self.upper)

    def hull(self, other: Box) -> Box:
        """The least box that contains both; exact."""
        self._same_dimension(other)
        return Box(np.minimum(self.lower, other.lower), np.maximum(self.upper, other.upper))

    def intersection(self, other: Box) -> Box | None:
        """The common points of two boxes, exact; None if there are none."""
        self._same_dimension(other)
        lower, upper = np.maximum(self.lower, other.lower), np.minimum(self.upper, other.upper)
        return Box(lower, upper) if (lower <= upper).all() else None

    def bounding_box(self) -> Box:
        """The box itself."""
        return self

    def minkowski_sum(self, other: AbstractSet) -> Box:
        """Box + Box, rounded outward; UnsupportedError for other kinds."""
        if not isinstance(other, Box):
            raise UnsupportedError(
                f"the sum of a box and a {type(other).__name__} is not a box; add their bounding boxes, or zonotopes"
            )
        self._same_dimension(other)
        return Box(add_down(self.lower, other.lower), add_up(self.upper, other.upper))

    def sample(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Uniform points [count, n], all in the box."""
        share = rng.random((count, self.dim))
        return np.clip((1.0 - share) * self.lower + share * self.upper, self.lower, self.upper)

    def to_zonotope(self) -> Zonotope:
        """A zonotope that contains the box (centre and radius; equal to it where those are exact)."""
        from nnctrl.sets.zonotope import Zonotope

        radius = self.radius
        return Zonotope(self.centre, np.diag(radius)[:, radius > 0.0])

    def _support(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        low, high = add_down(self.lower, -origin), add_up(self.upper, -origin)
        return dot_up(directions, np.where(directions >= 0.0, high, low))

    def _support_vector(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        toward = np.where(directions > 0.0, self.upper, np.where(directions < 0.0, self.lower, self.centre))
        return toward - origin

    def _contains(self, lower: FloatArray, upper: FloatArray) -> Containment:
        if (self.lower <= lower).all() and (upper <= self.upper).all():
            return Containment("inside")
        for side in (upper < self.lower, lower > self.upper):
            if side.any():
                axis = int(np.argmax(side))
                sign = -1.0 if upper[axis] < self.lower[axis] else 1.0
                return Containment("outside", read_only(sign * np.eye(self.dim)[axis]))
        return Containment("undecided")

    def _affine(self, matrix: FloatArray, offset: FloatArray) -> Zonotope:
        return self.to_zonotope()._affine(matrix, offset)

    def _translate(self, vector: FloatArray) -> Box:
        return Box(add_down(self.lower, vector), add_up(self.upper, vector))

    def _same_dimension(self, other: Box) -> None:
        if other.dim != self.dim:
            raise DimensionError(f"boxes of dimension {self.dim} and {other.dim} are combined; give equal dimensions")
