"""Polynomial fits are as near to the real activation as they say, with zero tolerance, and not much farther."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from nnctrl.networks.activations import Activation, Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.polynomial_fit import polynomial_fit
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


def true_error(kind: Activation, fit, lane: int, x: mpmath.mpf) -> mpmath.mpf:
    t = (x - mpmath.mpf(float(fit.centre[lane]))) / mpmath.mpf(float(fit.radius[lane]))
    value = sum((mpmath.mpf(float(k)) * t**j for j, k in enumerate(fit.coefficients[lane])), mpmath.mpf(0))
    return abs(high_precision.activation(kind, x, 0) - value)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
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
            assert true_error(kind, fit, lane, x) <= fit.error[lane]


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
    p = sum(fit.coefficients[:, j : j + 1] * t**j for j in range(degree + 1))
    sampled = np.abs(kind.value(x) - p).max(axis=1)
    assert (fit.error <= 1.05 * sampled + 2e-5).all()


def test_the_error_falls_with_the_degree_and_the_width() -> None:
    one, three = (polynomial_fit(Tanh(), np.array([-0.5]), np.array([0.7]), degree).error[0] for degree in (1, 3))
    assert three < 0.1 * one
    small = polynomial_fit(Tanh(), np.array([0.05]), np.array([0.17]), 3).error[0]
    assert small < 1e-3 * three


def test_what_overflows_is_unknown() -> None:
    for low, high in ((-np.inf, 1.0), (np.nan, 1.0), (0.0, np.inf)):
        fit = polynomial_fit(Tanh(), np.array([low, 0.0]), np.array([high, 1.0]), 2)
        assert not np.isfinite(fit.error[0])
        assert np.isfinite(fit.error[1])


def test_limits_of_each_lane() -> None:
    """A saturation with limits per lane is fitted lane by lane."""
    lows, highs = (-0.5, -2.0, 0.1), (0.5, 0.3, 0.2)
    lower, upper = np.full(3, -1.0), np.full(3, 1.0)
    together = polynomial_fit(Clip(lows, highs), lower, upper, 2)
    for lane, (low, high) in enumerate(zip(lows, highs, strict=True)):
        alone = polynomial_fit(Clip(low, high), lower[:1], upper[:1], 2)
        np.testing.assert_allclose(together.coefficients[lane], alone.coefficients[0], atol=1e-12)
        assert together.error[lane] == pytest.approx(alone.error[0])


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
            t = (x - MP.mpf(float(fit.centre[lane]))) / MP.mpf(float(fit.radius[lane]))
            value = sum((MP.mpf(float(k)) * t**j for j, k in enumerate(fit.coefficients[lane])), MP.zero)
            assert abs(exact.phi(x) - value) <= fit.error[lane]
