"""Monomial bases: all products of powers of symbols up to a weighted degree, and the table of their products.

A symbol of weight 2 (one that stands for a small quantity) counts twice in the degree, so it occurs in fewer monomials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAX_MONOMIALS = 20_000
"""Larger bases are refused: their products would take gigabytes."""


@dataclass(frozen=True, eq=False)
class MonomialBasis:
    """The monomials `prod_i xi_i^(e_i)` with `sum_i weights_i e_i <= degree`, in order of weighted degree.

    `weights` [s] > 0. Monomial 0 is the constant 1. `exponents` [M, s]; `products`, `offsets`, `counts`: monomial
    `i` times monomial `j` is monomial `products[offsets[i] + j]` for `j < counts[i]`, and beyond the degree for others:
    the order makes the admitted factors of each monomial the first ones.
    """

    weights: tuple[int, ...]
    degree: int
    exponents: IntArray = field(init=False)
    offsets: IntArray = field(init=False)
    counts: IntArray = field(init=False)
    products: IntArray = field(init=False)

    def __post_init__(self) -> None:
        if self.degree < 1 or any(weight < 1 for weight in self.weights):
            raise InputError(
                f"a monomial basis of degree {self.degree} with weights {self.weights} was asked for; give whole "
                "numbers from 1 on"
            )
        exponents = _exponents(self.weights, self.degree)
        weighted = exponents @ np.array(self.weights, dtype=np.int64)
        # by degree, then with the first symbols first
        order = np.lexsort((*(-exponents[:, i] for i in range(len(self.weights) - 1, -1, -1)), weighted))
        exponents, weighted = exponents[order], weighted[order]
        counts = np.searchsorted(weighted, self.degree - weighted, side="right").astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        index = {tuple(row): i for i, row in enumerate(exponents.tolist())}
        products = [
            index[tuple(row)] for i, count in enumerate(counts) for row in (exponents[i] + exponents[:count]).tolist()
        ]
        for name, value in (
            ("exponents", exponents),
            ("offsets", offsets),
            ("counts", counts),
            ("products", np.array(products, dtype=np.int64)),
        ):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """Number of monomials M."""
        return len(self.exponents)

    @property
    def symbols(self) -> int:
        """Number of symbols s."""
        return len(self.weights)

    @cached_property
    def linear(self) -> IntArray:
        """Positions [s] of the symbols themselves; -1 for those whose weight exceeds the degree."""
        unit = np.eye(self.symbols, dtype=np.int64)
        index = {tuple(row): i for i, row in enumerate(self.exponents.tolist())}
        return np.array([index.get(tuple(row), -1) for row in unit.tolist()], dtype=np.int64)

    @cached_property
    def even(self) -> BoolArray:
        """Which monomials [M] are squares, so that their range is [0, 1] instead of [-1, 1]; not the constant."""
        return (self.exponents % 2 == 0).all(axis=1) & self.exponents.any(axis=1)

    def substitution(self, symbol: int, middle: float) -> FloatArray:
        """The matrix [M, M] whose row i has the coefficients of monomial i with `middle + xi / 2` for the symbol;
        exact for a middle that is a power of two. Computed once.
        """
        known: dict[tuple[int, float], FloatArray] = self.__dict__.setdefault("_substitutions", {})
        if (symbol, middle) not in known:
            index = {tuple(row): i for i, row in enumerate(self.exponents.tolist())}
            transform = np.zeros((self.size, self.size))
            for i, row in enumerate(self.exponents.tolist()):
                power = row[symbol]
                for k in range(power + 1):
                    target = [*row[:symbol], k, *row[symbol + 1 :]]
                    transform[i, index[tuple(target)]] = math.comb(power, k) * 0.5**k * middle ** (power - k)
            known[symbol, middle] = transform
        return known[symbol, middle]


def _exponents(weights: Sequence[int], degree: int) -> IntArray:
    """All exponent vectors [M, s] within the weighted degree."""
    rows: list[list[int]] = [[]]
    for position, weight in enumerate(weights):
        rows = [
            [*row, e]
            for row in rows
            for e in range((degree - sum(w * x for w, x in zip(weights, row, strict=False))) // weight + 1)
        ]
        if len(rows) > MAX_MONOMIALS:
            raise InputError(
                f"{len(weights)} symbols of degree {degree} have more than {MAX_MONOMIALS} monomials (after "
                f"{position + 1}); use fewer symbols or a lower degree"
            )
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(weights))
