"""Every ARCH-COMP instance has the verdict that is expected of it, with no settings, and quickly."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from benchmarks.arch_suite.instances import INSTANCES, Instance
from nnctrl import Avoid, Problem, Verdict, registry, simulate, verify
from nnctrl.systems.simulation import advance
from nnctrl.verification.verdict import Counterexample, Result
from tests.benchmarks.arch_instances import FAST, REGISTERED, SLOW, built, verified

ALLOWED_SECONDS = 60.0
"""Of the processor, for all fast instances together."""

PIECES = 16
"""Moments of a period at which a replayed counterexample is looked at."""


def assert_margins_agree(result: Result) -> None:
    """What is certified can be no more than what was seen."""
    for row in result.requirements:
        if not math.isnan(row.margin_certified):
            assert row.margin_certified <= row.margin_sampled, row.id


def replayed(problem: Problem, point: Counterexample) -> tuple[np.ndarray, np.ndarray]:
    """Times and states of the trajectory of `point`, by the simulator, at samples and between them."""
    loop = problem.closed_loop
    plant, steps = loop.plant, len(point.w)
    # none of these loops has noise, so all columns are disturbances of the plant
    path = simulate(plant, loop.controller, point.x0, steps, point.w)
    if plant.is_discrete:
        return np.arange(steps + 1.0), path.x[0]
    period = path.t[1]
    times, states = list(path.t), list(path.x[0])
    for k in range(steps):
        for j in range(1, PIECES):
            time = period * j / PIECES
            states.append(advance(plant, path.x[:, k], path.u[:, k], path.w[:, k], plant.nominal_parameters, time)[0])
            times.append(path.t[k] + time)
    return np.array(times), np.array(states)


def violates(problem: Problem, point: Counterexample) -> bool:
    """Whether the replayed trajectory is on the wrong side of the set at a moment that counts."""
    requirement = dict(problem.requirements())[point.requirement]
    axes = [list(problem.closed_loop.plant.states).index(name) for name in problem.coordinates(requirement)]
    first, last = requirement.window(problem.horizon)
    times, states = replayed(problem, point)
    wrong = "inside" if isinstance(requirement, Avoid) else "outside"
    slack = 1e-9 * (1.0 + last)
    counted = states[(times >= first - slack) & (times <= last + slack)][:, axes]
    return any(requirement.target.contains(x).verdict == wrong for x in counted)


@pytest.mark.parametrize("instance", FAST, ids=lambda item: item.id)
def test_the_verdict_is_the_expected_one(instance: Instance) -> None:
    result = verified(instance.id)
    assert result.verdict is instance.expected, result.notes
    assert_margins_agree(result)
    assert all(row.margin_certified > 0.0 for row in result.requirements if row.verdict is Verdict.VERIFIED)


@pytest.mark.parametrize("instance", [i for i in FAST if i.expected is Verdict.FALSIFIED], ids=lambda item: item.id)
def test_a_counterexample_violates_when_the_simulator_replays_it(instance: Instance) -> None:
    problem, point = built(instance.id), verified(instance.id).counterexample
    assert point is not None
    assert problem.initial_set.contains(point.x0).verdict == "inside"
    assert violates(problem, point)
    assert point.violation > 0.0


@pytest.mark.parametrize("id", ["airplane-continuous", "airplane-discrete"])
def test_the_replay_tells_a_harmless_trajectory_from_a_counterexample(id: str) -> None:
    problem, point = built(id), verified(id).counterexample
    assert point is not None
    at_rest = problem.initial_set.bounding_box().lower
    assert not violates(problem, dataclasses.replace(point, x0=at_rest))


def test_all_fast_instances_together_are_quick() -> None:
    seconds = 0.0
    for instance in FAST:
        try:
            seconds += verified(instance.id).cpu_s
        except pytest.skip.Exception:
            continue
    assert 0.0 < seconds < ALLOWED_SECONDS


def test_every_registered_problem_of_the_competition_is_in_the_suite() -> None:
    own = {name for name in registry.names("problems") if name.startswith("arch/")}
    assert own == {item.problem for item in REGISTERED.values()}
    assert len({(item.benchmark, item.name) for item in INSTANCES}) == len({item.id for item in INSTANCES}) == 26


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("id", SLOW)
def test_the_whole_initial_sets_that_take_minutes_are_verified(id: str) -> None:
    result = verify(built(id))
    assert_margins_agree(result)
    assert result.verdict is Verdict.VERIFIED, result.notes
    assert result.cpu_s < 600.0
