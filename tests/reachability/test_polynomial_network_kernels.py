"""Polynomials of rows, and their ranges, enclose what they stand for: in rational arithmetic, with zero tolerance."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nnctrl.networks.polynomial_fit_linear import CONSTANT, FITTED, IDENTITY
from nnctrl.reachability.polynomial_network_kernels import apply_fits, free_and_range
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_kernels import dependent_range, row_range
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope

BASES = [MonomialBasis((1, 1), 3), MonomialBasis((1, 2, 1), 3), MonomialBasis((1,), 5), MonomialBasis((2, 3), 4)]


def monomials_at(basis: MonomialBasis, xi: list[Fraction]) -> list[Fraction]:
    values = []
    for exponents in basis.exponents.tolist():
        term = Fraction(1)
        for x, e in zip(xi, exponents, strict=True):
            term *= x**e
        values.append(term)
    return values


def dot(numbers: np.ndarray, values: list[Fraction]) -> Fraction:
    return sum((Fraction(float(a)) * b for a, b in zip(numbers, values, strict=True)), Fraction(0))


def eighths(rng: np.random.Generator, count: int) -> list[Fraction]:
    return [Fraction(int(rng.choice([-8, 8, *range(-8, 9)])), 8) for _ in range(count)]


def random_rows(rng: np.random.Generator, basis: MonomialBasis, count: int) -> PolynomialZonotope:
    scale = 10.0 ** rng.integers(-9, 4, (count, 1)).astype(float)
    coefficients = scale * rng.normal(size=(count, basis.size)) * (rng.random((count, basis.size)) < 0.8)
    generators = scale * rng.normal(size=(count, 3)) * 10.0 ** float(rng.integers(-6, 1))
    radius = scale[:, 0] * rng.random(count) * (rng.random(count) < 0.5)
    return PolynomialZonotope(basis, coefficients, generators, radius)


def images(
    rows: PolynomialZonotope, coefficients: np.ndarray, errors: np.ndarray, exact: int = FITTED
) -> tuple[PolynomialZonotope, np.ndarray, np.ndarray]:
    """What `apply_fits` makes of the rows, with these fits on their ranges, and the centres and radii used."""
    basis, parts = rows.basis, np.empty((5, rows.dim))
    free_and_range(rows.coefficients, rows.generators, rows.radius, basis.even, basis.linear, rows.squares, *parts)
    below, above, free, lower, upper = parts
    centre = 0.5 * lower + 0.5 * upper
    radius = np.maximum(upper - centre, centre - lower) * (1.0 + 1e-12) + 1e-30
    out = PolynomialZonotope(
        basis, np.empty_like(rows.coefficients), np.empty_like(rows.generators), np.empty_like(rows.radius)
    )
    apply_fits(
        rows.coefficients,
        rows.generators,
        rows.radius,
        below,
        above,
        free,
        basis.products,
        basis.offsets,
        basis.counts,
        centre,
        radius,
        coefficients,
        errors,
        np.full(rows.dim, exact),
        out.coefficients,
        out.generators,
        out.radius,
    )
    return out, centre, radius


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
@pytest.mark.parametrize("degree", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(4))
def test_polynomials_of_rows(basis: MonomialBasis, degree: int, seed: int) -> None:
    """An activation that is its own fit: the image holds the polynomial of every member of the row."""
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, basis, 6)
    coefficients = np.zeros((6, degree + 1, degree + 1))
    coefficients[:, degree] = rng.normal(size=(6, degree + 1)) * 10.0 ** rng.integers(-4, 3, (6, degree + 1))
    errors = np.full((6, degree + 1), np.inf)
    errors[:, degree] = 0.0
    out, centre, radius = images(rows, coefficients, errors)
    assert np.isfinite(out.radius).all()
    for _ in range(20):
        values, eta = monomials_at(basis, eighths(rng, basis.symbols)), eighths(rng, 3)
        for i in range(6):
            x = dot(rows.coefficients[i], values) + dot(rows.generators[i], eta)
            x += int(rng.integers(-1, 2)) * Fraction(float(rows.radius[i]))
            t = (x - Fraction(float(centre[i]))) / Fraction(float(radius[i]))
            p = sum((Fraction(float(a)) * t**j for j, a in enumerate(coefficients[i, degree])), Fraction(0))
            image = dot(out.coefficients[i], values) + dot(out.generators[i], eta)
            assert abs(p - image) <= Fraction(float(out.radius[i]))


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_rounding_alone(degree: int) -> None:
    """Nothing is truncated and nothing free: what is left is rounding, which must be covered and stay small."""
    rng = np.random.default_rng(degree)
    basis, count = MonomialBasis((1, 1), 3), 200
    coefficients = np.zeros((count, basis.size))
    coefficients[:, :3] = rng.normal(size=(count, 3))
    rows = PolynomialZonotope(basis, coefficients, np.zeros((count, 0)), np.zeros(count))
    fits, errors = np.zeros((count, degree + 1, degree + 1)), np.full((count, degree + 1), np.inf)
    fits[:, degree] = rng.normal(size=(count, degree + 1))
    errors[:, degree] = 0.0
    out, centre, radius = images(rows, fits, errors)
    assert (out.radius < 1e-11).all()
    rounded = False
    for i in range(count):
        values = monomials_at(basis, eighths(rng, 2))
        t = (dot(coefficients[i], values) - Fraction(float(centre[i]))) / Fraction(float(radius[i]))
        p = sum((Fraction(float(a)) * t**j for j, a in enumerate(fits[i, degree])), Fraction(0))
        missed = abs(p - dot(out.coefficients[i], values))
        assert missed <= Fraction(float(out.radius[i]))
        rounded |= missed > 1e-17
    assert rounded


def test_the_free_part_costs_what_it_must() -> None:
    """For t = F alone: F^2 leaves half of f^2, F^3 a quarter of f^3, and both are attained."""
    basis = MonomialBasis((1,), 3)
    rows = PolynomialZonotope(basis, np.zeros((2, basis.size)), np.ones((2, 1)), np.zeros(2))
    coefficients, errors = np.zeros((2, 4, 4)), np.full((2, 4), np.inf)
    coefficients[0, 2, 2] = coefficients[1, 3, 3] = 1.0
    errors[0, 2] = errors[1, 3] = 0.0
    out, _, _ = images(rows, coefficients, errors)
    np.testing.assert_allclose(out.radius, [0.5, 0.25], rtol=1e-9)
    np.testing.assert_allclose(out.generators[:, 0], [0.0, 0.75], rtol=1e-9)


def test_the_smaller_radius_wins_and_nothing_known_is_nan() -> None:
    basis = MonomialBasis((1,), 2)
    rows = PolynomialZonotope(basis, np.array([[0.0, 1.0, 0.0]] * 3), np.zeros((3, 1)), np.zeros(3))
    coefficients = np.zeros((3, 2, 2))
    coefficients[:, 1, 1] = 1.0
    errors = np.array([[0.5, 0.2], [0.2, 0.5], [np.nan, np.nan]])
    out, _, _ = images(rows, coefficients, errors)
    assert out.coefficients[0, 1] > 0.9
    assert not out.coefficients[1].any()
    np.testing.assert_allclose(out.radius, [0.2, 0.2, np.nan], rtol=1e-9)


def test_exact_lanes_are_exact() -> None:
    rng = np.random.default_rng(0)
    rows = random_rows(rng, BASES[0], 4)
    coefficients, errors = np.full((4, 2, 2), 0.3), np.zeros((4, 2))
    same, _, _ = images(rows, coefficients, errors, IDENTITY)
    for name in ("coefficients", "generators", "radius"):
        np.testing.assert_array_equal(getattr(same, name), getattr(rows, name))
    flat, _, _ = images(rows, coefficients, errors, CONSTANT)
    assert (flat.coefficients[:, 0] == 0.3).all()
    assert not flat.coefficients[:, 1:].any()
    assert not flat.generators.any()
    assert not flat.radius.any()


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.weights}-{b.degree}")
@pytest.mark.parametrize("seed", range(6))
def test_ranges(basis: MonomialBasis, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, basis, 4)
    parts = np.empty((5, 4))
    free_and_range(rows.coefficients, rows.generators, rows.radius, basis.even, basis.linear, rows.squares, *parts)
    below, above, free, lower, upper = parts
    for i in range(4):
        pair = row_range(rows.coefficients[i], rows.generators[i], rows.radius[i], basis.even)
        slack = 1e-12 * (pair[1] - pair[0] + abs(pair[0]))
        assert lower[i] >= pair[0] - slack
        assert upper[i] <= pair[1] + slack
        reach = sum((abs(Fraction(float(v))) for v in rows.generators[i]), Fraction(float(rows.radius[i])))
        constant = Fraction(float(rows.coefficients[i, 0]))
        assert reach <= Fraction(float(free[i]))
        for _ in range(30):
            value = dot(rows.coefficients[i], monomials_at(basis, eighths(rng, basis.symbols))) - constant
            assert Fraction(float(below[i])) <= value <= Fraction(float(above[i]))
            assert Fraction(float(lower[i])) <= constant + value - reach
            assert Fraction(float(upper[i])) >= constant + value + reach


@pytest.mark.parametrize("seed", range(20))
def test_linear_and_square_terms_together(seed: int) -> None:
    """For one symbol the exact range of a x + b x^2, attained at an end or at -a / (2 b)."""
    rng = np.random.default_rng(seed)
    basis = MonomialBasis((1,), 2)
    a, b = rng.normal(size=2) * 10.0 ** rng.integers(-3, 3, 2)
    rows = PolynomialZonotope(basis, np.array([[0.0, a, b]]), np.zeros((1, 0)), np.zeros(1))
    below, above = dependent_range(rows.coefficients[0], basis.even, basis.linear, rows.squares)
    x, y = Fraction(float(a)), Fraction(float(b))
    turn = -x / (2 * y)
    values = [x + y, y - x, *([x * turn + y * turn**2] if abs(turn) <= 1 else [])]
    low, high = min(values), max(values)
    assert Fraction(below) <= low
    assert high <= Fraction(above)
    assert float(low - Fraction(below)) <= 1e-13 * (abs(a) + abs(b))
    assert float(Fraction(above) - high) <= 1e-13 * (abs(a) + abs(b))


def test_positions_of_squares() -> None:
    for basis in BASES:
        rows = PolynomialZonotope(basis, np.zeros((1, basis.size)), np.zeros((1, 0)), np.zeros(1))
        found = {tuple(row): i for i, row in enumerate(basis.exponents.tolist())}
        wanted = [found.get(tuple(row), -1) for row in (2 * np.eye(basis.symbols, dtype=int)).tolist()]
        assert rows.squares.tolist() == wanted
