"""Polynomial zonotopes: sets that remember how they depend on the initial state.

A vector of n rows `P(xi) + G eta + [-r, r]` over dependent symbols xi in [-1, 1]^s, of which P is a polynomial with
the monomials of a `MonomialBasis`, and independent symbols eta in [-1, 1]^q. The claim is about functions: whatever
quantity a row stands for is, for every xi, within the row's radius of `P(xi) + G eta` for some eta that all rows share.
Affine maps are exact up to rounding; a product drops monomials beyond the degree into the radius. Everything is rounded
outward, so operations can be repeated for as long as one likes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.sets import polynomial_kernels as kernels
from nnctrl.sets.box import Box
from nnctrl.sets.monomials import BoolArray, IntArray, MonomialBasis
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, gamma, grow_up, widen_up


@dataclass(frozen=True, eq=False)
class PolynomialZonotope:
    """See the module: `coefficients` [n, M], `generators` [n, q], `radius` [n]; an entry that is not finite says that
    nothing is known of its row.
    """

    basis: MonomialBasis
    coefficients: FloatArray
    generators: FloatArray
    radius: FloatArray

    def __post_init__(self) -> None:
        rows, monomials = self.coefficients.shape
        if monomials != self.basis.size or len(self.generators) != rows or self.radius.shape != (rows,):
            raise DimensionError(
                f"coefficients {self.coefficients.shape}, generators {self.generators.shape} and radii "
                f"{self.radius.shape} do not fit a basis of {self.basis.size} monomials"
            )

    @staticmethod
    def of_box(box: Box, basis: MonomialBasis) -> PolynomialZonotope:
        """A box, its coordinates with an extent being the first symbols of `basis` in order, linearly."""
        middle = 0.5 * box.lower + 0.5 * box.upper
        reach = np.maximum(box.upper - middle, middle - box.lower)
        wide = np.flatnonzero(box.upper > box.lower)
        if len(wide) > basis.symbols or (basis.linear[: len(wide)] < 0).any():
            raise DimensionError(
                f"a box with {len(wide)} coordinates that have an extent needs as many symbols of low weight, but the "
                f"basis has {basis.symbols}"
            )
        coefficients = np.zeros((box.dim, basis.size))
        coefficients[:, 0] = middle
        coefficients[wide, basis.linear[: len(wide)]] = widen_up(reach[wide])
        return PolynomialZonotope(basis, coefficients, np.zeros((box.dim, 0)), np.zeros(box.dim))

    @property
    def dim(self) -> int:
        """Number of rows n."""
        return len(self.coefficients)

    @property
    def squares(self) -> IntArray:
        """Positions [s] of the squares of the symbols; -1 for those whose square is beyond the degree."""
        basis, linear = self.basis, np.maximum(self.basis.linear, 0)
        within = (basis.linear >= 0) & (linear < basis.counts[linear])
        return np.where(within, basis.products[basis.offsets[linear] + linear * within], -1)

    @property
    def magnitude(self) -> FloatArray:
        """Upper bounds [n] of the absolute values of the rows without their radii."""
        entries = np.abs(self.coefficients).sum(axis=1) + np.abs(self.generators).sum(axis=1)
        return np.asarray(grow_up(entries, self.basis.size + self.generators.shape[1]))

    def ranges(self) -> tuple[FloatArray, FloatArray]:
        """Outer bounds [n] of every row; nan or infinite where nothing is known."""
        lower, upper = np.empty(self.dim), np.empty(self.dim)
        kernels.ranges(self.coefficients, self.generators, self.radius, self.basis.even, lower, upper)
        return lower, upper

    def support(self, directions: FloatArray) -> FloatArray:
        """Upper bounds [p] of `d'x` for the rows d of `directions` [p, n]."""
        return self.affine(directions).ranges()[1]

    def affine(
        self,
        matrix: FloatArray,
        offset: FloatArray | None = None,
        matrix_radius: FloatArray | None = None,
        offset_radius: FloatArray | None = None,
    ) -> PolynomialZonotope:
        """The rows `M x + t` for `matrix` M [m, n] and `offset` t [m], known up to their radii (None: exact)."""
        g = gamma(self.dim + 4)
        gain, magnitude = np.abs(matrix), self.magnitude
        shift = np.zeros(len(matrix)) if offset is None else offset
        radius = gain @ (self.radius + g * magnitude + TINY) + g * np.abs(shift) + TINY
        if matrix_radius is not None:
            radius = radius + matrix_radius @ (magnitude + self.radius)
        if offset_radius is not None:
            radius = radius + offset_radius
        coefficients = matrix @ self.coefficients
        coefficients[:, 0] += shift
        return PolynomialZonotope(self.basis, coefficients, matrix @ self.generators, grow_up(radius, 2 * self.dim + 8))

    def rows(self, lanes: slice | BoolArray | IntArray) -> PolynomialZonotope:
        """The rows in `lanes`."""
        return PolynomialZonotope(self.basis, self.coefficients[lanes], self.generators[lanes], self.radius[lanes])

    def padded(self, count: int) -> PolynomialZonotope:
        """The same rows over at least `count` independent symbols."""
        missing = count - self.generators.shape[1]
        return self if missing <= 0 else replace(self, generators=_padded(self.generators, count))

    def widened(self, reach: FloatArray) -> PolynomialZonotope:
        """The same rows with `reach` [n] >= 0 added to their radii."""
        return replace(self, radius=grow_up(self.radius + reach, 2))

    def beside(self, other: PolynomialZonotope) -> PolynomialZonotope:
        """The rows of both, one below the other."""
        count = max(self.generators.shape[1], other.generators.shape[1])
        generators = [_padded(part, count) for part in (self.generators, other.generators)]
        return PolynomialZonotope(
            self.basis,
            np.concatenate([self.coefficients, other.coefficients]),
            np.concatenate(generators),
            np.concatenate([self.radius, other.radius]),
        )

    def plus(self, other: PolynomialZonotope) -> PolynomialZonotope:
        """Row by row the sum; both over the same symbols, of which one may have fewer independent ones."""
        mine, its = self._aligned(other)
        coefficients, generators = self.coefficients + other.coefficients, mine + its
        size = np.abs(coefficients).sum(axis=1) + np.abs(generators).sum(axis=1)
        rounding = 2.0 * UNIT_ROUNDOFF * grow_up(size, self.basis.size + generators.shape[1])
        radius = grow_up(self.radius + other.radius + rounding, 4)
        return PolynomialZonotope(self.basis, coefficients, generators, radius)

    def times(self, other: PolynomialZonotope) -> PolynomialZonotope:
        """Row by row the product; cost: one fused pass over the pairs of monomials within the degree per row."""
        mine, its = self._aligned(other)
        basis = self.basis
        coefficients, generators = np.zeros_like(self.coefficients), np.zeros_like(mine)
        radius = np.zeros(self.dim)
        kernels.products(
            coefficients,
            generators,
            radius,
            self.coefficients,
            mine,
            self.radius,
            other.coefficients,
            its,
            other.radius,
            basis.products,
            basis.offsets,
            basis.counts,
        )
        return PolynomialZonotope(basis, coefficients, generators, radius)

    def with_symbols_for_radius(self) -> PolynomialZonotope:
        """The same rows, each radius as an independent symbol of its own."""
        own = np.diag(self.radius)[:, self.radius != 0.0]
        return replace(self, generators=np.concatenate([self.generators, own], axis=1), radius=np.zeros(self.dim))

    def halves(self, symbol: int) -> tuple[PolynomialZonotope, PolynomialZonotope]:
        """The parts with the dependent symbol in [-1, 0] and in [0, 1], each again over [-1, 1]: together they are the
        whole, since `xi = -+1/2 + xi'/2` is exact.
        """
        first, second = (self._substituted(symbol, side) for side in (-0.5, 0.5))
        return first, second

    def _substituted(self, symbol: int, middle: float) -> PolynomialZonotope:
        transform = self.basis.substitution(symbol, middle)
        coefficients = self.coefficients @ transform
        # every column of |transform| sums up to at most the number of its entries, and every row to 1 at most
        size = np.abs(self.coefficients) @ np.abs(transform).sum(axis=1)
        rounding = gamma(self.basis.size + 2) * grow_up(size, self.basis.size + 2)
        return replace(self, coefficients=coefficients, radius=grow_up(self.radius + rounding, 4))

    def reduced(self, limit: int) -> PolynomialZonotope:
        """The same rows over at most `limit` independent symbols (at least n): Girard's reduction in coordinates in
        which every row's symbols sum up to 1; those least different from a box become one symbol per row.
        """
        limit, count = max(limit, self.dim), self.generators.shape[1]
        if count <= limit:
            return self
        size = np.abs(self.generators)
        scaled = size / (size.sum(axis=1, keepdims=True) + TINY)
        order = np.argsort(scaled.max(axis=0) - scaled.sum(axis=0), kind="stable")
        kept, boxed = order[: limit - self.dim], order[limit - self.dim :]
        radius = grow_up(size[:, boxed].sum(axis=1), len(boxed))
        return replace(self, generators=np.concatenate([self.generators[:, kept], np.diag(radius)], axis=1))

    def _aligned(self, other: PolynomialZonotope) -> tuple[FloatArray, FloatArray]:
        """The generators of both, the shorter ones with zeros behind."""
        if other.basis is not self.basis or other.dim != self.dim:
            raise DimensionError(
                f"{self.dim} and {other.dim} rows over {self.basis.size} and {other.basis.size} monomials are "
                "combined; give as many rows over one basis object"
            )
        count = max(self.generators.shape[1], other.generators.shape[1])
        return _padded(self.generators, count), _padded(other.generators, count)


def _padded(generators: FloatArray, count: int) -> FloatArray:
    """`generators` [n, q] with zero columns behind them, `count` columns in all."""
    rows, given = generators.shape
    if given == count:
        return generators
    result = np.zeros((rows, count))
    result[:, :given] = generators
    return result
