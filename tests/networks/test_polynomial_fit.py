"""Polynomial fits are as near to the real activation as they say, with zero tolerance, and not much farther."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from nnctrl.networks.activations import Activation, Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.polynomial_fit import PolynomialFit, polynomial_fit
from tests import high_precision
from tests.networks.exact_activations import MP, ExactActivation
from tests.networks.third_party import THIRD_PARTY

KINDS: list[Activation] = [Tanh(), Sigmoid(), Softplus(), Relu(), Clip(-0.7, 0.4), Identity()]


def intervals(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ordinary, tiny, flat, far, huge and saturated intervals, and some that end at a kink."""
    centre = rng.normal(size=40) * rng.choice([1.0, 10.0, 1e5], 40)
    radius = rng.random(40) * 10.0 ** rng.integers(-12, 4, 40).astype(float)
    radius[:3] = 0.0
    lower, upper = centre - radius, centre + radius
    lower[3], upper[4], lower[5], upper[6] = 0.0, 0.0, -0.7, 0.4
    return np.minimum(lower, upper), np.maximum(lower, upper)


def rational(x: Any) -> Fraction:
    """A multiprecision number as it is stored, of either context."""
    sign, mantissa, exponent, _ = x._mpf_
    return (-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def all_within(fit: PolynomialFit, lane: int, phi: Any, x: Any) -> bool:
    """Whether the polynomials of all degrees are as near to phi(x) as they say: they are evaluated exactly, since where
    phi is x itself the error is 0 and a referee that divides would exceed it.
    """
    t = (rational(x) - Fraction(float(fit.centre[lane]))) / Fraction(float(fit.radius[lane]))
    for row, error in zip(fit.coefficients[lane], fit.error[lane], strict=True):
        value = Fraction(0)
        for coefficient in row[::-1]:
            value = value * t + Fraction(float(coefficient))
        if abs(rational(phi) - value) > Fraction(float(error)):
            return False
    return True


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("degree", [0, 3, 5])
def test_errors_are_bounds(kind: Activation, degree: int) -> None:
    rng = np.random.default_rng(degree)
    lower, upper = intervals(rng)
    fit = polynomial_fit(kind, lower, upper, degree)
    assert np.isfinite(fit.error).all()
    for lane in range(len(lower)):
        a, b = mpmath.mpf(float(lower[lane])), mpmath.mpf(float(upper[lane]))
        shares = [0.0, 1.0, *rng.random(6)]
        points = [a + mpmath.mpf(share) * (b - a) for share in shares]
        points += [mpmath.mpf(k) for k in (0.0, -0.7, 0.4) if a <= k <= b]
        for x in points:
            assert all_within(fit, lane, high_precision.activation(kind, x, 0), x)


@pytest.mark.parametrize("kind", KINDS[:5], ids=repr)
def test_errors_are_bounds_where_they_are_largest(kind: Activation) -> None:
    """At the worst of many sampled points of every degree."""
    rng = np.random.default_rng(7)
    radius = 10.0 ** rng.uniform(-1.0, 3.0, 200)
    centre = rng.normal(size=200) * np.minimum(radius, 2.0)
    fit = polynomial_fit(kind, centre - radius, centre + radius, 5)
    x = centre[:, None] + radius[:, None] * np.linspace(-1.0, 1.0, 2001)
    t = (x - fit.centre[:, None]) / fit.radius[:, None]
    for degree in range(6):
        p = sum(fit.coefficients[:, degree, j : j + 1] * t**j for j in range(degree + 1))
        away = kind.value(x) - p
        for worst in (away.argmin(axis=1), away.argmax(axis=1)):
            for lane, place in enumerate(worst):
                point = mpmath.mpf(float(x[lane, place]))
                assert all_within(fit, lane, high_precision.activation(kind, point, 0), point)


@pytest.mark.parametrize("kind", KINDS[:5], ids=repr)
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_errors_are_nearly_those_of_the_fit(kind: Activation, degree: int) -> None:
    """On moderate intervals at most a twentieth above the largest of many sampled errors."""
    rng = np.random.default_rng(degree)
    lower = rng.normal(size=30)
    upper = lower + 0.3 + 2.0 * rng.random(30)
    fit = polynomial_fit(kind, lower, upper, degree)
    x = lower[:, None] + (upper - lower)[:, None] * np.linspace(0.0, 1.0, 4001)
    t = (x - fit.centre[:, None]) / fit.radius[:, None]
    p = sum(fit.coefficients[:, degree, j : j + 1] * t**j for j in range(degree + 1))
    sampled = np.abs(kind.value(x) - p).max(axis=1)
    assert (fit.error[:, degree] <= 1.05 * sampled + 1e-13).all()


def test_the_error_falls_with_the_degree_and_the_width() -> None:
    _, one, _, three = polynomial_fit(Tanh(), np.array([-0.5]), np.array([0.7]), 3).error[0]
    assert three < 0.1 * one
    small = polynomial_fit(Tanh(), np.array([0.05]), np.array([0.17]), 3).error[0, 3]
    assert small < 1e-3 * three


def test_what_overflows_is_unknown() -> None:
    for low, high in ((-np.inf, 1.0), (np.nan, 1.0), (0.0, np.inf)):
        fit = polynomial_fit(Tanh(), np.array([low, 0.0]), np.array([high, 1.0]), 2)
        assert not np.isfinite(fit.error[0]).any()
        assert np.isfinite(fit.error[1]).all()


def test_limits_of_each_lane() -> None:
    """A saturation with limits per lane is fitted lane by lane."""
    lows, highs = (-0.5, -2.0, 0.1), (0.5, 0.3, 0.2)
    lower, upper = np.full(3, -1.0), np.full(3, 1.0)
    together = polynomial_fit(Clip(lows, highs), lower, upper, 2)
    for lane, (low, high) in enumerate(zip(lows, highs, strict=True)):
        alone = polynomial_fit(Clip(low, high), lower[:1], upper[:1], 2)
        np.testing.assert_allclose(together.coefficients[lane], alone.coefficients[0], atol=1e-12)
        np.testing.assert_allclose(together.error[lane], alone.error[0], atol=1e-12)


@pytest.mark.parametrize("exact", THIRD_PARTY, ids=lambda e: type(e.activation).__name__)
@pytest.mark.parametrize("degree", [1, 3])
def test_activations_that_declare_no_curvature(exact: ExactActivation, degree: int) -> None:
    """A slope range is enough; the error is looser where it says little."""
    rng = np.random.default_rng(degree)
    lower, upper = intervals(rng)
    fit = polynomial_fit(exact.activation, lower, upper, degree)
    assert np.isfinite(fit.error).all()
    for lane in range(len(lower)):
        a, b = MP.mpf(float(lower[lane])), MP.mpf(float(upper[lane]))
        for x in (a, b, *(a + MP.mpf(share) * (b - a) for share in rng.random(5)), *([MP.zero] if a <= 0 <= b else [])):
            assert all_within(fit, lane, exact.phi(x), x)
