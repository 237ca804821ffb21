"""Tapes over Taylor forms contain the real expression, are of second order, and say nothing where it is undefined."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import casadi
import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.tape_form import column_of, form_of, numbers_of
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import NetworkView
from nnctrl.systems.tape import Tape
from tests import high_precision
from tests.exact_tapes import TooLargeError, exact_column, random_tape, tape_of
from tests.random_networks import points_of_box, random_box, random_network


def image(tape: Tape, lower: np.ndarray, upper: np.ndarray) -> TaylorForm:
    """The form of a tape over boxes [batch, n]."""
    table, numbers = numbers_of(TaylorForm.of_box(torch.tensor(lower), torch.tensor(upper)))
    return form_of(table, column_of(tape, table, [numbers]))


def assert_contains(tape: Tape, lower: np.ndarray, upper: np.ndarray, points: np.ndarray) -> int:
    """Every point's real value satisfies the form of the tape in both directions of every row; returns the checks."""
    form = image(tape, lower[None], upper[None])
    rows = torch.eye(form.centre.shape[1], dtype=torch.float64)
    supports = [form.rows([k]).support(sign * rows[:1, :1])[0, 0] for k in range(len(rows)) for sign in (1.0, -1.0)]
    checks = 0
    for point in points:
        try:
            values = exact_column(tape, [high_precision.vector(point)])
        except TooLargeError:
            continue
        for k, value in enumerate(values):
            high, low = float(supports[2 * k]), -float(supports[2 * k + 1])
            checks += 1
            if value is None:
                assert not np.isfinite(high), (tape.instructions, lower, upper, point)
                assert not np.isfinite(low), (tape.instructions, lower, upper, point)
                continue
            assert not value > high, (tape.instructions, lower, upper, point, k)
            assert not value < low, (tape.instructions, lower, upper, point, k)
    return checks


@pytest.mark.parametrize("seed", range(200))
def test_forms_contain_random_expressions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 4))
    depth = int(rng.integers(1, 5))
    tape = random_tape(rng, size, 2, depth)
    for _ in range(3):
        lower, upper = random_box(rng, size)
        assert_contains(tape, lower, upper, points_of_box(rng, lower, upper, 7))


@pytest.mark.parametrize("seed", range(60))
def test_forms_contain_in_all_directions(seed: int) -> None:
    """Rows together: their symbols are correlated, so a direction across them is a claim of its own."""
    rng = np.random.default_rng(seed)
    tape = random_tape(rng, 2, 3, 2)
    lower, upper = random_box(rng, 2)
    form = image(tape, lower[None], upper[None])
    for _ in range(4):
        direction = rng.normal(size=3)
        bound = float(form.support(torch.tensor(direction[None]))[0, 0])
        for point in points_of_box(rng, lower, upper, 5):
            try:
                values = exact_column(tape, [high_precision.vector(point)])
            except TooLargeError:
                continue
            if None in values:
                assert not np.isfinite(bound)
            else:
                assert not high_precision.dot(direction, values) > bound


FUNCTIONS: list[tuple[str, Callable[[Any], Any], float, float]] = [
    ("sqrt", casadi.sqrt, 0.0, 9.0),
    ("exp", casadi.exp, -700.0, 700.0),
    ("log", casadi.log, 1e-9, 1e9),
    ("sin", casadi.sin, -20.0, 20.0),
    ("cos", casadi.cos, -20.0, 20.0),
    ("tan", casadi.tan, -1.57, 1.57),
    ("sinh", casadi.sinh, -300.0, 300.0),
    ("cosh", casadi.cosh, -300.0, 300.0),
    ("tanh", casadi.tanh, -30.0, 30.0),
    ("asin", casadi.asin, -1.0, 1.0),
    ("acos", casadi.acos, -1.0, 1.0),
    ("atan", casadi.atan, -1e3, 1e3),
    ("fabs", casadi.fabs, -3.0, 3.0),
    ("square", lambda a: a**2, -4.0, 4.0),
    ("cube", lambda a: a**3, -4.0, 4.0),
    ("reciprocal", lambda a: 1 / a, 1e-3, 50.0),
    ("power", lambda a: a**-4, 0.1, 5.0),
    ("root", lambda a: a**2.5, 0.1, 5.0),
]
functions = pytest.mark.parametrize(
    ("function", "low", "high"), [f[1:] for f in FUNCTIONS], ids=[f[0] for f in FUNCTIONS]
)


@functions
def test_single_functions_contain(function: Callable[[Any], Any], low: float, high: float) -> None:
    """Over intervals of every width in the domain, its ends included."""
    tape, rng = tape_of(lambda x: [function(x[0])], 1), np.random.default_rng(0)
    checks = 0
    for _ in range(120):
        ends = np.sort(rng.uniform(low, high, 2))
        if rng.random() < 0.5:
            ends = np.clip(ends[0] + np.array([-1.0, 1.0]) * 10.0 ** rng.uniform(-16, 0), low, high)
        ends = np.where(rng.random(2) < 0.1, [low, high], ends)
        lower, upper = ends[:1], ends[1:]
        checks += assert_contains(tape, lower, upper, points_of_box(rng, lower, upper, 9))
    assert checks > 900


@functions
def test_single_functions_are_sharp(function: Callable[[Any], Any], low: float, high: float) -> None:
    """Over the middle of the domain the residual of a small interval is what the second derivative says."""
    tape, middle = tape_of(lambda x: [function(x[0])], 1), 0.4 * low + 0.6 * high
    # powers of e are bent on a scale of 1, all others on that of their argument at least
    width = 1e-3 * (min(1.0, abs(middle)) if abs(middle) < 1e6 else middle)
    form = image(tape, np.array([[middle - width]]), np.array([[middle + width]]))
    bound = float(form.support(torch.ones(1, 1, dtype=torch.float64))[0, 0])
    ends = [exact_column(tape, [[mpmath.mpf(middle + s * width)]])[0] for s in (-1.0, 1.0)]
    rise = abs(ends[1] - ends[0])
    assert bound - max(ends) <= 2e-2 * rise


@pytest.mark.parametrize(
    ("expression", "x", "y"),
    [
        (lambda x: casadi.atan2(x[0], x[1]), (-3.0, 3.0), (-3.0, 3.0)),
        (lambda x: x[0] * x[1], (-3.0, 3.0), (-3.0, 3.0)),
        (lambda x: casadi.fmin(x[0], x[1]), (-3.0, 3.0), (-3.0, 3.0)),
        (lambda x: casadi.fmax(x[0], 0.3 * x[1]), (-3.0, 3.0), (-3.0, 3.0)),
        (lambda x: x[0] / x[1], (-3.0, 3.0), (0.1, 3.0)),
        (lambda x: casadi.atan2(2.0, x[1]) + casadi.atan2(x[0], -1.0), (-3.0, 3.0), (-3.0, 3.0)),
    ],
)
def test_operations_of_two_numbers_contain(
    expression: Callable[[Any], Any], x: tuple[float, float], y: tuple[float, float]
) -> None:
    tape, rng = tape_of(lambda v: [expression(v)], 2), np.random.default_rng(0)
    for _ in range(120):
        low, high = np.sort(rng.uniform([x[0], y[0]], [x[1], y[1]], (2, 2)), axis=0)
        high = np.where(rng.random(2) < 0.5, np.minimum(low + 10.0 ** rng.uniform(-12, 0, 2), high), high)
        assert_contains(tape, low, high, points_of_box(rng, low, high, 9))


SMOOTH: list[tuple[str, Callable[[Any], Any]]] = [
    ("pendulum", lambda x: x[1] + 0.1 * (casadi.sin(x[0]) * 9.81 - x[1])),
    ("bicycle", lambda x: x[0] * casadi.cos(x[1]) + casadi.tan(0.3 * x[1]) * x[0]),
    ("quotient", lambda x: x[0] / (1.0 + casadi.exp(-x[1]))),
    ("roots", lambda x: casadi.sqrt(2.0 + x[0] * x[1]) + casadi.log(3.0 + x[0])),
    ("angles", lambda x: casadi.atan2(x[0] + 2.0, x[1] + 2.0) + casadi.asin(0.4 * x[0])),
    ("powers", lambda x: (x[0] + 2.0) ** 2.5 * (x[1] + 3.0) ** -2 + casadi.sinh(x[0]) * casadi.cosh(x[1])),
]


@pytest.mark.parametrize("expression", [e for _, e in SMOOTH], ids=[n for n, _ in SMOOTH])
def test_gap_shrinks_at_second_order(expression: Callable[[Any], Any]) -> None:
    tape = tape_of(lambda x: [expression(x)], 2)
    centre, shape = np.array([0.4, -0.3]), np.array([1.0, 0.7])
    radii, gaps = 2.0 ** -np.arange(2.0, 9.0), []
    for radius in radii:
        lower, upper = centre - radius * shape, centre + radius * shape
        form = image(tape, lower[None], upper[None])
        # the intervals alone are exact where the expression happens to be monotone
        form = dataclasses.replace(form, lower=form.lower - 1e3, upper=form.upper + 1e3)
        ones = torch.ones(1, 1, dtype=torch.float64)
        width = float(form.support(ones)[0, 0] + form.support(-ones)[0, 0])
        grid = np.stack(np.meshgrid(*np.linspace(lower, upper, 41).T), -1).reshape(-1, 2)
        values = tape(grid)[0][:, 0]
        gaps.append(width - float(values.max() - values.min()))
    slope = np.polyfit(np.log(radii), np.log(gaps), 1)[0]
    assert slope > 1.9


def test_unknown_boxes_do_not_spoil_their_neighbours() -> None:
    tape = tape_of(lambda x: [casadi.log(x[0]) + 1.0, casadi.fmin(1.0 / x[0], 3.0), x[0]], 1)
    lower, upper = np.array([[-1.0], [1.0], [np.nan]]), np.array([[1.0], [2.0], [np.nan]])
    form = image(tape, lower, upper)
    assert torch.isfinite(form.symbols[1]).all()
    assert torch.isfinite(form.lower).tolist() == [[False, False, True], [True] * 3, [False] * 3]
    assert torch.isfinite(form.rounding).tolist() == [[False, False, True], [True] * 3, [False] * 3]


def test_constants_get_no_symbols() -> None:
    tape = tape_of(lambda x: [2.0 * x[0] + 1.0 / 3.0, 0.5 * x[1] - x[0]], 2)
    form = image(tape, np.zeros((1, 2)), np.ones((1, 2)))
    assert form.symbols.shape[-1] == 2


def test_products_see_what_their_factors_share() -> None:
    """(a + b)(a - b) over a unit box lies in [-1, 1]; the factors alone say [-4, 4]."""
    tape = tape_of(lambda x: [(x[0] + x[1]) * (x[0] - x[1])], 2)
    form = image(tape, -np.ones((1, 2)), np.ones((1, 2)))
    assert float(form.upper[0, 0]) < 4.0 - 1.9


@pytest.mark.parametrize("seed", range(60))
def test_forms_that_come_from_a_network_are_followed(seed: int) -> None:
    """Forms with offsets, rounding, residual symbols and boxes of their own."""
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    tape = random_tape(rng, network.out_size, 2, 3)
    lower, upper = random_box(rng, network.in_size)
    before = TaylorForm.of_box(torch.tensor(lower[None]), torch.tensor(upper[None])).through(NetworkView.of(network))
    table, numbers = numbers_of(before.folded())
    form = form_of(table, column_of(tape, table, [numbers]))
    for _ in range(3):
        direction = rng.normal(size=2)
        bound = float(form.support(torch.tensor(direction[None]))[0, 0])
        for point in points_of_box(rng, lower, upper, 5):
            try:
                values = exact_column(tape, [high_precision.network(network, high_precision.vector(point))])
            except TooLargeError:
                continue
            if None in values:
                assert not np.isfinite(bound)
            else:
                assert not high_precision.dot(direction, values) > bound
