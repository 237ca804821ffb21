"""Validated steps against closed-form solutions and series with 60 digits, without tolerance."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl.reachability.validated_step import EnclosureError, HeldDynamics, Step
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.systems.plant import Plant
from tests.continuous_plants import (
    Vector,
    box_rows,
    constant_rows,
    no_rows,
    number,
    plant_of,
    scaled,
    sine_cosine,
    solution,
    total,
    validated,
)
from tests.polynomial_rows import encloses, random_rows, random_values, row_values, symbols

Solution = Callable[[Vector, mpmath.mpf], Vector]
"""x(t) from x(0)."""


def check_step(begin: mpmath.mpf, step: Step, exact: Solution, xi: Vector, start: Vector, shares: Any) -> None:
    """The end, instants, and stretches (coarse, tiny and of no length) around instants of one step."""
    at_end = exact(start, begin + mpmath.mpf(step.h))
    assert encloses(step.at_end(), at_end, xi)
    whole = step.during(0.0, step.h)
    assert encloses(whole, at_end, xi)
    for share in shares:
        instant = float(share) * step.h
        x = exact(start, begin + mpmath.mpf(instant))
        assert encloses(step.at(instant), x, xi)
        assert encloses(whole, x, xi)
        for reach in (0.0, 1e-12 * step.h, 0.1 * step.h):
            first, last = max(instant - reach, 0.0), min(instant + reach, step.h)
            part = step.during(first, last)
            for moment in (first, last, instant):
                assert encloses(part, exact(start, begin + mpmath.mpf(moment)), xi)


def check(
    plant: Plant,
    exact: Solution,
    x: PolynomialZonotope,
    *,
    periods: int = 10,
    period: float = 0.1,
    order: int = 4,
    tolerance: float = 1e-3,
    u: PolynomialZonotope | None = None,
    samples: int = 2,
    seed: int = 0,
) -> Step:
    """Follow solutions from random symbols; returns the last step."""
    rng = np.random.default_rng(seed)
    points = [symbols(rng, x.basis.symbols) for _ in range(samples)]
    starts = [row_values(x, xi) for xi in points]
    held = HeldDynamics(plant, period, order, tolerance)
    for begin, step in validated(held, x, periods, u):
        if rng.random() > 8.0 * step.share:
            # of very short steps a few only
            continue
        for xi, start in zip(points, starts, strict=True):
            check_step(begin, step, exact, xi, start, rng.random(1))
    return step


OSCILLATOR = plant_of(lambda x, u, w, p: (x[1], -x[0]), 2)


def rotated(x: Vector, t: mpmath.mpf) -> Vector:
    s, c = mpmath.sin(t), mpmath.cos(t)
    return [c * x[0] + s * x[1], c * x[1] - s * x[0]]


def test_the_oscillator_from_a_point() -> None:
    """Flow* loses cos 5 = 0.283662... with these steps."""
    step = check(OSCILLATOR, rotated, box_rows([1.0, 0.0], [1.0, 0.0]), periods=50, samples=1)
    low, high = step.at_end().ranges()
    assert low[0] <= 0.2836621854632262 <= high[0]
    assert (high - low < 1e-6).all()


@pytest.mark.parametrize("order", [2, 4, 7])
@pytest.mark.parametrize("upper", [[1.2, 0.3], [1.0, 0.3], [1.0 + 1e-12, 1e-12], [1e6, -1e6]])
def test_the_oscillator_from_boxes(order: int, upper: list[float]) -> None:
    lower = [1.0, 0.0] if upper[1] >= 0 else [-1e6, -1.1e6]
    check(OSCILLATOR, rotated, box_rows(lower, upper), order=order, periods=4, samples=1, seed=order)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_linear_plants_with_held_inputs(scale: float, seed: int) -> None:
    """The exponential of the augmented matrix; the inputs share symbols with the states."""
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(3, 3)), rng.normal(size=(3, 2))
    plant = plant_of(lambda x, u, w, p: casadi.vertsplit(casadi.DM(A) @ x + casadi.DM(B) @ u), 3, 2)
    augmented = mpmath.matrix(np.vstack([np.hstack([A, B]), np.zeros((2, 5))]).tolist())
    basis = MonomialBasis((1, 1), 3)
    joint = random_rows(rng, basis, 5, size=1.0)
    joint = PolynomialZonotope(basis, scale * joint.coefficients, np.zeros((5, 0)), np.zeros(5))
    x, u = joint.rows(slice(0, 3)), joint.rows(slice(3, 5))
    held = HeldDynamics(plant, 0.25, 4, 1e-3)
    for begin, step in validated(held, x, 2, u):
        moments = [begin, begin + mpmath.mpf(step.h) / 2, begin + mpmath.mpf(step.h)]
        flows = [mpmath.expm(augmented * t) for t in moments]
        for _ in range(2):
            xi = symbols(rng, 2)
            start = mpmath.matrix(row_values(joint, xi))
            exact = [list(flow * start)[:3] for flow in flows]
            assert encloses(step.at_end(), exact[2], xi)
            assert encloses(step.at(0.5 * step.h), exact[1], xi)
            for values in exact:
                assert encloses(step.during(0.0, step.h), values, xi)


SCALAR: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any], float, float]] = {
    "logistic": (lambda x: x * (1 - x), lambda x, t: x * mpmath.exp(t) / (1 + x * (mpmath.exp(t) - 1)), 0.1, 0.4),
    "Riccati": (lambda x: x**2, lambda x, t: x / (1 - x * t), 0.1, 0.3),
    "falling Riccati": (lambda x: -(x**2), lambda x, t: x / (1 + x * t), 0.0, 2.0),
    "reciprocal": (lambda x: 1 / (1 - x), lambda x, t: 1 - mpmath.sqrt((1 - x) ** 2 - 2 * t), -2.0, -1.5),
    "root": (casadi.sqrt, lambda x, t: (mpmath.sqrt(x) + t / 2) ** 2, 0.2, 0.5),
    "cube": (lambda x: -(x**3), lambda x, t: x / mpmath.sqrt(1 + 2 * x * x * t), -0.5, 0.5),
    "sine": (casadi.sin, lambda x, t: 2 * mpmath.atan(mpmath.tan(x / 2) * mpmath.exp(t)), 0.2, 0.5),
    "exponential": (lambda x: casadi.exp(-x), lambda x, t: mpmath.log(mpmath.exp(x) + t), -0.2, 0.2),
    "growth": (lambda x: 2 * x, lambda x, t: x * mpmath.exp(2 * t), -1.0, 1.0),
    "nothing": (lambda x: 0 * x, lambda x, t: x, -1.0, 1.0),
    "constant": (lambda x: 0 * x + 0.3, lambda x, t: x + mpmath.mpf(0.3) * t, -1.0, 1.0),
    "magnitude": (lambda x: -casadi.fabs(x), lambda x, t: x * mpmath.exp(-t), 0.1, 1.0),
    "angle": (lambda x: casadi.atan2(0, x) - x, lambda x, t: x * mpmath.exp(-t), 0.1, 0.2),
}


@pytest.mark.parametrize("name", SCALAR)
def test_scalar_equations_with_closed_forms(name: str) -> None:
    field, exact, low, high = SCALAR[name]
    plant = plant_of(lambda x, u, w, p: (field(x[0]),), 1)
    for lower, upper in ((low, high), (high, high), (low, low + 1e-9)):
        check(plant, lambda x, t: [exact(x[0], t)], box_rows([lower], [upper]), periods=5)


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e-12, 1e6])
def test_states_that_stay_or_are_tiny_or_large(scale: float) -> None:
    """The second state is 0 for ever; the third one follows it. None of this needs short steps."""
    plant = plant_of(lambda x, u, w, p: (-x[0], x[1] * x[0] / (1 + x[0] ** 2), x[1]), 3)
    x = box_rows([scale, 0.0, 0.0], [1.5 * scale, 0.0, 0.0])
    step = check(plant, lambda x, t: [x[0] * mpmath.exp(-t), mpmath.mpf(0), mpmath.mpf(0)], x, periods=4)
    low, high = step.at_end().ranges()
    assert high[1] - low[1] < 1e-90
    assert step.share >= 0.25


def test_a_fast_part_that_follows_a_wave() -> None:
    """x' = -50 (x - c) with (c, s) on a circle: as a linear system."""
    matrix = mpmath.matrix([[-50, 50, 0], [0, 0, -1], [0, 1, 0]])
    plant = plant_of(lambda x, u, w, p: (-50 * (x[0] - x[1]), -x[2], x[1]), 3)

    def exact(x: Vector, t: mpmath.mpf) -> Vector:
        return list(mpmath.expm(matrix * t) * mpmath.matrix(x))

    step = check(plant, exact, box_rows([0.0, 1.0, 0.0], [0.5, 1.0, 0.0]), periods=3, samples=1)
    low, high = step.at_end().ranges()
    assert high[0] - low[0] < 0.1


def pendulum(torque: Any) -> Callable[[list[list[mpmath.mpf]]], list[list[mpmath.mpf]]]:
    def field(x: list[list[mpmath.mpf]]) -> list[list[mpmath.mpf]]:
        sine, _ = sine_cosine(x[0])
        return [x[1], total(scaled(-9.81, sine), scaled(-0.1, x[1]), number(torque, sine))]

    return field


@pytest.mark.parametrize("uncertain", [False, True])
def test_a_pendulum_under_a_constant_torque(uncertain: bool) -> None:
    """Also with a torque that is a symbol of its own."""
    plant = plant_of(lambda x, u, w, p: (x[1], -9.81 * casadi.sin(x[0]) - 0.1 * x[1] + u[0]), 2, 1)
    rng = np.random.default_rng(0)
    joint = box_rows([1.0, 0.0, 0.5], [1.05, 0.1, 0.6 if uncertain else 0.5])
    x, u = joint.rows(slice(0, 2)), joint.rows(slice(2, 3))
    points = [symbols(rng, 3) for _ in range(2)]
    states = [(mpmath.mpf(0), row_values(joint, xi)) for xi in points]
    for begin, step in validated(HeldDynamics(plant, 0.1, 4, 1e-3), x, 6, u):
        for k, (xi, (known, values)) in enumerate(zip(points, states, strict=True)):
            field = pendulum(values[2])
            before = solution(field, values[:2], begin - known) if begin > known else values[:2]
            moment = 0.37 * step.h
            middle = solution(field, before, mpmath.mpf(moment))
            after = solution(field, before, mpmath.mpf(step.h))
            assert encloses(step.at(moment), middle, xi)
            assert encloses(step.during(0.3 * step.h, 0.4 * step.h), middle, xi)
            assert encloses(step.at_end(), after, xi)
            states[k] = (begin + mpmath.mpf(step.h), [*after, values[2]])
    low, high = step.at_end().ranges()
    assert (high - low < 0.5).all()


def test_independent_symbols_that_only_inputs_have_are_not_those_of_radii() -> None:
    """x' = u from a state with a radius, under an input with a symbol that the state does not have."""
    plant = plant_of(lambda x, u, w, p: (-u[0],), 1, 1)
    basis = MonomialBasis((1,), 2)
    x = PolynomialZonotope(basis, np.zeros((1, 3)), np.zeros((1, 0)), np.array([1.0]))
    u = PolynomialZonotope(basis, np.zeros((1, 3)), np.array([[1.0]]), np.zeros(1))
    *_, (step, _) = HeldDynamics(plant, 1.0, 2, 1e-3).steps(x, u)
    low, high = step.at_end().ranges()
    assert low[0] <= -2.0
    assert high[0] >= 2.0


def test_a_blow_up_ends_with_an_error_in_bounded_time() -> None:
    plant = plant_of(lambda x, u, w, p: (x[0] ** 2,), 1)
    began = time.perf_counter()
    with pytest.raises(EnclosureError) as caught:
        for _ in validated(HeldDynamics(plant, 0.1, 4, 1e-3), box_rows([1.0], [1.0]), 20):
            pass
    assert caught.value.operation is None
    assert time.perf_counter() - began < 20.0


def test_a_blow_up_within_one_period_is_noticed() -> None:
    plant = plant_of(lambda x, u, w, p: (x[0] ** 2,), 1)
    for low, high in ((1.0, 1.0), (0.4, 0.6), (-1.0, 0.51), (1e100, 1e200), (1e300, 1e308)):
        with pytest.raises(EnclosureError):
            list(HeldDynamics(plant, 2.0, 4, 1e-3).steps(box_rows([low], [high]), no_rows(MonomialBasis((1,), 4))))


@pytest.mark.parametrize(
    ("field", "low", "high", "name"),
    [
        (lambda x: -1 - casadi.sqrt(x), 0.05, 0.1, "sqrt"),
        (casadi.sqrt, 0.0, 0.1, "sqrt"),
        (lambda x: casadi.log(x) - 5, 0.1, 0.2, "log"),
        (lambda x: 1 / (1 - x), 0.5, 0.99, "inv"),
        (lambda x: 1 + casadi.asin(x), 0.9, 0.95, "asin"),
    ],
)
def test_what_is_undefined_is_named(field: Callable[[Any], Any], low: float, high: float, name: str) -> None:
    """Within one second from the set."""
    plant = plant_of(lambda x, u, w, p: (field(x[0]),), 1)
    with pytest.raises(EnclosureError) as caught:
        for _ in validated(HeldDynamics(plant, 0.25, 4, 1e-3), box_rows([low], [high]), 4):
            pass
    assert caught.value.operation == name


def _grows_from(x: mpmath.mpf, t: mpmath.mpf) -> mpmath.mpf:
    """x' = 1 - min(x, 0)."""
    if x >= 0:
        return x + t
    crossing = mpmath.log(1 - x)
    return 1 - (1 - x) * mpmath.exp(-t) if t <= crossing else t - crossing


def _falls_from(x: mpmath.mpf, t: mpmath.mpf) -> mpmath.mpf:
    """x' = -1 - max(x, 0)."""
    if x <= 0:
        return x - t
    crossing = mpmath.log(1 + x)
    return (1 + x) * mpmath.exp(-t) - 1 if t <= crossing else crossing - t


@pytest.mark.parametrize(
    ("field", "exact", "low", "high"),
    [
        (casadi.fabs, lambda x, t: x * mpmath.exp(t if x > 0 else -t), -0.1, 0.1),
        (casadi.fabs, lambda x, t: x, 0.0, 0.0),
        (lambda x: -casadi.fabs(x), lambda x, t: x * mpmath.exp(-t if x > 0 else t), -0.1, 0.3),
        (lambda x: 1 - casadi.fmin(x, 0), _grows_from, -0.2, -0.1),
        (lambda x: 1 - casadi.fmin(x, 0), _grows_from, -1.0, 0.5),
        (lambda x: -1 - casadi.fmax(x, 0), _falls_from, 0.1, 0.2),
        (lambda x: -1 - casadi.fmax(x, 0), _falls_from, 1e-9, 0.7),
    ],
)
def test_kinks_are_crossed(field: Callable[[Any], Any], exact: Solution, low: float, high: float) -> None:
    """Against solutions in closed form: all times of one second, from sets on one side of the kink and on both."""
    plant = plant_of(lambda x, u, w, p: (field(x[0]),), 1)
    check(plant, lambda x, t: [exact(x[0], t)], box_rows([low], [high]), period=0.25, samples=4)


def test_a_crossed_kink_costs_little_width() -> None:
    """A narrow set that passes a kink of slope 1 ends at most a fifth wider than its image."""
    plant = plant_of(lambda x, u, w, p: (1 - casadi.fmin(x[0], 0),), 1)
    *_, (_, last) = validated(HeldDynamics(plant, 0.25, 4, 1e-3), box_rows([-0.11], [-0.1]), 4)
    low, high = last.at_end().ranges()
    truth = _grows_from(mpmath.mpf(-0.1), mpmath.mpf(1)) - _grows_from(mpmath.mpf(-0.11), mpmath.mpf(1))
    assert high[0] - low[0] <= 1.2 * truth


def test_a_stiff_decay_ends_near_its_limit() -> None:
    """x' = -60 x over one period of 1: the powers of the period explode, the enclosure does not."""
    plant = plant_of(lambda x, u, w, p: (-60 * x[0],), 1)
    last = check(plant, lambda x, t: [x[0] * mpmath.exp(-60 * t)], box_rows([0.9], [1.1]), periods=1, period=1.0)
    low, high = last.at_end().ranges()
    assert -1e-6 < low[0] <= high[0] < 1e-6


def test_functions_of_inputs_alone_need_no_derivative() -> None:
    """The root and the kink of a held input at 0."""
    plant = plant_of(lambda x, u, w, p: (casadi.sqrt(u[0]) + casadi.fabs(u[1]) - x[0],), 1, 2)
    basis = MonomialBasis((1, 1), 3)
    u = PolynomialZonotope(basis, np.zeros((2, basis.size)), np.zeros((2, 0)), np.zeros(2))
    u.coefficients[0, [0, 1]] = 0.5, 0.4
    u.coefficients[1, 2] = 1.0
    x = constant_rows(basis, [1.0])
    rng = np.random.default_rng(0)
    for step, _ in HeldDynamics(plant, 0.5, 4, 1e-3).steps(x, u):
        t = mpmath.mpf(0.5) * mpmath.mpf(step.start) + mpmath.mpf(step.h)
        for _ in range(5):
            xi = symbols(rng, 2)
            a, b = row_values(u, xi)
            drive = mpmath.sqrt(a) + abs(b)
            assert encloses(step.at_end(), [drive + (1 - drive) * mpmath.exp(-t)], xi)
    zero = constant_rows(basis, [0.0, 0.0])
    list(HeldDynamics(plant_of(lambda x, u, w, p: (casadi.sqrt(casadi.fabs(u[1])) * 0 + u[0],), 1, 2), 0.5, 4, 1e-3)
         .steps(x, zero))  # fmt: skip


@pytest.mark.parametrize("ends", [(0.5, 0.9), (0.1, 100.0), (-1e-3, 1.0)])
def test_every_value_of_an_interval_parameter(ends: tuple[float, float]) -> None:
    plant = plant_of(lambda x, u, w, p: (-p["rate"] * x[0] / 50,), 1, parameters={"rate": ends})
    rng = np.random.default_rng(0)
    x = box_rows([1.0], [1.5])
    for begin, step in validated(HeldDynamics(plant, 0.5, 3, 1e-3), x, 3):
        for rate in (*ends, rng.uniform(*ends)):
            xi = symbols(rng, 1)
            decay = mpmath.exp(-mpmath.mpf(rate) / 50 * (begin + mpmath.mpf(step.h)))
            assert encloses(step.at_end(), [row_values(x, xi)[0] * decay], xi)


def test_remainders_are_tolerable_and_steps_cover_the_period() -> None:
    plant = plant_of(lambda x, u, w, p: (x[1], (1 - x[0] ** 2) * x[1] - x[0]), 2)
    x = box_rows([1.0, 2.0], [1.1, 2.1])
    steps = [step for step, _ in HeldDynamics(plant, 1.0, 4, 1e-3).steps(x, no_rows(x.basis))]
    assert steps[0].start == 0.0
    assert all(a.start + a.share == b.start for a, b in itertools.pairwise(steps))
    assert steps[-1].start + steps[-1].share == 1.0
    width = np.subtract(*x.ranges()[::-1])
    spent = sum(0.5 * (step.last[1] - step.last[0]) for step in steps)
    assert (spent < 0.1 * width).all()


def test_random_rows_with_independent_symbols_keep_them() -> None:
    """The same symbols of the start lead to the same ones of the end."""
    plant = plant_of(lambda x, u, w, p: (x[1], -casadi.sin(x[0])), 2)
    rng = np.random.default_rng(2)

    def field(x: list[list[mpmath.mpf]]) -> list[list[mpmath.mpf]]:
        return [x[1], scaled(-1, sine_cosine(x[0])[0])]

    for _ in range(5):
        basis = MonomialBasis((1, 2), 3)
        x = random_rows(rng, basis, 2, generators=3, size=0.1)
        xi, eta = symbols(rng, 2), symbols(rng, 3)
        values = random_values(rng, x, xi, eta)
        for step, _ in HeldDynamics(plant, 0.2, 4, 1e-3).steps(x, no_rows(basis)):
            values = solution(field, values, mpmath.mpf(step.h))
            assert encloses(step.at_end(), values, xi, eta)
