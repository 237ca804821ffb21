"""Scalar intervals for compiled loops: arithmetic in rationals, Taylor coefficients with 60 digits, no tolerance."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from nnctrl.sets import elementary_kernels as kernels

mpmath.mp.dps = 60

ORDER = 6
KINDS = {
    "sin": kernels.SIN,
    "cos": kernels.COS,
    "reciprocal": kernels.RECIPROCAL,
    "exp": kernels.EXP,
    "log": kernels.LOG,
    "sqrt": kernels.SQRT,
    "tanh": kernels.TANH,
    "arctan": kernels.ARCTAN,
    "arcsin": kernels.ARCSIN,
    "sinh": kernels.SINH,
    "cosh": kernels.COSH,
}


def exact_coefficients(name: str, x: mpmath.mpf) -> list[mpmath.mpf]:
    """f^(k)(x) / k! for k = 0 .. ORDER, from closed forms (of the tangent: by differences with 120 digits)."""
    counts = range(ORDER + 1)
    if name in ("sin", "cos"):
        turn = 0 if name == "sin" else 1
        waves = (mpmath.sin(x), mpmath.cos(x), -mpmath.sin(x), -mpmath.cos(x))
        return [waves[(k + turn) % 4] / mpmath.factorial(k) for k in counts]
    if name in ("sinh", "cosh"):
        pair = (mpmath.sinh(x), mpmath.cosh(x))
        return [pair[(k + (name == "cosh")) % 2] / mpmath.factorial(k) for k in counts]
    if name == "exp":
        return [mpmath.exp(x) / mpmath.factorial(k) for k in counts]
    if name == "reciprocal":
        return [(-1) ** k / x ** (k + 1) for k in counts]
    if name == "log":
        return [mpmath.log(x), *((-1) ** (k - 1) / (k * x**k) for k in counts[1:])]
    if name == "sqrt":
        return [mpmath.binomial(mpmath.mpf(1) / 2, k) * mpmath.sqrt(x) / x**k for k in counts]
    if name == "arctan":
        # the derivative is the imaginary part of 1 / (x - i)
        slopes = [mpmath.im((-1) ** k / (mpmath.mpc(x, -1)) ** (k + 1)) for k in counts]
        return [mpmath.atan(x), *(slopes[k - 1] / k for k in counts[1:])]
    if name == "arcsin":
        # the derivative is a product of two binomial series
        half = -mpmath.mpf(1) / 2
        left = [mpmath.binomial(half, k) * (1 + x) ** (half - k) for k in counts]
        right = [mpmath.binomial(half, k) * (-1) ** k * (1 - x) ** (half - k) for k in counts]
        slopes = [mpmath.fsum(left[i] * right[k - i] for i in range(k + 1)) for k in counts]
        return [mpmath.asin(x), *(slopes[k - 1] / k for k in counts[1:])]
    with mpmath.workdps(120):
        return list(mpmath.taylor(mpmath.tanh, x, ORDER))


def random_interval(rng: np.random.Generator, name: str) -> tuple[float, float]:
    """Ordinary, degenerate, tiny, wide, near the end of the domain, and (waves) at huge angles; within the domain."""
    shape = rng.choice(["ordinary", "point", "tiny", "wide", "edge", "huge"])
    centre, width = float(rng.normal(scale=2.0)), float(rng.random())
    if shape == "point":
        width = 0.0
    elif shape == "tiny":
        width = 10.0 ** float(rng.integers(-16, -3))
    elif shape == "wide":
        width = 10.0 ** float(rng.integers(1, 3))
    elif shape == "huge" and name in ("sin", "cos", "arctan", "reciprocal"):
        centre *= 10.0 ** float(rng.integers(2, 8))
    low, high = centre, centre + width
    if name in ("log", "sqrt", "reciprocal"):
        low = abs(low) if shape != "edge" else 10.0 ** float(rng.integers(-30, -3))
        high = low + width
    if name == "arcsin":
        low, high = math.sin(low), math.sin(high)
        if shape == "edge":
            low, high = 1.0 - 10.0 ** float(rng.integers(-15, -3)), math.nextafter(1.0, 0.0)
        low, high = (max(min(low, high), -1.0), min(max(low, high), 1.0)) if shape != "point" else (low, low)
    if name == "reciprocal" and rng.random() < 0.5:
        low, high = -high, -low
    return low, high


def coefficients(kind: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    below, above = np.empty(ORDER + 1), np.empty(ORDER + 1)
    kernels.taylor_coefficients(kind, low, high, ORDER, below, above)
    return below, above


@pytest.mark.parametrize("name", KINDS)
def test_taylor_coefficients_enclose_those_at_every_point(name: str) -> None:
    rng = np.random.default_rng(list(KINDS).index(name))
    for _ in range(60 if name == "tanh" else 250):
        low, high = random_interval(rng, name)
        below, above = coefficients(KINDS[name], low, high)
        ends = Fraction(low), Fraction(high)
        for share in (Fraction(0), Fraction(1), Fraction(int(rng.integers(1, 64)), 64)):
            x = ends[0] + share * (ends[1] - ends[0])
            point = mpmath.mpf(x.numerator) / x.denominator
            if name == "arcsin" and abs(point) == 1:
                continue
            for k, value in enumerate(exact_coefficients(name, point)):
                assert not value < below[k], (low, high, k)
                assert not value > above[k], (low, high, k)


@pytest.mark.parametrize("name", KINDS)
def test_points_give_coefficients_to_a_dozen_digits(name: str) -> None:
    """Where they are well conditioned: between a quarter and a half."""
    rng = np.random.default_rng(7)
    for x in rng.uniform(0.25, 0.5, size=20):
        below, above = coefficients(KINDS[name], x, x)
        size = [max(abs(float(value)), 0.1) for value in exact_coefficients(name, mpmath.mpf(float(x)))]
        assert (above - below <= 1e-12 * np.array(size)).all()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("log", 0.0, 1.0),
        ("log", -1.0, 1.0),
        ("sqrt", -1e-300, 1.0),
        ("reciprocal", 0.0, 1.0),
        ("reciprocal", -1.0, 1.0),
        ("reciprocal", -0.0, -0.0),
        ("arcsin", -1.0, 1.0000000000000002),
        ("arcsin", -2.0, 0.0),
    ],
)
def test_nothing_is_known_outside_the_domain(name: str, low: float, high: float) -> None:
    below, above = coefficients(KINDS[name], low, high)
    assert np.isnan(below).any() or np.isnan(above).any()
    assert np.isnan(kernels.value(KINDS[name], low, high)).any()


@pytest.mark.parametrize(("name", "low", "high"), [("sqrt", 0.0, 1.0), ("arcsin", 0.0, 1.0)])
def test_unbounded_derivatives_are_unknown_but_values_are_not(name: str, low: float, high: float) -> None:
    below, above = coefficients(KINDS[name], low, high)
    assert below[0] <= 0.0
    assert above[0] >= 1.0
    assert np.isnan(below[1:]).all()
    assert np.isnan(above[1:]).all()


def test_what_overflows_has_an_end_that_is_not_finite() -> None:
    for kind, low, high in ((kernels.EXP, 700.0, 800.0), (kernels.COSH, -800.0, 0.0), (kernels.SINH, 0.0, 800.0)):
        below, above = coefficients(kind, low, high)
        assert not (np.isfinite(above) & np.isfinite(below)).any()
        assert not (below == math.inf).any()


def test_nan_never_becomes_a_number() -> None:
    nan = math.nan
    for pair in ((nan, 3.0), (3.0, nan), (nan, nan)):
        for ends in (kernels.square(*pair), kernels.multiply(*pair, 0.0, 0.0), kernels.multiply(1.0, 2.0, *pair)):
            assert np.isnan(ends).any()
            assert not np.isfinite(ends).any()
    assert np.isnan(kernels.multiply(0.0, 0.0, -math.inf, math.inf)).all()
    assert np.isnan(kernels.multiply(0.0, 1.0, 1.0, math.inf)).all()


def test_waves_of_angles_beyond_reduction_are_in_the_unit_interval() -> None:
    assert kernels.wave(kernels.SIN, 1e9, 1e9) == (-1.0, 1.0)
    assert kernels.wave(kernels.COS, 0.0, 1e300) == (-1.0, 1.0)


def test_waves_reach_their_extremes_exactly_where_these_are_inside() -> None:
    half = 0.5 * math.pi
    assert kernels.wave(kernels.SIN, half, math.nextafter(half, 2.0))[1] == 1.0
    assert kernels.wave(kernels.COS, -1e-3, 1e-3)[1] == 1.0
    assert kernels.wave(kernels.COS, 0.1, 0.2)[1] < 1.0
    assert kernels.wave(kernels.SIN, 4.0, 5.0)[0] == -1.0


def exact_ends(a: float, b: float) -> tuple[Fraction, Fraction]:
    return Fraction(a), Fraction(b)


def test_arithmetic_encloses_rational_results() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        scale = 10.0 ** rng.integers(-160, 150, size=4).astype(float)
        a, b, c, d = (rng.normal(size=4) * scale).tolist()
        if rng.random() < 0.2:
            a, c = 0.0, -0.0
        if rng.random() < 0.1:
            b = a
        a, b, c, d = min(a, b), max(a, b), min(c, d), max(c, d)
        low, high = kernels.add(a, b, c, d)
        assert low <= Fraction(a) + Fraction(c)
        assert high >= Fraction(b) + Fraction(d)
        low, high = kernels.multiply(a, b, c, d)
        products = [p * q for p in exact_ends(a, b) for q in exact_ends(c, d)]
        assert low <= min(products)
        assert high >= max(products)
        low, high = kernels.square(a, b)
        squares = [p * p for p in exact_ends(a, b)]
        assert 0 <= low <= (0 if a <= 0 <= b else min(squares))
        assert high >= max(squares)
        low, high = kernels.reciprocal(a, b)
        if a > 0.0 or b < 0.0:
            assert low <= 1 / Fraction(b)
            assert high >= 1 / Fraction(a)
        else:
            assert math.isnan(low)
            assert math.isnan(high)
