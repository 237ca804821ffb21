"""Supports by cutting hold for every point, without tolerance, and are tighter than those monomial by monomial."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from nnctrl.sets.cutting import support_by_cutting
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from tests.high_precision import dot
from tests.polynomial_rows import random_rows, row_values, symbols

BASES = (MonomialBasis((1, 1), 4), MonomialBasis((1, 1, 2), 3), MonomialBasis((1,), 1))


@pytest.mark.parametrize("cuts", [0, 1, 20])
@pytest.mark.parametrize("seed", range(12))
def test_every_point_is_below(seed: int, cuts: int) -> None:
    """Also those on the rims of the symbols' box, with all other symbols at their worst."""
    rng = np.random.default_rng(seed)
    basis = BASES[seed % len(BASES)]
    rows = random_rows(rng, basis, 3, generators=2, size=float(rng.choice([1e-9, 1.0, 1e6])))
    directions = rng.normal(size=(4, 3))
    bounds = support_by_cutting(rows, directions, cuts)
    for _ in range(10):
        xi = symbols(rng, basis.symbols)
        for corner in (xi, [mpmath.sign(x) for x in xi]):
            values = row_values(rows, corner)
            for direction, bound in zip(directions, bounds, strict=True):
                rest = dot([abs(mpmath.mpf(float(d))) for d in direction], [mpmath.mpf(float(r)) for r in rows.radius])
                columns = [dot(direction, rows.generators[:, j]) for j in range(rows.generators.shape[1])]
                highest = dot(direction, values) + rest + sum((abs(c) for c in columns), mpmath.mpf(0))
                assert highest <= bound


def test_cuts_find_what_monomials_have_in_common() -> None:
    """x - x^2 on [-1, 1] is at most 1/4; its monomials alone allow 1."""
    basis = MonomialBasis((1,), 2)
    rows = PolynomialZonotope(basis, np.array([[0.0, 1.0, -1.0]]), np.zeros((1, 0)), np.zeros(1))
    whole, cut = (float(support_by_cutting(rows, np.eye(1), cuts)[0]) for cuts in (0, 30))
    assert whole >= 1.0
    assert 0.25 <= cut <= 0.26


def test_what_is_unknown_stays_unknown() -> None:
    basis = MonomialBasis((1,), 2)
    rows = PolynomialZonotope(basis, np.array([[0.0, 1.0, -1.0]]), np.zeros((1, 0)), np.array([np.inf]))
    assert support_by_cutting(rows, np.eye(1), 5)[0] == np.inf
