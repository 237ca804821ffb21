"""Tight support functions of polynomial zonotopes, by cutting their dependent symbols."""

from __future__ import annotations

import heapq
import itertools

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope


def support_by_cutting(rows: PolynomialZonotope, directions: FloatArray, cuts: int) -> FloatArray:
    """Upper bounds [p] of `d'x` for the rows d of `directions` [p, n], never above those of `support` but for rounding.

    Ranges of polynomials are bounded monomial by monomial, which loses what monomials have in common; on halves of the
    symbols' box they lose less. The part with the largest bound is halved `cuts` times, along the symbol on which most
    of what is not linear depends. Cost: `cuts` products of a row with an [M, M] matrix for each direction.
    """
    return np.array([_largest(rows.affine(direction[None]), cuts) for direction in directions])


def _largest(row: PolynomialZonotope, cuts: int) -> float:
    curved = row.basis.exponents.sum(axis=1) > 1
    involved = row.basis.exponents[curved]
    tie = itertools.count()

    def entry(part: PolynomialZonotope) -> tuple[float, int, PolynomialZonotope]:
        return -float(part.ranges()[1][0]), next(tie), part

    waiting = [entry(row)]
    # where nothing is known halves are not known either
    for _ in range(cuts if curved.any() and np.isfinite(waiting[0][0]) else 0):
        _, _, part = heapq.heappop(waiting)
        shares = np.abs(part.coefficients[0, curved]) @ involved
        for half in part.halves(int(np.argmax(shares))):
            heapq.heappush(waiting, entry(half))
    return -waiting[0][0]
