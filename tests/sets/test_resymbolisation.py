"""Symbols change places without a point being lost, and only where that is worth it."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.resymbolisation import resymbolised
from tests.high_precision import dot
from tests.polynomial_rows import Vector, monomials, random_rows, row_values, symbols

BASES = (MonomialBasis((1, 1, 2, 2), 4), MonomialBasis((1, 1, 1), 3), MonomialBasis((2, 2, 2), 5))


def exchanged(before: PolynomialZonotope, after: PolynomialZonotope, slots: range) -> list[tuple[int, int]]:
    """(slot symbol, column) of the exchanges, read off the coefficients."""
    pairs = []
    for symbol in slots:
        linear = before.basis.linear[symbol]
        if not np.array_equal(before.coefficients[:, linear], after.coefficients[:, linear]):
            columns = np.flatnonzero((before.generators == after.coefficients[:, linear][:, None]).all(axis=0))
            pairs.append((symbol, int(columns[0])))
    return pairs


@pytest.mark.parametrize("seed", range(40))
def test_every_point_stays_with_the_same_initial_symbols(seed: int) -> None:
    """With symbols exchanged every row is met within its radius, by values that all rows share."""
    rng = np.random.default_rng(seed)
    basis = BASES[seed % len(BASES)]
    slots = range(1 + seed % 2, basis.symbols)
    rows = random_rows(rng, basis, 3, generators=int(rng.integers(1, 6)), size=float(rng.choice([1e-9, 1.0])))
    rows.generators[:] *= rng.choice([0.1, 1.0, 10.0], size=rows.generators.shape[1])
    result = resymbolised(rows, slots)
    pairs = exchanged(rows, result, slots)
    for _ in range(10):
        xi, eta = symbols(rng, basis.symbols), symbols(rng, rows.generators.shape[1])
        new_xi, new_eta = list(xi), list(eta)
        for symbol, column in pairs:
            new_xi[symbol], new_eta[column] = eta[column], xi[symbol]
        for x, y, old, new in zip(
            row_values(rows, xi, eta), row_values(result, new_xi, new_eta), rows.radius, result.radius, strict=True
        ):
            assert abs(x - y) + mpmath.mpf(float(old)) <= mpmath.mpf(float(new))


def test_the_largest_independent_symbol_takes_the_slot() -> None:
    basis = MonomialBasis((1, 2), 3)
    coefficients = np.zeros((2, basis.size))
    coefficients[:, basis.linear] = [[1.0, 0.01], [0.5, 0.0]]
    generators = np.array([[0.1, 0.5, 0.0], [0.0, 0.25, 0.2]])
    result = resymbolised(PolynomialZonotope(basis, coefficients, generators, np.zeros(2)), range(1, 2))
    np.testing.assert_array_equal(result.coefficients[:, basis.linear[1]], [0.5, 0.25])
    np.testing.assert_array_equal(result.generators[:, 1], [0.01, 0.0])
    np.testing.assert_array_equal(result.coefficients[:, basis.linear[0]], [1.0, 0.5])


def test_a_slot_that_is_nearly_as_large_is_kept() -> None:
    basis = MonomialBasis((1, 2), 3)
    coefficients = np.zeros((1, basis.size))
    coefficients[0, basis.linear] = [1.0, 0.3]
    rows = PolynomialZonotope(basis, coefficients, np.array([[0.5]]), np.zeros(1))
    result = resymbolised(rows, range(1, 2))
    np.testing.assert_array_equal(result.coefficients, coefficients)
    np.testing.assert_array_equal(result.generators, [[0.5]])


def test_other_monomials_of_the_symbol_that_leaves_go_into_the_radius() -> None:
    basis = MonomialBasis((1, 1), 2)
    index = {tuple(row): k for k, row in enumerate(basis.exponents.tolist())}
    coefficients = np.zeros((1, basis.size))
    coefficients[0, [index[1, 0], index[0, 1], index[1, 1], index[0, 2], index[2, 0]]] = [1.0, 0.125, 0.25, 0.5, 2.0]
    rows = PolynomialZonotope(basis, coefficients, np.array([[4.0]]), np.array([1.0]))
    result = resymbolised(rows, range(1, 2))
    assert 1.75 <= result.radius[0] <= 1.75 * (1 + 1e-14)
    assert result.coefficients[0, index[2, 0]] == 2.0
    assert result.coefficients[0, index[0, 1]] == 4.0
    assert result.coefficients[0, [index[1, 1], index[0, 2]]].tolist() == [0.0, 0.0]


def test_symbols_that_weigh_more_than_the_degree_are_left_alone() -> None:
    """They have no monomial that a generator could take."""
    basis = MonomialBasis((1, 2), 1)
    rows = PolynomialZonotope(basis, np.array([[0.5, 0.25]]), np.array([[3.0]]), np.zeros(1))
    result = resymbolised(rows, range(1, 2))
    xi: Vector = [mpmath.mpf(1), mpmath.mpf(0)]
    assert dot(result.coefficients[0], monomials(basis, xi)) == mpmath.mpf(0.75)
    np.testing.assert_array_equal(result.generators, [[3.0]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_of_which_nothing_is_known_stay_unknown(value: float) -> None:
    rng = np.random.default_rng(0)
    rows = random_rows(rng, BASES[0], 2, generators=2)
    rows.radius[0] = value
    rows.generators[1, 0] = value
    with np.errstate(invalid="ignore"):
        result = resymbolised(rows, range(2, 4))
        lower, upper = result.ranges()
    assert not (np.isfinite(lower) & np.isfinite(upper)).any()


def test_nothing_to_exchange_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = random_rows(rng, BASES[0], 2)
    assert resymbolised(rows, range(2, 4)) is rows
    assert resymbolised(rows, range(2, 2)) is rows
