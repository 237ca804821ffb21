"""Tapes: every operation over every kind of number, and what they refuse."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import casadi
import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.sets.interval import Interval
from nnctrl.systems.tape import Tape

Expression = Callable[[Any, Any], Any]


def of(name: str, inner: Expression) -> Expression:
    """A function of CasADi, of an inner expression."""
    return lambda a, b: getattr(casadi, name)(inner(a, b))


# name, expression of x[0], x[1]; both lie in [0.1, 0.9]
EXPRESSIONS: list[tuple[str, Expression]] = [
    ("add", lambda a, b: a + b),
    ("sub", lambda a, b: a - b),
    ("mul", lambda a, b: a * b),
    ("div", lambda a, b: a / b),
    ("neg", lambda a, b: -a),
    ("twice", lambda a, b: a + a),
    ("inv", lambda a, b: 1 / a),
    ("sq", lambda a, b: a**2),
    ("cube", lambda a, b: (a - b) ** 3),
    ("negative power", lambda a, b: a**-2),
    ("seventh", lambda a, b: (b - a) ** 7),
    ("constpow", lambda a, b: a**2.5),
    ("pow", lambda a, b: 2**a),
    ("pow of both", lambda a, b: a**b),
    ("fabs", lambda a, b: casadi.fabs(a - b)),
    ("fmin", lambda a, b: casadi.fmin(a, b)),
    ("fmax", lambda a, b: casadi.fmax(a, 0.5)),
    ("fmin with a number", lambda a, b: casadi.fmin(0.5, b)),
    *((name, of(name, lambda a, b: a - 0.5 * b)) for name in ("sin", "cos", "tan", "asin", "acos", "atan")),
    *((name, of(name, lambda a, b: a - b)) for name in ("sinh", "cosh", "tanh", "exp")),
    *((name, of(name, lambda a, b: a)) for name in ("sqrt", "log")),
    ("constant", lambda a, b: casadi.SX(3.5)),
    ("mixture", lambda a, b: 3 - 2 * casadi.sin(a * b) / (1 + casadi.exp(-b)) + casadi.sqrt(a) ** 3),
]
every = pytest.mark.parametrize("expression", [e for _, e in EXPRESSIONS], ids=[n for n, _ in EXPRESSIONS])


def make(expression: Expression) -> tuple[Tape, Any]:
    x = casadi.SX.sym("x", 2)
    function = casadi.Function("f", [x], [casadi.vertcat(expression(x[0], x[1]))])
    return Tape(function), function


@every
def test_numpy_and_torch_agree_with_casadi(expression: Expression) -> None:
    tape, function = make(expression)
    points = np.random.default_rng(0).uniform(0.1, 0.9, (50, 2))
    expected = np.array([float(function(point)) for point in points])[:, None]
    ours = tape(points)[0]
    assert ours.shape == (50, 1)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, expected, rtol=1e-14)
    tensor = tape(torch.from_numpy(points))[0]
    assert tensor.dtype == torch.float64
    np.testing.assert_allclose(tensor.numpy(), ours, rtol=1e-14)
    np.testing.assert_allclose(tape(points[7])[0], ours[7], rtol=1e-14)


@every
def test_intervals_contain_points(expression: Expression) -> None:
    tape, _ = make(expression)
    rng = np.random.default_rng(1)
    ends = np.sort(rng.uniform(0.1, 0.9, (2, 40, 2)), axis=0)
    ends[1, ::4] = ends[0, ::4]
    enclosure = tape(Interval(ends[0], ends[1]))[0]
    assert isinstance(enclosure, Interval)
    assert enclosure.shape == (40, 1)
    for share in (0.0, 1.0, *rng.random(5)):
        points = np.clip((1 - share) * ends[0] + share * ends[1], ends[0], ends[1])
        assert enclosure.contains(tape(points)[0]).all()


class Polynomial:
    """A random polynomial program over any numbers with `+ - *`."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.steps = [(int(rng.integers(4)), *map(int, rng.integers(2 + k, size=2))) for k in range(8)]
        self.constants = rng.normal(size=8) * 10.0 ** rng.integers(-8, 8, 8)

    def __call__(self, a: Any, b: Any, number: Callable[[float], Any]) -> Any:
        values = [a, b]
        for (kind, i, j), constant in zip(self.steps, self.constants, strict=True):
            left, right = values[i], values[j]
            values.append([left + right, left - right, left * right, left * number(float(constant))][kind])
        return values[-1]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0, 1), st.floats(0, 1))
def test_interval_polynomials_contain_the_exact_value(seed: int, a: float, b: float, s: float, t: float) -> None:
    polynomial = Polynomial(seed)
    x = casadi.SX.sym("x", 2)
    tape = Tape(casadi.Function("f", [x], [polynomial(x[0], x[1], casadi.SX)]))
    low = np.array([a, b])
    high = low + np.array([s, t]) * [1e-9, 10.0]
    enclosure = tape(Interval(low, high))[0]
    inside = low + np.random.default_rng(seed).random(2) * (high - low)
    for point in (low, high, np.clip(inside, low, high)):
        # the tape is the model: CasADi may have folded constants on the way to it
        exact = _exact(tape.evaluate([[_Exact(Fraction(float(v))) for v in point]])[0].get((0, 0), 0.0))
        lower, upper = float(enclosure.lower[0]), float(enclosure.upper[0])
        assert lower == -np.inf or Fraction(lower) <= exact
        assert upper == np.inf or exact <= Fraction(upper)


class _Exact:
    """Rational numbers with the operations of polynomials."""

    def __init__(self, value: Fraction) -> None:
        self.value = value

    def __add__(self, other: Any) -> _Exact:
        return _Exact(self.value + _exact(other))

    def __radd__(self, other: Any) -> _Exact:
        return _Exact(_exact(other) + self.value)

    def __sub__(self, other: Any) -> _Exact:
        return _Exact(self.value - _exact(other))

    def __rsub__(self, other: Any) -> _Exact:
        return _Exact(_exact(other) - self.value)

    def __mul__(self, other: Any) -> _Exact:
        return _Exact(self.value * _exact(other))

    __rmul__ = __mul__

    def __neg__(self) -> _Exact:
        return _Exact(-self.value)

    def square(self) -> _Exact:
        return _Exact(self.value**2)


def _exact(value: Any) -> Fraction:
    return value.value if isinstance(value, _Exact) else Fraction(float(value))


def test_interval_pendulum_contains_sixty_digits() -> None:
    x = casadi.SX.sym("x", 3)
    tape = Tape(casadi.Function("f", [x], [casadi.vertcat(x[1], 2 * casadi.sin(x[0]) + 8 * x[2])]))
    rng = np.random.default_rng(0)
    points = rng.uniform(-4, 4, (100, 3))
    enclosure = tape(Interval(points, points))[0]
    with mpmath.workdps(60):
        for k, (theta, _, torque) in enumerate(points):
            truth = 2 * mpmath.sin(mpmath.mpf(theta)) + 8 * mpmath.mpf(torque)
            assert mpmath.mpf(enclosure.lower[k, 1]) <= truth <= mpmath.mpf(enclosure.upper[k, 1])


def test_torch_gradients_flow() -> None:
    tape, function = make(lambda a, b: casadi.sin(a) * b**3 + casadi.fmax(a, 0.2))
    x = torch.tensor([[0.3, 0.7]], dtype=torch.float64, requires_grad=True)
    tape(x)[0].sum().backward()
    gradient = np.array(function.jacobian()(x.detach().numpy()[0], 0)).ravel()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy()[0], gradient, rtol=1e-13)


def test_several_arguments_broadcast_and_structural_zeros() -> None:
    x, u = casadi.SX.sym("x", 2), casadi.SX.sym("u")
    matrix = casadi.vertcat(casadi.horzcat(x[0], 0, u), casadi.horzcat(0, x[1], 1))
    tape = Tape(casadi.Function("f", [x, u], [casadi.vertcat(0, x[0] + u), matrix]))
    column, full = tape(np.ones((4, 1, 2)), 2.0 * np.ones((3, 1)))
    assert column.shape == (4, 3, 2)
    assert full.shape == (4, 3, 2, 3)
    np.testing.assert_array_equal(column[2, 1], [0, 3])
    np.testing.assert_array_equal(full[1, 2], [[1, 0, 2], [0, 1, 1]])
    mixed = tape(torch.ones(4, 2, dtype=torch.float64), np.ones((4, 1)))[1]
    assert mixed.shape == (4, 2, 3)
    intervals = tape(Interval(np.zeros((4, 2)), np.ones((4, 2))), np.ones(1))[1]
    assert intervals.shape == (4, 2, 3)
    np.testing.assert_array_equal(intervals[0].lower, [[0, 0, 1], [0, 0, 1]])


def test_dependence_is_read_off_the_instructions() -> None:
    x, u = casadi.SX.sym("x", 2), casadi.SX.sym("u")
    tape = Tape(casadi.Function("f", [x, u], [x[1] ** 2 + 3, casadi.sin(x[0]) * u]))
    assert tape.dependence() == [{(0, 1)}, {(0, 0), (1, 0)}]


def test_tapes_travel_between_processes() -> None:
    tape, _ = make(lambda a, b: casadi.sin(a) / b)
    copy = pickle.loads(pickle.dumps(tape))  # noqa: S301 (our own bytes)
    assert copy == tape
    np.testing.assert_array_equal(copy(np.ones(2))[0], tape(np.ones(2))[0])


def test_atan2_of_points_and_intervals() -> None:
    tape, function = make(lambda a, b: casadi.atan2(a - 0.5, b - 0.5) + casadi.atan2(-0.5, b))
    points = np.random.default_rng(0).uniform(0.1, 0.9, (20, 2))
    expected = np.array([float(function(point)) for point in points])[:, None]
    np.testing.assert_allclose(tape(points)[0], expected, rtol=1e-14)
    np.testing.assert_allclose(tape(torch.from_numpy(points))[0].numpy(), expected, rtol=1e-14)
    assert tape(Interval(points, points))[0].contains(expected).all()
    assert float(tape(Interval(points, points))[0].radius.max()) < 1e-14


def test_matrix_expressions_are_expanded() -> None:
    x = casadi.MX.sym("x", 2)
    tape = Tape(casadi.Function("f", [x], [casadi.sin(casadi.mtimes(casadi.DM([[1, 2], [3, 4]]), x))]))
    np.testing.assert_allclose(tape(np.array([1.0, 0.5]))[0], np.sin([2.0, 5.0]))


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        (lambda a, b: casadi.if_else(a > 0, a, b), UnsupportedError, "comparison or jump 'lt'.*casadi.fmin"),
        (lambda a, b: casadi.sign(a), UnsupportedError, "comparison or jump 'sign'"),
        (lambda a, b: casadi.erf(a), UnsupportedError, "operation 'erf'.*rewrite"),
        (lambda a, b: a + casadi.SX.sym("gravity"), InputError, "free variable gravity"),
        (lambda a, b: a * casadi.inf, InputError, "constant inf"),
    ],
)
def test_refusals_name_the_operation(expression: Expression, error: type[Exception], message: str) -> None:
    x = casadi.SX.sym("x", 2)
    function = casadi.Function("f", [x], [expression(x[0], x[1])], {"allow_free": True})
    with pytest.raises(error, match=message):
        Tape(function)


def test_wrong_arguments_are_named() -> None:
    tape, _ = make(lambda a, b: a + b)
    with pytest.raises(DimensionError, match="takes 1 arguments but was given 2"):
        tape(np.ones(2), np.ones(2))
    with pytest.raises(DimensionError, match=r"argument 0 of 'f' has shape \(4, 3\); its last dimension must be 2"):
        tape(np.ones((4, 3)))


def test_outside_the_domain_is_nan_or_unknown() -> None:
    tape, _ = make(lambda a, b: casadi.log(a) + 1 / b)
    assert np.isnan(tape(np.array([-1.0, 1.0]))[0]).all()
    unknown = tape(Interval(np.array([-1.0, 1.0]), np.array([1.0, 1.0])))[0]
    assert unknown.lower[0] == -np.inf
    assert unknown.upper[0] == np.inf


def test_affine_tape_is_the_affine_map() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, 4)) * (rng.random((3, 4)) < 0.6)
    affine = Affine(weight, rng.normal(size=3))
    tape = Tape.from_affine("f", affine, (2, 1, 1, 0))
    v = rng.normal(size=(6, 4))
    values = tape(v[:, :2], v[:, 2:3], v[:, 3:], np.zeros(0))[0]
    np.testing.assert_allclose(values, affine(v), rtol=1e-14, atol=1e-15)


def test_numbers_beside_intervals_are_rounded_outward_too() -> None:
    """sin of a plain number lies between two doubles, and the interval must hold it."""
    x, p = casadi.SX.sym("x"), casadi.SX.sym("p")
    tape = Tape(casadi.Function("f", [x, p], [casadi.vertcat(casadi.sin(x), 0.1 * x, p)]))
    found = tape(np.array([0.7]), Interval(np.array([1.0]), np.array([1.0])))[0]
    sine = mpmath.sin(mpmath.mpf(0.7))
    assert float(found.lower[0]) <= sine <= float(found.upper[0])
    assert Fraction(float(found.lower[1])) <= Fraction(0.1) * Fraction(0.7) <= Fraction(float(found.upper[1]))
