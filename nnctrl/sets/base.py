"""What every convex set offers: support function, certified membership, outer maps, samples.

Sets are closed, convex, immutable, in float64. A bound is a bound of the real set that the stored numbers describe, and
every map returns a set that contains the real image. Public methods check their arguments and call the twin with an
underscore.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.arrays import float_array
from nnctrl.errors import DimensionError, InputError
from nnctrl.sets.interval import Interval
from nnctrl.sets.rounding import add_down, add_up, dot_down

if TYPE_CHECKING:
    from nnctrl.sets.box import Box


@dataclass(frozen=True, eq=False)
class Containment:
    """A certified answer: "inside" and "outside" are proved, "undecided" says nothing.

    `witness` of "outside": a direction d with d'x > max d'(set), None where none was proved. Of "inside": the
    coefficients of x, approximately, where the set is an image of a cube or ball, else None.
    """

    verdict: Literal["inside", "outside", "undecided"]
    witness: FloatArray | None = None


def read_only(array: FloatArray) -> FloatArray:
    """A read-only float64 copy."""
    copy = np.array(array, dtype=np.float64)
    copy.setflags(write=False)
    return copy


def finite_array(values: ArrayLike, ndim: int, what: str) -> FloatArray:
    """A read-only float64 copy of `values` with `ndim` dimensions, finite entries and at least one row."""
    array = float_array(values, what)
    if array.ndim != ndim or array.shape[0] == 0:
        kind = "a vector" if ndim == 1 else "a matrix"
        raise DimensionError(f"{what} has shape {array.shape}; give {kind} with entries")
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        entry = tuple(int(k) for k in bad[0])
        where = entry[0] if ndim == 1 else entry
        raise InputError(f"{what} is {array[entry]} at coordinate {where}; give finite numbers")
    return array


class AbstractSet(ABC):
    """A closed convex set of dimension n.

    To add a kind of set, write the abstract methods; everything else follows from them.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension n of the space."""

    @abstractmethod
    def _support(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        """Upper bounds [k] of max d'(x - origin) for finite directions [k, n]."""

    @abstractmethod
    def _support_vector(self, directions: FloatArray, origin: FloatArray) -> FloatArray:
        """Approximate maximisers [k, n] of d'x over the set, minus origin."""

    @abstractmethod
    def _contains(self, lower: FloatArray, upper: FloatArray) -> Containment:
        """Whether all ("inside") or none ("outside") of the points of the box [lower, upper] lie in the set."""

    @abstractmethod
    def _affine(self, matrix: FloatArray, offset: FloatArray) -> AbstractSet:
        """A set that contains the image under `M x + t`."""

    @abstractmethod
    def _translate(self, vector: FloatArray) -> AbstractSet:
        """A set of the same kind that contains the translate."""

    @abstractmethod
    def minkowski_sum(self, other: AbstractSet) -> AbstractSet:
        """A set of the same kind that contains {x + y}; UnsupportedError for kinds whose sum is of another kind."""

    @abstractmethod
    def bounding_box(self) -> Box:
        """A box that contains the set; UnsupportedError if it is unbounded."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Random points [count, n] of the set, up to rounding; the distribution is that of the kind."""

    @np.errstate(all="ignore")  # what overflows proves nothing, and says so by nan or inf
    def support(self, directions: ArrayLike, origin: ArrayLike | None = None) -> FloatArray:
        """Support function: upper bounds [...] of `max d'(x - origin)` over the set for directions d [..., n].

        Rounded outward; inf where the set is unbounded. An origin near the set (default 0) keeps the cancellation of
        large coordinates out of the bound.
        """
        rows, shape, about = self._arguments(directions, origin)
        return self._support(rows, about).reshape(shape)

    def support_vector(self, directions: ArrayLike, origin: ArrayLike | None = None) -> FloatArray:
        """Maximisers [..., n] of d'x over the set, minus origin, in floating point (no certificate)."""
        rows, shape, about = self._arguments(directions, origin)
        return self._support_vector(rows, about).reshape((*shape, self.dim))

    @np.errstate(all="ignore")
    def contains(self, point: ArrayLike | Interval) -> Containment:
        """Certified membership of a point [n]; an `Interval` [n] asks it of all points that it encloses.

        For an Interval "inside" means all of them, "outside" none of them.
        """
        if isinstance(point, Interval):
            lower, upper = point.lower, point.upper
        else:
            lower = upper = np.asarray(point, np.float64)
        if lower.shape != (self.dim,):
            raise DimensionError(f"a point of shape {lower.shape} is compared with a set of dimension {self.dim}")
        if np.isnan(lower).any():
            raise InputError(f"coordinate {int(np.argmax(np.isnan(lower)))} of a point is nan; give numbers")
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            return Containment("undecided")
        return self._contains(lower, upper)

    @np.errstate(all="ignore")
    def affine(self, matrix: ArrayLike, offset: ArrayLike | None = None) -> AbstractSet:
        """A set that contains {M x + t}; matrix M [m, n], offset t [m] (default 0)."""
        M = finite_array(matrix, 2, "the matrix of an affine map")
        t = np.zeros(len(M)) if offset is None else finite_array(offset, 1, "the offset of an affine map")
        if M.shape[1] != self.dim or len(t) != len(M):
            raise DimensionError(
                f"a set of dimension {self.dim} is mapped by a matrix {M.shape} and an offset of {len(t)}; "
                "give [m, n] and [m]"
            )
        return self._affine(M, t)

    @np.errstate(all="ignore")
    def translate(self, vector: ArrayLike) -> AbstractSet:
        """A set of the same kind that contains {x + vector}; vector [n]."""
        return self._translate(self._vector(vector, "a translation"))

    def sample_inside(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Those of `count` samples that are proved to lie in the set: at most `count`, none for most flat sets."""
        points = self.sample(rng, count)
        return points[[self.contains(point).verdict == "inside" for point in points]]

    def separates(self, direction: FloatArray, lower: FloatArray, upper: FloatArray, origin: FloatArray) -> bool:
        """Whether d'x > max d'(set) is proved for all x in the box [lower, upper]."""
        near = np.where(direction >= 0.0, add_down(lower, -origin), add_up(upper, -origin))
        return bool(dot_down(direction, near) > self._support(direction[None], origin)[0])

    def _arguments(
        self, directions: ArrayLike, origin: ArrayLike | None
    ) -> tuple[FloatArray, tuple[int, ...], FloatArray]:
        array = np.asarray(directions, dtype=np.float64)
        if array.ndim == 0 or array.shape[-1] != self.dim:
            raise DimensionError(f"directions have shape {array.shape}; the last size must be the dimension {self.dim}")
        if not np.isfinite(array).all():
            raise InputError("a direction contains nan or inf; give finite directions")
        about = np.zeros(self.dim) if origin is None else self._vector(origin, "an origin")
        return array.reshape(-1, self.dim), array.shape[:-1], about

    def _vector(self, values: ArrayLike, what: str) -> FloatArray:
        vector = finite_array(values, 1, what)
        if len(vector) != self.dim:
            raise DimensionError(f"{what} has {len(vector)} coordinates, but the set has dimension {self.dim}")
        return vector
