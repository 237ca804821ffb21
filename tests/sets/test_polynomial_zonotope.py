"""Polynomial zonotopes enclose what they stand for: in rational arithmetic, symbol by symbol, with zero tolerance."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from nnctrl.errors import DimensionError, InputError
from nnctrl.sets.box import Box
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope

BASES = [MonomialBasis((1, 1), 3), MonomialBasis((1, 2, 1), 3), MonomialBasis((1,), 5), MonomialBasis((2, 2), 4)]


def random_rows(rng: np.random.Generator, basis: MonomialBasis, rows: int, scale: float = 1.0) -> PolynomialZonotope:
    spread = scale * 10.0 ** rng.integers(-12, 3, (rows, basis.size)).astype(float)
    coefficients = rng.normal(size=(rows, basis.size)) * spread
    coefficients[rng.random(coefficients.shape) < 0.2] = 0.0
    generators = scale * rng.normal(size=(rows, int(rng.integers(0, 4)))) * 10.0 ** float(rng.integers(-9, 1))
    return PolynomialZonotope(basis, coefficients, generators, scale * rng.random(rows) * (rng.random(rows) < 0.7))


def symbols_of(rng: np.random.Generator, count: int) -> list[Fraction]:
    """Ends, zero and short fractions of [-1, 1]."""
    return [
        Fraction(int(rng.integers(-8, 9)), 8) if rng.random() < 0.6 else Fraction(int(rng.choice([-1, 1])))
        for _ in range(count)
    ]


def polynomial(basis: MonomialBasis, coefficients: np.ndarray, xi: list[Fraction]) -> Fraction:
    total = Fraction(0)
    for coefficient, exponents in zip(coefficients, basis.exponents.tolist(), strict=True):
        term = Fraction(float(coefficient))
        for x, e in zip(xi, exponents, strict=True):
            term *= x**e
        total += term
    return total


def member(part: PolynomialZonotope, row: int, xi: list[Fraction], eta: list[Fraction], away: Fraction) -> Fraction:
    """The quantity of a row at these symbols, `away` in [-1, 1] of its radius off."""
    value = polynomial(part.basis, part.coefficients[row], xi)
    value += sum((Fraction(float(g)) * e for g, e in zip(part.generators[row], eta, strict=False)), Fraction(0))
    return value + away * Fraction(float(part.radius[row]))


def encloses(part: PolynomialZonotope, row: int, xi: list[Fraction], eta: list[Fraction], value: Fraction) -> bool:
    """Whether `value` is within the row's radius at these symbols, of which independent ones may have been added."""
    return abs(value - member(part, row, xi, eta, Fraction(0))) <= Fraction(float(part.radius[row]))


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
def test_the_table_of_products(basis: MonomialBasis) -> None:
    weights = np.array(basis.weights)
    assert basis.exponents[0].sum() == 0
    everything = {e for e in product(range(basis.degree + 1), repeat=basis.symbols) if weights @ e <= basis.degree}
    assert {tuple(row) for row in basis.exponents.tolist()} == everything
    for i, j in product(range(basis.size), repeat=2):
        total = basis.exponents[i] + basis.exponents[j]
        within = int(weights @ total) <= basis.degree
        assert (j < basis.counts[i]) == within
        if within:
            assert (basis.exponents[basis.products[basis.offsets[i] + j]] == total).all()


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
@pytest.mark.parametrize("scale", [1.0, 1e-120, 1e120])
@pytest.mark.parametrize("seed", range(6))
def test_products_and_sums(basis: MonomialBasis, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_rows(rng, basis, 3, scale), random_rows(rng, basis, 3, scale)
    multiplied, added = a.times(b), a.plus(b)
    for _ in range(10):
        xi, eta = symbols_of(rng, basis.symbols), symbols_of(rng, 4)
        for row in range(3):
            x, y = (member(part, row, xi, eta, Fraction(int(rng.integers(-1, 2)))) for part in (a, b))
            assert encloses(multiplied, row, xi, eta, x * y)
            assert encloses(added, row, xi, eta, x + y)


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
@pytest.mark.parametrize("seed", range(8))
def test_affine_maps(basis: MonomialBasis, seed: int) -> None:
    rng = np.random.default_rng(seed)
    part = random_rows(rng, basis, 3)
    matrix, offset = rng.normal(size=(2, 3)) * 10.0 ** rng.integers(-6, 6, (2, 3)), rng.normal(size=2)
    radius = np.abs(matrix) * 1e-6 if seed % 2 else None
    mapped = part.affine(matrix, offset, radius)
    for _ in range(10):
        xi, eta = symbols_of(rng, basis.symbols), symbols_of(rng, 4)
        x = [member(part, row, xi, eta, Fraction(int(rng.integers(-1, 2)))) for row in range(3)]
        for row in range(2):
            weights = [Fraction(float(m)) for m in matrix[row]]
            if radius is not None:
                weights = [
                    w + int(rng.integers(-1, 2)) * Fraction(float(r)) for w, r in zip(weights, radius[row], strict=True)
                ]
            value = sum((w * v for w, v in zip(weights, x, strict=True)), Fraction(float(offset[row])))
            assert encloses(mapped, row, xi, eta, value)


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
@pytest.mark.parametrize("seed", range(8))
def test_ranges_reductions_and_symbols_for_radii(basis: MonomialBasis, seed: int) -> None:
    rng = np.random.default_rng(seed)
    part = random_rows(rng, basis, 3)
    for _ in range(3):
        part = part.plus(random_rows(rng, basis, 3).with_symbols_for_radius())
    lower, upper = part.ranges()
    wide = part.with_symbols_for_radius()
    small = wide.reduced(4)
    assert small.generators.shape[1] == 4
    directions = rng.normal(size=(4, 3))
    support = [part.support(directions), wide.support(directions), small.support(directions)]
    for _ in range(10):
        xi, eta = symbols_of(rng, basis.symbols), symbols_of(rng, part.generators.shape[1])
        x = [member(part, row, xi, eta, Fraction(int(rng.integers(-1, 2)))) for row in range(3)]
        for row, value in enumerate(x):
            assert Fraction(float(lower[row])) <= value <= Fraction(float(upper[row]))
        for k, d in enumerate(directions):
            value = sum((Fraction(float(w)) * v for w, v in zip(d, x, strict=True)), Fraction(0))
            assert all(value <= Fraction(float(bound[k])) for bound in support)


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
@pytest.mark.parametrize("seed", range(6))
def test_halves_cover_the_whole(basis: MonomialBasis, seed: int) -> None:
    rng = np.random.default_rng(seed)
    part = random_rows(rng, basis, 2)
    symbol = int(rng.integers(basis.symbols))
    left, right = part.halves(symbol)
    for _ in range(10):
        xi, eta = symbols_of(rng, basis.symbols), symbols_of(rng, 4)
        half = left if xi[symbol] <= 0 else right
        inner = list(xi)
        inner[symbol] = 2 * xi[symbol] + (1 if half is left else -1)
        for row in range(2):
            value = member(part, row, xi, eta, Fraction(int(rng.integers(-1, 2))))
            assert encloses(half, row, inner, eta, value)


def test_halves_shrink_the_truncation_of_products() -> None:
    """What a product drops is of the order degree + 1 in the symbols, so halves drop 2^-(degree + 1) of it."""
    basis = MonomialBasis((1,), 3)
    part = PolynomialZonotope.of_box(Box([0.0], [1.0]), basis)
    square = part.times(part)
    cube, pieces = square.times(square), [half.times(half) for half in square.halves(0)]
    assert cube.radius[0] == pytest.approx(0.5**4, rel=1e-9)
    assert max(piece.radius[0] for piece in pieces) == pytest.approx(0.25**4, rel=1e-9)


def test_boxes_become_their_first_symbols() -> None:
    basis = MonomialBasis((1, 1, 2), 2)
    box = Box([0.1, 3.0, -1.0], [0.3, 3.0, 1.0])
    part = PolynomialZonotope.of_box(box, basis)
    lower, upper = part.ranges()
    assert (lower <= box.lower).all()
    assert (upper >= box.upper).all()
    np.testing.assert_allclose(np.stack([lower, upper]), np.stack([box.lower, box.upper]), atol=1e-14)
    assert np.count_nonzero(part.coefficients[1]) == 1
    with pytest.raises(DimensionError, match=r"a box with 2 coordinates that have an extent needs as many symbols"):
        PolynomialZonotope.of_box(box, MonomialBasis((1,), 2))


def test_what_is_not_finite_stays_unknown() -> None:
    basis = MonomialBasis((1,), 2)
    known = PolynomialZonotope.of_box(Box([0.0], [1.0]), basis)
    for bad in (np.inf, np.nan):
        unknown = PolynomialZonotope(basis, known.coefficients, known.generators, np.array([bad]))
        for result in (unknown.times(known), known.times(unknown), known.plus(unknown), unknown.affine(np.eye(1))):
            assert not np.isfinite(result.radius[0])
            assert not np.isfinite(result.ranges()).any()


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match=r"a monomial basis of degree 0"):
        MonomialBasis((1, 1), 0)
    with pytest.raises(InputError, match=r"more than 20000 monomials"):
        MonomialBasis((1,) * 12, 9)
    first, second = (PolynomialZonotope.of_box(Box([0.0], [1.0]), MonomialBasis((1,), 2)) for _ in range(2))
    with pytest.raises(DimensionError, match=r"over one basis object"):
        first.times(second)
