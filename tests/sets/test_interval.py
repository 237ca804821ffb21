"""Intervals against rational and 60-digit arithmetic: every operation contains the real result, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.sets.interval import Interval

SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1e-300,
    1e300,
    -1e300,
    1.7976931348623157e308,
]
ANY = st.one_of(st.sampled_from(SPECIAL), st.floats(allow_nan=False, allow_infinity=False), st.floats(-10.0, 10.0))
SHARE = st.floats(0.0, 1.0)


@st.composite
def intervals(draw: Any, elements: Any = ANY) -> tuple[Interval, float]:
    """An interval, points included, and a double inside it."""
    a = draw(elements)
    b = a if draw(st.booleans()) and draw(st.booleans()) else draw(elements)
    low, high = min(a, b), max(a, b)
    share = draw(SHARE)
    inner = draw(st.sampled_from([low, high, (1 - share) * low + share * high]))
    return Interval(low, high), min(max(inner, low), high)


def holds(result: Interval, value: Fraction | mpmath.mpf) -> bool:
    """Whether the real `value` lies in the interval; the comparison is exact."""
    low, high = float(result.lower), float(result.upper)
    if isinstance(value, Fraction):
        return (low == -math.inf or Fraction(low) <= value) and (high == math.inf or value <= Fraction(high))
    return bool(mpmath.mpf(low) <= value <= mpmath.mpf(high))


def is_entire(result: Interval) -> bool:
    return bool(np.all(result.is_entire))


@given(intervals(), intervals())
def test_arithmetic_contains_the_real_result(one: tuple[Interval, float], two: tuple[Interval, float]) -> None:
    (a, x), (b, y) = one, two
    p, q = Fraction(x), Fraction(y)
    assert holds(a + b, p + q)
    assert holds(a - b, p - q)
    assert holds(a * b, p * q)
    assert holds(-a, -p)
    assert holds(abs(a), abs(p))
    assert holds(a.minimum(b), min(p, q))
    assert holds(a.maximum(b), max(p, q))
    assert holds(a.hull(b), p)
    assert holds(a.hull(b), q)
    if q != 0:
        assert holds(a / b, p / q)
    if float(b.lower) <= 0.0 <= float(b.upper):
        assert is_entire(a / b)
    if a.contains(y):
        assert holds(a.intersection(b), q)


@given(intervals(), ANY)
def test_numbers_mix_on_both_sides(one: tuple[Interval, float], y: float) -> None:
    (a, x), q = one, Fraction(y)
    p = Fraction(x)
    for other in (y, np.float64(y), np.array(y), np.array([y]), Interval.point(y)):
        pairs = [
            (a + other, p + q),
            (other + a, p + q),
            (a - other, p - q),
            (other - a, q - p),
            (a * other, p * q),
            (other * a, p * q),
        ]
        pairs += [(a / other, p / q)] if y else []
        pairs += [(other / a, q / p)] if x else []
        for result, real in pairs:
            assert isinstance(result, Interval)
            assert holds(result[0] if result.shape else result, real)


@given(intervals(), st.integers(-7, 12))
def test_integer_powers(one: tuple[Interval, float], power: int) -> None:
    a, x = one
    if power < 0 and x == 0.0:
        return
    assert holds(a**power, Fraction(x) ** power)
    if power > 0 and power % 2 == 0 and not is_entire(a**power):
        assert float((a**power).lower) >= 0.0


def test_powers_are_tight() -> None:
    a = Interval(-2.0, 3.0)
    assert float((a**2).lower) == 0.0
    assert float((a**2).upper) == pytest.approx(9.0, rel=1e-14)
    assert float((a**3).lower) == pytest.approx(-8.0, rel=1e-14)
    assert float((a**0).lower) == float((a**0).upper) == 1.0
    assert float((a * a).lower) == 0.0  # the same number twice
    assert float((a**1).lower) == -2.0
    assert float((Interval(0.0, 0.0) ** 6).upper) == 0.0


FUNCTIONS: dict[str, tuple[Callable[[mpmath.mpf], mpmath.mpf], float, float]] = {
    "sqrt": (mpmath.sqrt, 0.0, math.inf),
    "exp": (mpmath.exp, -800.0, 800.0),
    "log": (mpmath.log, 5e-324, math.inf),
    "sin": (mpmath.sin, -math.inf, math.inf),
    "cos": (mpmath.cos, -math.inf, math.inf),
    "tan": (mpmath.tan, -math.inf, math.inf),
    "arcsin": (mpmath.asin, -1.0, 1.0),
    "arccos": (mpmath.acos, -1.0, 1.0),
    "arctan": (mpmath.atan, -math.inf, math.inf),
    "sinh": (mpmath.sinh, -800.0, 800.0),
    "cosh": (mpmath.cosh, -800.0, 800.0),
    "tanh": (mpmath.tanh, -800.0, 800.0),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@given(one=intervals())
def test_elementary_functions_contain_the_real_result(name: str, one: tuple[Interval, float]) -> None:
    a, x = one
    real, lowest, highest = FUNCTIONS[name]
    image = getattr(a, name)()
    if not (lowest <= x <= highest):
        return
    # 400 digits: reduction of arguments up to 1e308
    with mpmath.workdps(400 if abs(x) > 1e15 and name in ("sin", "cos", "tan") else 60):
        assert holds(image, real(mpmath.mpf(x)))


@pytest.mark.parametrize("name", ["sin", "cos"])
@given(
    turns=st.integers(-40, 40),
    low=st.floats(-1e-3, 1e-3),
    wide=st.sampled_from([0.0, 1e-16, 1e-12, 1e-6, 1.0]),
    share=SHARE,
)
def test_waves_near_their_extremes(name: str, turns: int, low: float, wide: float, share: float) -> None:
    start = turns * (math.pi / 2) + low
    a = Interval(start, start + wide)
    x = min(max(start + share * wide, start), start + wide)
    image = getattr(a, name)()
    with mpmath.workdps(60):
        assert holds(image, getattr(mpmath, name)(mpmath.mpf(x)))
        # the extreme itself, where it lies inside
        quarter = mpmath.pi / 2 * turns
        if mpmath.mpf(float(a.lower)) <= quarter <= mpmath.mpf(float(a.upper)):
            assert holds(image, mpmath.nint(getattr(mpmath, name)(quarter)))
    assert -1.0 <= float(image.lower) <= float(image.upper) <= 1.0


@pytest.mark.parametrize("seed", range(3))
def test_waves_are_tight_away_from_extremes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-30, 30, 300)
    a = Interval(centre, centre + 1e-3)
    for name in ("sin", "cos"):
        image = getattr(a, name)()
        points = getattr(np, name)(np.linspace(a.lower, a.upper, 1001))
        assert (image.lower <= points.min(axis=0)).all()
        assert (image.upper >= points.max(axis=0)).all()
        assert (image.upper - points.max(axis=0) < 1e-12 + 2.6e-13).all()
        assert (points.min(axis=0) - image.lower < 1e-12 + 2.6e-13).all()


def test_wide_and_huge_arguments_of_waves() -> None:
    for a in (Interval(0.0, 7.0), Interval(-1e300, 1e300), Interval(2.0**40, 2.0**40), Interval(0.0, np.inf)):
        for image in (a.sin(), a.cos()):
            assert float(image.lower) == -1.0
            assert float(image.upper) == 1.0
    assert is_entire(Interval(2.0**40, 2.0**40).tan())


def test_tangent_between_and_across_poles() -> None:
    image = Interval(-1.5, 1.5).tan()
    assert float(image.upper) == pytest.approx(math.tan(1.5), rel=1e-13)
    assert is_entire(Interval(1.5, 1.6).tan())
    assert is_entire(Interval(math.pi / 2, math.pi / 2).tan())  # rounding cannot tell the side of the pole
    assert is_entire(Interval(-10.0, 10.0).tan())
    assert not is_entire(Interval(1.58, 4.7).tan())


@pytest.mark.parametrize(
    "undefined",
    [
        Interval(-1.0, 1.0).sqrt(), Interval(0.0, 1.0).log(), Interval(-1.0, -0.5).log(), Interval(0.5, 1.5).arcsin(),
        Interval(-2.0, 0.0).arccos(), 1.0 / Interval(-1.0, 1.0), Interval(1.0, 2.0) / 0.0, Interval(math.nan, 1.0),
        Interval(math.inf, math.inf), Interval(-math.inf, -math.inf), Interval(1.0, 2.0) + math.nan,
        Interval(1e300, 1e300) * 1e300, Interval(1e300, 1e300) ** 2, Interval(710.0, 711.0).exp(),
    ],
)  # fmt: skip
def test_undefined_never_turns_into_a_claim(undefined: Interval) -> None:
    assert is_entire(undefined)
    zero = Interval.point(0.0)
    for result in (
        undefined * 0.0, zero * undefined, undefined + 1.0, 1.0 - undefined, undefined / 2.0, 1.0 / undefined,
        undefined**2, undefined**0, abs(undefined), undefined.minimum(0.0), zero.maximum(undefined), undefined.sin(),
        undefined.cos(),
        undefined.tanh(), undefined.exp(), undefined.cosh(), undefined.arctan(), undefined.sqrt(), undefined.square(),
        undefined.hull(0.0), -undefined, undefined[None].affine(np.zeros((1, 1)), np.zeros(1)),
    ):  # fmt: skip
        assert is_entire(result)
    assert not undefined.certainly_less(math.inf)
    assert not undefined.certainly_at_most(math.inf)
    assert undefined.radius == math.inf


def test_square_roots_of_sums_of_squares_stay_defined_at_zero() -> None:
    x, y = Interval(-1.0, 1.0), Interval(0.0, 0.0)
    assert float((x**2 + y**2).sqrt().lower) == 0.0
    assert float((y**2 + y**2).sqrt().upper) == 0.0
    assert float((x * x + 0.0 * x).sqrt().lower) == 0.0


@given(intervals())
def test_middle_and_radius_contain_the_interval(one: tuple[Interval, float]) -> None:
    a, _ = one
    middle, radius = float(a.middle), float(a.radius)
    assert math.isfinite(middle)
    if radius < math.inf:
        assert Fraction(middle) - Fraction(radius) <= Fraction(float(a.lower))
        assert Fraction(middle) + Fraction(radius) >= Fraction(float(a.upper))
    if a.lower == a.upper:
        assert radius == 0.0


@given(intervals(), intervals())
def test_certain_comparisons(one: tuple[Interval, float], two: tuple[Interval, float]) -> None:
    (a, x), (b, y) = one, two
    if a.certainly_less(b):
        assert x < y
    if a.certainly_at_most(b):
        assert x <= y
    if b.contains(a):
        assert b.contains(x)
    assert a.contains(x)
    assert not a.contains(math.nan)


@pytest.mark.parametrize("seed", range(20))
def test_affine_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.standard_normal((2, 4)) * 10.0 ** rng.integers(-3, 4)
    a = Interval(low, low + rng.random((2, 4)) * rng.choice([0.0, 1.0], 4))
    weight, bias = rng.standard_normal((3, 4)), rng.standard_normal(3)
    image = a.affine(weight, bias)
    for x in (a.lower, a.upper, a.middle):
        for batch in range(2):
            for i in range(3):
                value = sum(
                    (Fraction(float(w)) * Fraction(float(v)) for w, v in zip(weight[i], x[batch], strict=True)),
                    Fraction(float(bias[i])),
                )
                assert holds(image[batch, i], value)


def test_shapes_broadcast_and_arrays_on_the_left_stay_arrays_of_intervals() -> None:
    a = Interval(np.zeros(3), 1.0)
    assert a.shape == (3,)
    assert len(a) == 3
    result = np.ones((2, 1)) * a
    assert isinstance(result, Interval)
    assert result.shape == (2, 3)
    assert a[1].shape == ()
    stacked = Interval.stack([a[0], 2.0, a], axis=-1)
    assert stacked.shape == (3, 3)
    assert float(stacked.lower[0, 1]) == 2.0


def test_intervals_are_immutable_and_do_not_share_the_given_arrays() -> None:
    ends = np.zeros(2)
    a = Interval(ends, ends)
    ends[0] = 5.0
    assert float(a.upper[0]) == 0.0
    with pytest.raises(ValueError, match="read-only"):
        a.lower[0] = 1.0
    with pytest.raises(AttributeError):
        a.lower = np.ones(2)  # type: ignore[misc]


def test_messages() -> None:
    with pytest.raises(
        InputError, match=r"entry \(1,\) of an interval has lower end 3.0 above upper end 2.0; give lower <= upper"
    ):
        Interval([0.0, 3.0], [1.0, 2.0])
    with pytest.raises(
        UnsupportedError, match=r"raised to the power 0.5, but only whole numbers up to 1048576 .* exp\(p \* log\(x\)\)"
    ):
        Interval(1.0, 2.0) ** 0.5
    with pytest.raises(UnsupportedError, match="power 2000000"):
        Interval(1.0, 2.0) ** 2000000
    with pytest.raises(UnsupportedError, match="power nan"):
        Interval(1.0, 2.0) ** math.nan
    with pytest.raises(InputError, match=r"two intervals do not meet at entry \(\): the larger lower end is 2.0"):
        Interval(0.0, 1.0).intersection(Interval(2.0, 3.0))
    with pytest.raises(TypeError):
        Interval(0.0, 1.0) + "1.0"
    with pytest.raises(TypeError):
        assert Interval(0.0, 1.0) < 2.0  # type: ignore[operator]


@given(st.lists(ANY, min_size=4, max_size=4))
def test_intersection_is_exact(ends: list[float]) -> None:
    a, b = Interval(min(ends[:2]), max(ends[:2])), Interval(min(ends[2:]), max(ends[2:]))
    low, high = max(float(a.lower), float(b.lower)), min(float(a.upper), float(b.upper))
    assume(low <= high)
    common = a.intersection(b)
    assert (float(common.lower), float(common.upper)) == (low, high)


def test_angles_contain_the_angle_of_every_vector() -> None:
    rng = np.random.default_rng(0)
    for _ in range(400):
        ends = np.sort(rng.normal(size=(2, 2)) * 10.0 ** rng.integers(-12, 12, size=2), axis=0)
        ends[:, rng.random(2) < 0.2] = 0.0
        y, x = (Interval(*np.split(ends[:, k], 2)) for k in range(2))
        angle = y.arctan2(x)
        for share in (0.0, 1.0, *rng.random(4)):
            point = [mpmath.mpf(float(np.clip(low + share * (high - low), low, high))) for low, high in ends.T]
            truth = mpmath.atan2(*point) if any(point) else mpmath.mpf(0)
            assert mpmath.mpf(float(angle.lower[0])) <= truth <= mpmath.mpf(float(angle.upper[0]))
    across = Interval(-1.0, 1.0).arctan2(-1.0)
    assert float(across.upper) >= math.pi
    assert not np.isfinite((Interval(-1.0, 1.0).log()).arctan2(1.0).upper)
