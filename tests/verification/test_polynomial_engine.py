"""Verdicts, margins, counterexamples and flowpipes of the engine `polynomial` against closed forms in 60 digits."""

from __future__ import annotations

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl import Avoid, Ball, Box, Budget, Polytope, Problem, Reach, Stay, Zonotope, falsify, reach, verify
from nnctrl.branching.meter import Meter
from nnctrl.reachability.polynomial_flow import FlowSettings
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.rounding import grow_up
from nnctrl.verification.polynomial.parts import PartJudge
from nnctrl.verification.polynomial.problem import PolynomialProblem
from nnctrl.verification.verdict import Result, Verdict
from tests.closed_form import (
    CASES,
    START,
    Case,
    below,
    constant_network,
    integrator,
    linear_network,
    moved,
    mpf,
    oscillator,
    problem,
    turning,
)
from tests.continuous_plants import plant_of

SIMULATED = mpf("1e-7")
"""How exact simulated margins are."""


def decided(question: Problem, smallest: float = 2.0**-5, seconds: float = 20.0) -> Result:
    return verify(
        question,
        engine="polynomial",
        budget=Budget(timeout_s=seconds, jobs=1),
        settings={"smallest_part": smallest},
    )


def assert_true(question: Problem, result: Result, margin: mpmath.mpf) -> None:
    """The only requirement has the real `margin`; nothing that the result says contradicts that."""
    (row,) = result.requirements
    touching = isinstance(question.requirements()[0][1], Avoid) and margin == 0
    if margin < 0 or touching:
        assert result.verdict is not Verdict.VERIFIED
        assert row.verdict is not Verdict.VERIFIED
    else:
        assert result.verdict is not Verdict.FALSIFIED
    # nan compares as false
    assert not row.margin_certified > margin
    assert not row.margin_sampled < margin - SIMULATED
    point = result.counterexample
    if point is None:
        return
    assert question.initial_set.contains(point.x0).verdict == "inside"
    assert (np.diff(point.t) > 0.0).all()
    assert point.t[-1] <= question.horizon * (1.0 + 1e-12)
    assert len(point.x) == len(point.t) == len(point.u) + 1
    if result.verdict is Verdict.FALSIFIED:
        assert 0.0 <= point.violation <= -margin


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts_and_margins_are_those_of_the_closed_form(case: Case) -> None:
    for slack in (case.wide, 1e-9, 0.0, -1e-9, -case.wide):
        bound = float(case.best + slack)
        result = decided(case.question(bound))
        assert_true(case.question(bound), result, mpf(bound) - case.best)
        if slack == case.wide:
            assert result.verdict is Verdict.VERIFIED
            assert result.requirements[0].margin_certified > 0.0
        if slack == -case.wide and case.refuted:
            assert result.verdict is Verdict.FALSIFIED


@pytest.mark.parametrize("case", [case for case in CASES if case.refuted], ids=str)
def test_falsify_alone(case: Case) -> None:
    bound = float(case.best - case.wide)
    result = falsify(case.question(bound), engine="polynomial", samples=512)
    assert result.verdict is Verdict.FALSIFIED
    assert_true(case.question(bound), result, mpf(bound) - case.best)
    bound = float(case.best + case.wide)
    result = falsify(case.question(bound), engine="polynomial", samples=64)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "sample-budget")
    assert_true(case.question(bound), result, mpf(bound) - case.best)


@pytest.mark.parametrize("too_little", [1e-3, 1e-6, 1e-8])
def test_overshoots_between_samples_are_violations(too_little: float) -> None:
    """The peak of the oscillator is at atan(1/2) = 0.46; samples are at 0 and 1, simulated points at quarters."""
    peak = mpmath.sqrt(mpf("1.25"))
    bound = float(peak) - too_little
    question = problem(oscillator(), constant_network(2, 0.0), Box([1, 0.5], [1, 0.5]), below(bound), period=1.0)
    result = decided(question)
    assert result.verdict is Verdict.FALSIFIED
    assert_true(question, result, mpf(bound) - peak)


def test_violations_are_at_most_those_of_the_reported_trajectory() -> None:
    for seed, bound in enumerate((0.9, 1.0, 1.1)):
        result = falsify(turning(below)(bound), engine="polynomial", samples=256, seed=seed)
        assert result.counterexample is not None
        a, b = (mpf(v) for v in result.counterexample.x0)
        last = min(mpf(result.counterexample.t[-1]), mpmath.atan2(b, a))
        # increasing until atan(b / a)
        assert result.counterexample.violation <= moved(last, (a, b)) - mpf(bound)
        for t, x in zip(result.counterexample.t, result.counterexample.x, strict=True):
            assert abs(moved(t, (a, b)) - mpf(x[0])) < SIMULATED


def test_stiff_plants_are_simulated_finely_enough() -> None:
    """x' = -60 x over a second: eight steps of the classical Runge-Kutta method would explode."""
    plant = plant_of(lambda x, u, w, p: (-60 * x[0] + u[0],), 1, 1)

    def stiff(requirement: Stay | Reach) -> Problem:
        return problem(plant, constant_network(1, 0.0), Box([-1], [1]), requirement, horizon=2.0, period=1.0)

    for requirement, real in ((Stay(Box([-2], [2])), 1.0), (Reach(Box([-0.5], [0.5]), at=1.0), 0.5)):
        result = decided(stiff(requirement), seconds=5.0)
        assert result.verdict is not Verdict.FALSIFIED
        assert result.counterexample is None
        assert abs(result.requirements[0].margin_sampled - real) < SIMULATED
        assert not result.requirements[0].margin_certified > real
    assert decided(stiff(Stay(Box([-2], [0.75])))).verdict is Verdict.FALSIFIED


def test_counterexamples_start_in_the_set_for_certain() -> None:
    """At vertices whose coordinates are no doubles: what is reported is pulled in."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        initial = Zonotope(rng.normal(size=2), 0.1 * rng.normal(size=(2, 3)))
        highest = float(initial.bounding_box().upper[0])
        question = turning(lambda b: below(b, during=(0, 0)), initial)(highest - 1e-4)
        result = decided(question)
        assert result.verdict is Verdict.FALSIFIED
        assert result.counterexample is not None
        assert initial.contains(result.counterexample.x0).verdict == "inside"


def test_a_disturbance_may_change_within_a_sample() -> None:
    """x'' = -x + w: at the time 4 a w that changes its sign at 4 - pi moves x0 by 0.235, constant ones by 0.165."""
    plant = plant_of(lambda x, u, w, p: (x[1], -x[0] + u[0] + w[0]), 2, 1, [(-0.1, 0.1)])
    most = mpf(0.1) * (3 - mpmath.cos(4 - mpmath.pi))

    def question(bound: float) -> Problem:
        rest = Box([0.0, 0.0], [0.0, 0.0])
        return problem(plant, constant_network(2, 0.0), rest, below(bound, during=(4, 4)), horizon=4.0, period=4.0)

    for bound in (0.17, 0.2, float(most) - 1e-9):
        result = decided(question(bound))
        assert result.verdict is Verdict.UNKNOWN
        assert not result.requirements[0].margin_certified > mpf(bound) - most
    assert decided(question(0.16)).verdict is Verdict.FALSIFIED
    assert decided(question(1.0)).verdict is Verdict.VERIFIED


def test_a_violation_for_one_value_of_a_parameter_is_not_refuted_and_never_verified() -> None:
    plant = plant_of(lambda x, u, w, p: (x[1], -p["k"] * x[0] + u[0]), 2, 1, parameters={"k": (0.25, 1.0)})

    def question(bound: float) -> Problem:
        return problem(plant, constant_network(2, 0.0), Box([0, 1], [0, 1]), below(bound, during=(1, 1)))

    # sin(w t) / w with w = 1/2, at the least sin(1) = 0.84
    most = 2 * mpmath.sin(mpf("0.5"))
    assert decided(question(float(most) - 1e-3)).verdict is Verdict.UNKNOWN
    assert decided(question(float(most) + 1e-2)).verdict is Verdict.VERIFIED
    assert decided(question(0.8)).verdict is Verdict.FALSIFIED


def test_parts_outside_the_set_do_not_count() -> None:
    """Only points of the initial set's bounding box that are not in the set violate."""
    diagonal = Polytope([[1.0, 1.0]], [1.5])
    sets: list[AbstractSet] = [Ball([0.0, 0.0], 1.0), Polytope([[1, 1], [-1, 0], [0, -1]], [1.0, 1.0, 1.0])]
    for initial in sets:
        question = problem(oscillator(), constant_network(2, 0.0), initial, Stay(diagonal, during=(0, 0)))
        assert decided(question, 2.0**-6).verdict is Verdict.VERIFIED
    # the box around them has the corner (1, 1)
    question = problem(oscillator(), constant_network(2, 0.0), Box([-1, -1], [1, 1]), Stay(diagonal, during=(0, 0)))
    assert decided(question).verdict is Verdict.FALSIFIED


def drift(*requirements: Stay | Avoid | Reach) -> Problem:
    """x' is anything in [-1, 1]: from 0, x(t) in [-t, t]."""
    plant = plant_of(lambda x, u, w, p: (p["k"] + u[0],), 1, 1, parameters={"k": (-1.0, 1.0)})
    return problem(plant, constant_network(1, 0.0), Box([0.0], [0.0]), *requirements)


def test_an_open_requirement_does_not_hide_another() -> None:
    """Both are violated for one parameter, the second only while the first is open."""
    first, second = Stay(Box([-0.25], [0.25])), Stay(Box([-0.5], [0.5]))
    third = Stay(Box([-1.5], [1.5]))
    for order in ((first, second, third), (second, third, first)):
        result = decided(drift(*order))
        assert result.verdict is Verdict.UNKNOWN
        for requirement, row in zip(order, result.requirements, strict=True):
            real = mpf(requirement.target.upper[0]) - 1  # type: ignore[union-attr]
            assert row.margin_certified <= real
            assert (row.verdict is Verdict.VERIFIED) == (requirement is third)


def test_a_margin_that_is_certified_holds_over_the_whole_stretch() -> None:
    """Open at the first instant that is looked at already, and worse later."""
    for window in ((0.0, 1.0), (0.05, 0.1), (0.43, 0.97)):
        (row,) = decided(drift(Stay(Box([-0.01], [0.01]), during=window))).requirements
        assert row.margin_certified <= mpf(0.01) - mpf(window[1])


@pytest.mark.parametrize("period", [0.1, 1.0])
def test_margins_to_the_end_hold_over_all_times(period: float) -> None:
    """Of a part on which a requirement is open: whichever instant shows that, the margin is that of the worst."""
    for bound in (0.5, *np.linspace(1.0, 1.118, 24)):
        start = Box([1.0, 0.5], [1.0, 0.5])
        question = problem(oscillator(), constant_network(2, 0.0), start, below(bound), period=period)
        compiled = PolynomialProblem.of(question)
        judge = PartJudge(compiled, FlowSettings.automatic(2, 1, 0), Meter())
        found = judge.judge(compiled.initial.lower, compiled.initial.upper, to_the_end=True)
        real = mpf(bound) - mpmath.sqrt(mpf("1.25"))
        assert found.open == 0
        assert real - 0.2 <= found.margins[0] <= real


def test_several_requirements_at_once() -> None:
    """The least slack of each; and the one that is violated is named."""
    good = (below(1.2), Avoid(Box([1.3], [1.4]), on=("x0",)), Reach(Box([-9.0], [1.0]), on=("x0",), at=1.0, name="end"))
    result = decided(problem(oscillator(), constant_network(2, 0.0), START, *good))
    peak = mpmath.sqrt(mpf("1.25"))
    reals = [mpf(1.2) - peak, mpf(1.3) - peak, 1 - moved(10 * mpf(0.1))]
    assert result.verdict is Verdict.VERIFIED is decided(turning(lambda _: good[1])(0.0)).verdict
    for row, real in zip(result.requirements, reals, strict=True):
        assert 0.0 < row.margin_certified <= real <= row.margin_sampled + SIMULATED
    bad = problem(
        oscillator(), constant_network(2, 0.0), START, *good[:2], Stay(Box([0.9], [9.0]), on=("x0",), name="up")
    )
    refuted = decided(bad)
    assert refuted.counterexample is not None
    assert refuted.counterexample.requirement == "up"
    assert [row.verdict for row in refuted.requirements] == ["UNKNOWN", "UNKNOWN", "FALSIFIED"]


def covered(result: Result, time: float, x: np.ndarray) -> bool:
    """Whether a set of the flowpipe at this time certainly has room for the point in every one of 16 directions."""
    assert result.flowpipe is not None
    angles = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
    for step in result.flowpipe.steps:
        if step.time[0] <= time <= step.time[1]:
            for zonotope in step.sets:
                assert isinstance(zonotope, Zonotope)
                directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, : len(x)]
                reached = directions @ zonotope.centre + grow_up(
                    np.abs(directions @ zonotope.generators).sum(axis=1), 99
                )
                if (directions @ x <= reached + 1e-12).all():
                    return True
    return False


@pytest.mark.parametrize("parts", [1, 8])
def test_flowpipes_contain_exact_states_at_all_times(parts: int) -> None:
    question = turning(below)(9.0)
    result = reach(question, engine="polynomial", settings={"parts": parts})
    assert result.reason is None
    assert result.statistics.parts == parts
    for corner in ((0.75, 0.25), (0.75, 0.5), (1.0, 0.25), (1.0, 0.5), (0.9, 0.3)):
        for time in np.linspace(0.0, 1.0, 41):
            x = [moved(time, corner), moved(time, (corner[1], -corner[0]))]
            assert covered(result, float(time), np.array(x, dtype=float))
    assert result.flowpipe is not None
    assert result.flowpipe.steps[0].time[0] == 0.0
    assert result.flowpipe.steps[-1].time[1] >= 1.0
    assert not covered(result, 0.5, np.array([1.3, 0.0]))


def test_more_parts_make_flowpipes_tighter() -> None:
    plant = plant_of(lambda x, u, w, p: (x[1], -casadi.sin(2 * x[0]) + u[0]), 2, 1)
    question = problem(plant, linear_network([[-0.5, 0.25]]), Box([-1.0, -1.0], [1.0, 1.0]), below(99.0), horizon=2.0)
    widths = []
    for parts in (1, 8):
        pipe = reach(question, engine="polynomial", settings={"parts": parts}).flowpipe
        assert pipe is not None
        boxes = [zonotope.bounding_box() for zonotope in pipe.steps[-1].sets]
        assert len(boxes) == parts
        widths.append(max(box.upper[0] for box in boxes) - min(box.lower[0] for box in boxes))
    assert widths[1] < 0.9 * widths[0]


def test_the_number_of_processes_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnctrl.verification.polynomial.proof.ALONE_S", 0.0)
    plant = plant_of(lambda x, u, w, p: (x[1], -casadi.sin(2 * x[0]) + u[0]), 2, 1)
    requirements = below(2.21), Stay(Box([-3.5], [3.5]), on=("x1",))
    question = problem(plant, linear_network([[-0.5, 0.25]]), Box([-1.0, -1.0], [1.0, 1.0]), *requirements, horizon=2.0)
    alone, together = (
        verify(question, engine="polynomial", budget=Budget(timeout_s=60.0, jobs=jobs)) for jobs in (1, 2)
    )
    assert alone.verdict is together.verdict is Verdict.VERIFIED
    assert [row.margin_certified for row in alone.requirements] == [
        row.margin_certified for row in together.requirements
    ]
    assert alone.statistics.parts == together.statistics.parts > 4


def test_a_goal_that_is_passed_within_one_step_is_found() -> None:
    """x' = 1 from [0, 0.04]: the goal [0.45, 0.55] is left before the step of 1 s ends."""
    goal = Box([0.45], [0.55])
    question = problem(
        integrator(), constant_network(1, 1.0), Box([0.0], [0.04]), Reach(goal, within=1.0), horizon=1.0, period=1.0
    )
    assert verify(question, engine="polynomial").verdict is Verdict.VERIFIED


def test_a_set_is_reached_by_each_trajectory_at_its_own_time() -> None:
    """x' = 1 from [0, 0.5]: nobody is in [0.7, 0.85] together with all others, all pass through it."""
    goal = Box([0.7], [0.85])
    question = problem(integrator(), constant_network(1, 1.0), Box([0.0], [0.5]), Reach(goal, within=1.0))
    assert decided(question).verdict is Verdict.VERIFIED
    at_once = problem(integrator(), constant_network(1, 1.0), Box([0.0], [0.5]), Reach(goal, at=0.5))
    assert decided(at_once).verdict is Verdict.FALSIFIED
    too_early = problem(integrator(), constant_network(1, 1.0), Box([0.0], [0.5]), Reach(goal, within=0.65))
    assert decided(too_early).verdict is Verdict.FALSIFIED
