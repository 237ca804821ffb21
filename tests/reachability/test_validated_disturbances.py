"""Validated steps under disturbances that vary in time, against worst cases with 60 digits, without tolerance."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl.reachability.validated_step import HeldDynamics
from tests.continuous_plants import (
    box_rows,
    plant_of,
    scaled,
    sine_cosine,
    solution,
    times,
    total,
    validated,
)
from tests.polynomial_rows import encloses, row_values, symbols


@pytest.mark.parametrize("ends", [(-0.3, 0.5), (0.2, 0.2), (0.0, 1e-9), (-100.0, 100.0)])
def test_disturbances_of_a_lag_by_their_worst_cases(ends: tuple[float, float]) -> None:
    """x' = -x + w: held at an end, and switched at random; by the formula of variation of constants."""
    plant = plant_of(lambda x, u, w, p: (-x[0] + w[0],), 1, 0, [ends])
    x = box_rows([1.0], [1.2])
    rng = np.random.default_rng(0)
    runs = [[symbols(rng, 1), None, pattern] for pattern in ("low", "high", "switching", "switching")]
    for run in runs:
        run[1] = row_values(x, run[0])[0]
    for _, step in validated(HeldDynamics(plant, 0.25, 4, 1e-3), x, 6):
        for run in runs:
            xi, value, pattern = run
            cuts = sorted({0.0, step.h, *(rng.random(2) * step.h if pattern == "switching" else ())})
            for begin, end in itertools.pairwise(cuts):
                w = mpmath.mpf(ends[{"low": 0, "high": 1, "switching": int(rng.integers(2))}[pattern]])
                value = w + (value - w) * mpmath.exp(-(mpmath.mpf(end) - mpmath.mpf(begin)))
                assert encloses(step.at(end), [value], xi)
                assert encloses(step.during(begin, end), [value], xi)
            run[1] = value


@pytest.mark.parametrize("order", [1, 4])
def test_disturbances_of_a_double_integrator_by_their_worst_cases(order: int) -> None:
    """Pushed with all force, forward and back."""
    plant = plant_of(lambda x, u, w, p: (x[1], w[0] - w[1]), 2, 0, [(-1.0, 2.0), (-0.5, 0.5)])
    x = box_rows([0.0, 0.0], [0.1, 0.0])
    for push in (mpmath.mpf(2.5), mpmath.mpf(-1.5)):
        for begin, step in validated(HeldDynamics(plant, 0.2, order, 1e-2), x, 3):
            for xi in ([mpmath.mpf(1), mpmath.mpf(1)], [mpmath.mpf(-1), mpmath.mpf(0)]):
                start = row_values(x, xi)[0]
                t = begin + mpmath.mpf(step.h)
                assert encloses(step.at_end(), [start + push * t * t / 2, push * t], xi)


def switched_pendulum(gust: Any) -> Callable[[list[list[mpmath.mpf]]], list[list[mpmath.mpf]]]:
    def field(x: list[list[mpmath.mpf]]) -> list[list[mpmath.mpf]]:
        sine, cosine = sine_cosine(x[0])
        damping = scaled(-0.5, times(x[1], times(x[1], x[1])))
        return [x[1], total(scaled(-9.81, sine), damping, scaled(gust, cosine))]

    return field


def test_disturbances_of_a_pendulum_that_switch_at_any_time() -> None:
    """Gusts that act through the cosine of the angle, always with or against the motion."""
    plant = plant_of(
        lambda x, u, w, p: (x[1], -9.81 * casadi.sin(x[0]) - 0.5 * x[1] ** 3 + w[0] * casadi.cos(x[0])),
        2, 0, [(-0.4, 0.6)],
    )  # fmt: skip
    x = box_rows([0.3, 0.0], [0.35, 0.1])
    rng = np.random.default_rng(0)
    runs = [[xi, row_values(x, xi), side] for side in ("with", "against", "random") for xi in [symbols(rng, 2)]]
    for _, step in validated(HeldDynamics(plant, 0.1, 4, 1e-3), x, 4):
        cuts = [0.0, *sorted(rng.random(1) * step.h), step.h]
        for run in runs:
            for begin, end in itertools.pairwise(cuts):
                forward = run[1][1] > 0 if run[2] == "with" else run[1][1] < 0
                forward = bool(rng.integers(2)) if run[2] == "random" else forward
                field = switched_pendulum(0.6 if forward else -0.4)
                run[1] = solution(field, run[1], mpmath.mpf(end) - mpmath.mpf(begin))
                assert encloses(step.at(end), run[1], run[0])
                assert encloses(step.during(begin, end), run[1], run[0])
    low, high = step.at_end().ranges()
    assert (high - low < 2.0).all()


def test_disturbances_that_are_told_are_held_there() -> None:
    plant = plant_of(lambda x, u, w, p: (-x[0] + w[0],), 1, 0, [(-100.0, 100.0)])
    w = mpmath.mpf(0.3)
    for begin, step in validated(HeldDynamics(plant, 0.25, 4, 1e-3), box_rows([1.0], [1.0]), 3, w=np.array([0.3])):
        exact = w + (1 - w) * mpmath.exp(-(begin + mpmath.mpf(step.h)))
        assert encloses(step.at_end(), [exact], [mpmath.mpf(0)])
        assert step.at_end().radius[0] < 1e-6


def test_disturbances_may_reach_a_kink() -> None:
    """x' = |x| - 0.1 + w from 0.1, |w| <= 10: the extreme disturbances in closed form."""
    plant = plant_of(lambda x, u, w, p: (casadi.fabs(x[0]) + w[0] - 0.1,), 1, 0, [(-10.0, 10.0)])
    ten, start = mpmath.mpf(10), mpmath.mpf(0.1)
    rate = mpmath.mpf(0.1)
    crossing = mpmath.log((ten + rate) / (ten + rate - start))
    for begin, step in validated(HeldDynamics(plant, 0.25, 4, 1e-3), box_rows([0.1], [0.1]), 2):
        t = begin + mpmath.mpf(step.h)
        highest = (start + ten - rate) * mpmath.exp(t) - ten + rate
        lowest = (start - ten - rate) * mpmath.exp(t) + ten + rate
        if t > crossing:
            lowest = -(ten + rate) * (1 - mpmath.exp(crossing - t))
        for x in (highest, lowest):
            assert encloses(step.at_end(), [x], [mpmath.mpf(0)])
