"""Every function of the rounding module against rational arithmetic, the library functions against 40 digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnctrl.sets import rounding
from nnctrl.sets.rounding import LIBRARY_ULPS, TINY, UNIT_ROUNDOFF
from tests.sets.exact_sets import dot, exact

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow on purpose

FINITE = st.floats(allow_nan=False, allow_infinity=False)
MODERATE = st.floats(min_value=-1e3, max_value=1e3)
BACKENDS = [np.asarray, torch.from_numpy]


def is_upper(bound: float, value: Fraction) -> bool:
    """Whether `bound` is an upper bound of `value` or says that nothing is proved."""
    return math.isnan(bound) or bound == math.inf or (math.isfinite(bound) and Fraction(bound) >= value)


def is_lower(bound: float, value: Fraction) -> bool:
    """Whether `bound` is a lower bound of `value` or says that nothing is proved."""
    return is_upper(-bound, -value)


def nasty_vector(rng: np.random.Generator, size: int) -> np.ndarray:
    """Cancellation, mixed magnitudes, subnormals, zeros, sizes near the overflow threshold."""
    kind = rng.integers(6)
    x = rng.standard_normal(size)
    if kind == 0:
        x = x * 10.0 ** rng.uniform(-150, 150, size)
    elif kind == 1:
        x = np.concatenate([x, -x * (1 + 2.0**-50 * rng.integers(-3, 4, size))])[rng.permutation(2 * size)][:size]
    elif kind == 2:
        x = x * 5e-324 * rng.integers(0, 100, size)
    elif kind == 3:
        x = x * 10.0 ** rng.uniform(300, 308)
    elif kind == 4:
        x = np.round(x * 8) / 8 * rng.choice([0.0, 1.0, 2.0**53], size)
    return x


@given(FINITE, FINITE)
def test_two_sum_is_exact(x: float, y: float) -> None:
    s, e = rounding.two_sum(np.float64(x), np.float64(y))
    if np.isfinite(s) and np.isfinite(e):
        assert Fraction(float(s)) + Fraction(float(e)) == Fraction(x) + Fraction(y)


@given(FINITE, FINITE)
def test_add_up_and_down_are_the_neighbouring_doubles(x: float, y: float) -> None:
    total = Fraction(x) + Fraction(y)
    for wrap in BACKENDS:
        a, b = wrap(np.array([x])), wrap(np.array([y]))
        up, down = float(rounding.add_up(a, b)[0]), float(rounding.add_down(a, b)[0])
        assert is_upper(up, total)
        assert is_lower(down, total)
        if abs(x) < 1e307 and abs(y) < 1e307:
            assert down == up == x + y if total == Fraction(x + y) else up == math.nextafter(down, math.inf)


@given(FINITE, FINITE, st.sampled_from(["+", "-", "*", "/"]))
def test_widening_covers_one_operation(x: float, y: float, operation: str) -> None:
    if operation == "/" and y == 0.0:
        return
    a, b = np.float64(x), np.float64(y)
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / (b if b else 1.0)}[operation]
    p, q = Fraction(x), Fraction(y)
    real = p + q if operation == "+" else p - q if operation == "-" else p * q if operation == "*" else p / q
    for wrap in BACKENDS:
        array = wrap(np.array([value]))
        assert is_upper(float(rounding.widen_up(array, 1.0)[0]), real)
        assert is_lower(float(rounding.widen_down(array, 1.0)[0]), real)
        if operation in "+-":
            assert is_upper(float(rounding.widen_up(array, 1.0, absolute=0.0)[0]), real)
            assert is_lower(float(rounding.widen_down(array, 1.0, absolute=0.0)[0]), real)


@given(FINITE, st.floats(min_value=0.0, max_value=64.0), st.floats(min_value=-1.0, max_value=1.0))
def test_widening_covers_relative_roundoffs(x: float, roundoffs: float, share: float) -> None:
    real = Fraction(x) + Fraction(share) * Fraction(roundoffs) * Fraction(UNIT_ROUNDOFF) * abs(Fraction(x))
    assert is_upper(float(rounding.widen_up(np.float64(x), roundoffs)), real)
    assert is_lower(float(rounding.widen_down(np.float64(x), roundoffs)), real)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 10, 1000, 10**6, 10**9])
def test_gamma_is_an_upper_bound(k: int) -> None:
    u = Fraction(UNIT_ROUNDOFF)
    assert Fraction(rounding.gamma(k)) >= k * u / (1 - k * u)


@pytest.mark.parametrize("seed", range(60))
def test_sums_products_and_norms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.choice([1, 2, 3, 7, 40, 300]))
    x, y = nasty_vector(rng, size), nasty_vector(rng, size)
    total, product, square = sum(exact(x)), dot(exact(x), exact(y)), dot(exact(x), exact(x))
    for wrap in BACKENDS:
        a, b = wrap(x.copy()), wrap(y.copy())
        assert is_upper(float(rounding.sum_up(a)), total)
        assert is_upper(float(rounding.dot_up(a, b)), product)
        assert is_lower(float(rounding.dot_down(a, b)), product)
        norm = float(rounding.norm_up(a))
        assert math.isnan(norm) or norm == math.inf or Fraction(norm) ** 2 >= square


def test_sums_along_another_axis() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3))
    for axis in (0, 1, -1):
        bounds = rounding.sum_up(x, axis)
        columns = np.moveaxis(x, axis, -1)
        assert all(is_upper(float(b), sum(exact(c))) for b, c in zip(bounds, columns, strict=True))


def test_norms_are_sharp_at_every_scale() -> None:
    for scale in (1e-290, 1e-200, 1.0, 1e200, 1e307):
        x = np.array([3.0, 4.0]) * scale
        assert rounding.norm_up(x) == pytest.approx(5.0 * scale, rel=1e-9)
    assert 0.0 < rounding.norm_up(np.zeros(3)) <= TINY
    assert rounding.norm_up(np.zeros((2, 0))).shape == (2,)


def test_overflow_of_a_norm_claims_nothing() -> None:
    assert not np.isfinite(rounding.norm_up(np.array([1e308, 1.5e308])))
    assert np.isnan(rounding.norm_up(np.array([np.inf, 1.0])))


@given(st.lists(st.floats(min_value=0.0, max_value=1e100), min_size=1, max_size=30))
def test_grow_up_covers_sums_and_products_of_nonnegative_terms(terms: list[float]) -> None:
    x = np.array(terms)
    computed, real = np.float64(0.0), Fraction(0)
    for a, b in zip(x, x[::-1], strict=True):
        computed = computed + a * b
        real += Fraction(float(a)) * Fraction(float(b))
    assert is_upper(float(rounding.grow_up(computed, len(terms) + 1)), real)


def enclosed(middle: object, radius: object, value: Fraction) -> bool:
    """Whether |value - middle| <= radius, or the radius says that nothing is proved."""
    m, r = float(middle), float(radius)  # type: ignore[arg-type]
    return not math.isfinite(r) or (math.isfinite(m) and abs(value - Fraction(m)) <= Fraction(r))


@pytest.mark.parametrize("seed", range(80))
def test_affine_enclosure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 9)), int(rng.integers(1, 5))
    centre, radius = nasty_vector(rng, n), abs(nasty_vector(rng, n)) * rng.choice([0.0, 1.0, 1e-12])
    weight, bias = np.stack([nasty_vector(rng, n) for _ in range(m)]), nasty_vector(rng, m)
    with_radii = bool(rng.integers(2))
    weight_radius = abs(weight) * 1e-13 if with_radii else None
    bias_radius = abs(bias) * 1e-13 + 5e-324 if with_radii else None
    signs_x, signs_w, signs_b = (rng.choice([-1, 0, 1], shape) for shape in (n, (m, n), m))
    x = [c + int(s) * r for c, s, r in zip(exact(centre), signs_x, exact(radius), strict=True)]
    for wrap in BACKENDS:
        arguments = [
            None if v is None else wrap(v.copy()) for v in (centre, radius, weight, bias, weight_radius, bias_radius)
        ]
        middle, spread = rounding.affine_enclosure(*arguments)
        for i in range(m):
            row, offset = exact(weight[i]), Fraction(float(bias[i]))
            if weight_radius is not None and bias_radius is not None:
                row = [w + int(s) * r for w, s, r in zip(row, signs_w[i], exact(weight_radius[i]), strict=True)]
                offset += int(signs_b[i]) * Fraction(float(bias_radius[i]))
            assert enclosed(middle[i], spread[i], dot(row, x) + offset)


@pytest.mark.parametrize("seed", range(60))
def test_matmul_enclosure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k, m = (int(rng.integers(1, 6)) for _ in range(3))
    a, b = np.stack([nasty_vector(rng, k) for _ in range(n)]), np.stack([nasty_vector(rng, m) for _ in range(k)])
    a_radius = abs(a) * 1e-12 if rng.integers(2) else None
    b_radius = abs(b) * 1e-12 if rng.integers(2) else None
    real_a = [exact(row) for row in a]
    real_b = [exact(row) for row in b]
    if a_radius is not None:
        real_a = [
            [x + r for x, r in zip(row, exact(radius), strict=True)]
            for row, radius in zip(real_a, a_radius, strict=True)
        ]
    if b_radius is not None:
        real_b = [
            [x - r for x, r in zip(row, exact(radius), strict=True)]
            for row, radius in zip(real_b, b_radius, strict=True)
        ]
    for wrap in BACKENDS:
        arguments = [None if v is None else wrap(v.copy()) for v in (a, b, a_radius, b_radius)]
        product, spread = rounding.matmul_enclosure(*arguments)
        for i in range(n):
            for j in range(m):
                assert enclosed(product[i, j], spread[i, j], dot(real_a[i], [row[j] for row in real_b]))


def test_a_midpoint_that_overflowed_has_no_finite_radius() -> None:
    # 1.7e308 + 1.7e308 - 1.7e308 overflows on the way although the real value is a double
    big = np.full(3, 1.7e308)
    weight = np.array([[1.0, 1.0, -1.0]])
    for middle, radius in (
        rounding.affine_enclosure(big, 0.0 * big, weight, np.zeros(1)),
        rounding.matmul_enclosure(weight, big[:, None]),
    ):
        assert np.isfinite(middle).all() or not np.isfinite(radius).any()


def test_enclosures_are_sharp() -> None:
    rng = np.random.default_rng(1)
    weight, centre = rng.standard_normal((4, 6)), rng.standard_normal(6)
    _, radius = rounding.affine_enclosure(centre, np.zeros(6), weight, np.zeros(4))
    assert (radius < 1e-13).all()
    _, radius = rounding.affine_enclosure(centre, np.ones(6), weight, np.zeros(4))
    assert radius == pytest.approx(abs(weight).sum(axis=1), rel=1e-12)


def near(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points around given ones, at distances from one unit in the last place upwards."""
    return np.concatenate([values * (1 + 2.0**-k * rng.uniform(-1, 1, len(values))) for k in (1, 10, 25, 45, 51)])


def arguments_of(name: str, rng: np.random.Generator) -> np.ndarray:
    """Arguments where a library could be inaccurate."""
    wide = 10.0 ** rng.uniform(-12, 1.5, 300) * rng.choice([-1.0, 1.0], 300)
    tiny = np.array([0.0, -0.0, 5e-324, 1e-310, 2.3e-308, 1e-200, 1e-20, 1e-8])
    if name in ("sin", "cos", "tan"):
        quarter_turns = near(np.arange(1, 60) * (math.pi / 2), rng)
        return np.concatenate([wide, tiny, quarter_turns, rng.uniform(-(2.0**20), 2.0**20, 300)])
    if name == "log":
        return np.concatenate([abs(wide), near(np.ones(60), rng), 10.0 ** rng.uniform(-307, 307, 100)])
    if name == "log1p":
        return np.concatenate([abs(wide), tiny, -rng.random(100), near(-np.ones(20), rng).clip(-1 + 1e-16)])
    if name in ("arctanh", "arcsin", "arccos"):
        return np.concatenate([np.tanh(wide), tiny, near(np.ones(60), rng)]).clip(-1 + 2.0**-53, 1 - 2.0**-53)
    if name in ("exp", "sinh", "cosh"):
        return np.concatenate([wide, tiny, rng.uniform(-700, 700, 200)])
    return np.concatenate([wide, tiny, rng.uniform(-30, 30, 200)])


EXACT: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "tanh": mpmath.tanh, "exp": mpmath.exp, "log1p": mpmath.log1p, "log": mpmath.log, "sin": mpmath.sin,
    "cos": mpmath.cos, "tan": mpmath.tan, "arctanh": mpmath.atanh, "sinh": mpmath.sinh, "cosh": mpmath.cosh,
    "arcsin": mpmath.asin, "arccos": mpmath.acos, "arctan": mpmath.atan,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EXACT))
def test_library_functions_are_as_accurate_as_assumed(name: str) -> None:
    x = arguments_of(name, np.random.default_rng(7))
    computed = {
        "numpy": getattr(np, name)(x),
        "numpy, strided": getattr(np, name)(np.repeat(x, 3)[::3]),
        "numpy, one by one": np.array([getattr(np, name)(v) for v in x]),
        "torch": getattr(torch, name)(torch.from_numpy(x)).numpy(),
        "torch, one by one": np.array(
            [float(getattr(torch, name)(torch.tensor(v, dtype=torch.float64))) for v in x[::7]]
        ),
    }
    with mpmath.workdps(60):
        real = [EXACT[name](mpmath.mpf(float(v))) for v in x]
        for library, values in computed.items():
            reference = real[::7] if len(values) < len(real) else real
            for argument, value, truth in zip(x[::7] if reference is not real else x, values, reference, strict=True):
                allowed = LIBRARY_ULPS * 2 * UNIT_ROUNDOFF * abs(truth) + TINY / 2
                assert abs(mpmath.mpf(float(value)) - truth) <= allowed, (library, name, float(argument))
