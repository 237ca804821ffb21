"""Times that count, to the last digit: at great speed a time that is looked at too much or too little is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnctrl import Avoid, Box, Budget, Problem, Reach, Stay, verify
from nnctrl.errors import InputError
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Requirement
from nnctrl.verification.polynomial.problem import PolynomialProblem, lagrange_weights
from nnctrl.verification.verdict import Result, Verdict
from tests.closed_form import below, constant_network, integrator, linear_network, moved, mpf, problem, turning

FAST = 1e8
"""Units per second: what an error of 1e-12 in time does to the state is 1e-4."""


def racing(*requirements: Requirement, speed: float = FAST, **parts: Any) -> Problem:
    """x' = speed from 0."""
    return problem(integrator(), constant_network(1, speed), Box([0.0], [0.0]), *requirements, **parts)


def decided(question: Problem) -> Result:
    return verify(question, engine="polynomial", budget=Budget(timeout_s=20.0, jobs=1))


def assert_not_wrong(question: Problem, holds: bool, margin: mpf) -> None:
    result = decided(question)
    assert result.verdict is not (Verdict.FALSIFIED if holds else Verdict.VERIFIED)
    assert not result.requirements[0].margin_certified > margin
    if result.verdict is Verdict.FALSIFIED:
        assert result.counterexample is not None
        assert result.counterexample.violation <= -margin


@pytest.mark.parametrize("time", [0.37, 0.05, 1.0 / 3.0, 5e-10, 0.3 + 1e-10, 0.3 - 1e-10, 1e-14])
@pytest.mark.parametrize("slack", [1e-5, -1e-5])
def test_the_ends_of_windows(time: float, slack: float) -> None:
    """x(t) = t / 1e-8; every requirement is met or missed by `slack` at the end of its window."""
    there = mpf(time) * mpf(FAST)
    bound = float(there + slack)
    margin = mpf(bound) - there
    far = 10.0 * FAST
    assert_not_wrong(racing(Stay(Box([-1.0], [bound]), during=(0.0, time))), slack > 0, margin)
    assert_not_wrong(racing(Avoid(Box([bound], [far]), during=(0.0, time))), slack > 0, margin)
    assert_not_wrong(racing(Reach(Box([-far], [bound]), at=time)), slack > 0, margin)
    assert_not_wrong(racing(Stay(Box([-far], [bound]), during=(time, time))), slack > 0, margin)
    # from the other side
    bound = float(there - slack)
    margin = there - mpf(bound)
    assert_not_wrong(racing(Reach(Box([bound], [far]), within=time)), slack > 0, margin)
    assert_not_wrong(racing(Stay(Box([bound], [far]), during=(time, 1.0))), slack > 0, margin)
    assert_not_wrong(racing(Reach(Box([bound], [far]), at=time)), slack > 0, margin)


@pytest.mark.parametrize("slack", [1e-5, -1e-5])
def test_obstacles_are_where_they_are_at_each_time(slack: float) -> None:
    """Both move at great speed, one length apart; what remains is the rounding of positions."""
    bound = 1.0 + slack
    obstacle = Moving(Box([bound], [bound + 1.0]), [FAST])
    question = problem(integrator(), constant_network(1, FAST), Box([0.0], [1.0]), Avoid(obstacle))
    assert_not_wrong(question, slack > 0, mpf(bound) - 1)


def test_times_contain_the_real_ones() -> None:
    question = PolynomialProblem.of(racing(below(1e9), period=0.1, horizon=100.0))
    for sample in (0, 1, 3, 7, 999):
        for share in np.linspace(0.0, 1.0, 9):
            # as a stretch computes it
            time = float(sample + share)
            real = mpf(0.1) * sample + mpf((time - sample) * 0.1)
            low, high = question.times(time, time)
            assert mpf(low) <= real <= mpf(high)
            assert high - low <= 1e-14 * high


@pytest.mark.parametrize("period", [0.1, 0.05, 0.3, 1.0 / 3.0, 0.007])
def test_times_that_are_samples_up_to_rounding_are_samples(period: float) -> None:
    for sample in (0, 1, 2, 3, 7, 100):
        for time in (period * sample, float(f"{period * sample:.15g}")):
            question = racing(below(1e9, during=(time, time)), period=period, horizon=101 * period)
            (watch,) = PolynomialProblem.of(question).watches
            assert (watch.first, watch.last, watch.inner_first, watch.inner_last) == (sample,) * 4


def test_windows_between_samples_are_enclosed_from_both_sides() -> None:
    (watch,) = PolynomialProblem.of(racing(below(1e9, during=(0.37, 0.43)))).watches
    period, first, last = mpf(0.1), mpf(0.37), mpf(0.43)
    assert watch.first < first / period < watch.inner_first < watch.first + 1e-10
    assert watch.last - 1e-10 < watch.inner_last < last / period < watch.last
    (one,) = PolynomialProblem.of(racing(below(1e9, during=(0.37, 0.37)))).watches
    assert one.inner_first > one.inner_last
    assert one.first < first / period < one.last


def braked(requirement: Requirement) -> Problem:
    """The input 5 for a sample, then 1.125."""
    start = Box([0.0], [0.125])
    return problem(integrator(), constant_network(1, 1.125), start, requirement, delay=1, initial_input=[5.0])


def test_at_a_sample_the_input_is_that_of_the_sample() -> None:
    """The one before does not count any more: neither does it violate, nor is a violation as large as its."""
    window = (0.1, 0.3)
    assert decided(braked(Stay(Box([-2.0], [2.0]), on=("u0",), during=window))).verdict is Verdict.VERIFIED
    for requirement in (
        Stay(Box([-1.0], [1.0]), on=("u0",), during=window),
        Avoid(Box([1.0], [3.0]), on=("u0",), during=(0.1, 0.1)),
        Reach(Box([-1.0], [1.0]), on=("u0",), at=0.1),
    ):
        result = decided(braked(requirement))
        assert result.verdict is Verdict.FALSIFIED
        assert result.counterexample is not None
        assert 0.0 < result.counterexample.violation <= 0.125
    assert decided(braked(Reach(Box([4.0], [6.0]), on=("u0",), at=0.05))).verdict is Verdict.VERIFIED
    assert decided(braked(Reach(Box([1.0], [2.0]), on=("u0",), within=0.1))).verdict is Verdict.VERIFIED
    assert decided(braked(Reach(Box([1.0], [2.0]), on=("u0",), within=0.09))).verdict is Verdict.FALSIFIED


@pytest.mark.parametrize(
    "requirement",
    [
        Stay(Box([-1.0], [1.0]), on=("u0",), during=(1.0, 1.0)),
        Avoid(Box([-1.0], [1.0]), on=("u0",), during=(1.0, 1.0)),
        Reach(Box([-1.0], [9.0]), on=("u0",), at=1.0),
    ],
)
def test_inputs_at_the_horizon_are_none(requirement: Requirement) -> None:
    with pytest.raises(InputError, match=r"counts no sample: .* before the horizon 1;"):
        decided(braked(requirement))


def test_the_horizon_is_a_whole_number_of_periods() -> None:
    with pytest.raises(InputError, match=r"horizon is 0\.25 s.*periods of 0\.1 s; give a multiple"):
        decided(racing(below(1e9), horizon=0.25))
    assert PolynomialProblem.of(racing(below(1e9), horizon=0.1 + 0.2)).samples == 3


def test_a_set_may_be_reached_at_the_very_start() -> None:
    question = problem(
        integrator(), linear_network([[1.0]]), Box([1.0], [1.25]), Reach(Box([0.0], [1.2501]), within=1.0), period=1.0
    )
    assert decided(question).verdict is Verdict.VERIFIED


def test_interpolated_signals() -> None:
    """Between the points of a period as exactly as at them; inputs are held and not smoothed."""
    question = PolynomialProblem.of(turning(below)(9.0))
    signals = question.simulated(np.array([[1.0, 0.5]]), np.zeros((1, 10, 0)))
    for time in (0.1, 3.7, 4.31, 9.99):
        (found,) = question.interpolated(signals, time)
        assert abs(mpf(found[0]) - moved(mpf(time) / 10)) < 1e-7
        assert found[2] == 0.0
    jumping = PolynomialProblem.of(braked(below(9.0)))
    signals = jumping.simulated(np.array([[0.0]]), np.zeros((1, 10, 0)))
    for time, held in ((0.9, 5.0), (1.1, 1.125)):
        np.testing.assert_allclose(jumping.interpolated(signals, time)[0, 1], held, rtol=1e-14)
    np.testing.assert_array_equal(lagrange_weights(4, 2.0), [0.0, 0.0, 1.0, 0.0])
