"""Polynomial zonotopes with 60 digits, and random ones: the referee of what is computed with them."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath
import numpy as np

from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from tests.high_precision import dot

mpmath.mp.dps = 60

Vector = list[mpmath.mpf]


def symbols(rng: np.random.Generator, count: int) -> Vector:
    """Random symbols, often at ends of [-1, 1]."""
    return [mpmath.mpf(int(k)) / 8 for k in np.clip(rng.integers(-12, 13, size=count), -8, 8)]


def monomials(basis: MonomialBasis, xi: Sequence[mpmath.mpf]) -> Vector:
    """All monomials of the basis at xi."""
    values = []
    for exponents in basis.exponents.tolist():
        term = mpmath.mpf(1)
        for x, e in zip(xi, exponents, strict=True):
            term *= x**e
        values.append(term)
    return values


def row_values(rows: PolynomialZonotope, xi: Sequence[mpmath.mpf], eta: Sequence[mpmath.mpf] = ()) -> Vector:
    """P(xi) + G eta; independent symbols beyond those given are 0."""
    terms = monomials(rows.basis, xi)
    first = rows.generators[:, : len(eta)]
    return [dot(c, terms) + dot(g, list(eta)) for c, g in zip(rows.coefficients, first, strict=True)]


def row_slack(rows: PolynomialZonotope, known: int = 0) -> Vector:
    """How far each row may be from `row_values` for `known` independent symbols: its radius and all other symbols."""
    free = rows.generators[:, known:]
    return [
        mpmath.fsum([abs(mpmath.mpf(float(v))) for v in g]) + mpmath.mpf(float(r))
        for g, r in zip(free, rows.radius, strict=True)
    ]


def encloses(
    rows: PolynomialZonotope, exact: Sequence[mpmath.mpf], xi: Sequence[mpmath.mpf], eta: Sequence[mpmath.mpf] = ()
) -> bool:
    """Whether every row may have the exact value at these symbols; nan and infinite radii say nothing."""
    slack, values = row_slack(rows, len(eta)), row_values(rows, xi, eta)
    return all(not abs(x - y) > s for x, y, s in zip(exact, values, slack, strict=True))


def random_rows(
    rng: np.random.Generator, basis: MonomialBasis, count: int, *, generators: int = 0, size: float = 0.3
) -> PolynomialZonotope:
    """Random rows, of all monomials, some of them small."""
    scale = size * 10.0 ** -rng.integers(0, 4, size=(count, 1)).astype(float)
    coefficients = scale * rng.normal(size=(count, basis.size)) / basis.size
    coefficients[:, 0] = rng.normal(size=count)
    free = 0.3 * scale * rng.normal(size=(count, generators))
    radius = np.where(rng.random(count) < 0.5, 0.0, 0.1 * scale[:, 0] * rng.random(count))
    return PolynomialZonotope(basis, coefficients, free, radius)


def random_values(rng: np.random.Generator, rows: PolynomialZonotope, xi: Vector, eta: Vector) -> Vector:
    """Values that the rows may have at these symbols, anywhere within the radii."""
    shares = symbols(rng, rows.dim)
    return [
        value + share * mpmath.mpf(float(r))
        for value, share, r in zip(row_values(rows, xi, eta), shares, rows.radius, strict=True)
    ]
