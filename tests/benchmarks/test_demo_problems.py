"""The small problems with networks of our own: each has the verdict that is expected of it, and quickly."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from nnctrl import Budget, Problem, Verdict, registry, simulate, verify
from nnctrl.systems.simulation import advance
from nnctrl.verification.verdict import Counterexample, Result

EXPECTED = {
    "acc": Verdict.VERIFIED,
    "airplane": Verdict.FALSIFIED,
    "attitude": Verdict.VERIFIED,
    "cartpole": Verdict.VERIFIED,
    "docking": Verdict.VERIFIED,
    "double-pendulum": Verdict.VERIFIED,
    "double-pendulum-tight": Verdict.FALSIFIED,
    "nav": Verdict.VERIFIED,
    "quad": Verdict.VERIFIED,
    "single-pendulum": Verdict.VERIFIED,
    "tora": Verdict.VERIFIED,
    "unicycle": Verdict.VERIFIED,
}

ALLOWED_SECONDS = 40.0
"""Of the processor, for all of them together."""

PIECES = 16
"""Moments of a period at which a replayed counterexample is looked at."""


@cache
def built(name: str) -> Problem:
    return registry.load("problems", f"demo/{name}")().build()


@cache
def verified(name: str) -> Result:
    return verify(built(name), budget=Budget(timeout_s=120.0))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_verdict_is_the_expected_one(name: str) -> None:
    result = verified(name)
    assert result.verdict is EXPECTED[name], result.notes
    for row in result.requirements:
        if row.verdict is Verdict.VERIFIED:
            assert 0.0 < row.margin_certified <= row.margin_sampled


@pytest.mark.parametrize("name", EXPECTED)
def test_the_description_says_what_is_expected(name: str) -> None:
    definition = registry.load("problems", f"demo/{name}")
    assert definition.id == built(name).name == f"demo/{name}"
    assert f"expected {EXPECTED[name].value}." in definition.__doc__


@pytest.mark.parametrize("name", [name for name, verdict in EXPECTED.items() if verdict is Verdict.FALSIFIED])
def test_a_counterexample_violates_when_the_simulator_replays_it(name: str) -> None:
    problem, point = built(name), verified(name).counterexample
    assert point is not None
    assert problem.initial_set.contains(point.x0).verdict == "inside"
    requirement = dict(problem.requirements())[point.requirement]
    axes = [list(problem.closed_loop.plant.states).index(name) for name in problem.coordinates(requirement)]
    assert any(requirement.target.contains(x).verdict == "outside" for x in replayed(problem, point)[:, axes])


def replayed(problem: Problem, point: Counterexample) -> np.ndarray:
    """States at and between the samples, by the simulator."""
    plant, controller = problem.closed_loop.plant, problem.closed_loop.controller
    path = simulate(plant, controller, point.x0, len(point.w))
    states = list(path.x[0])
    for k in range(len(point.w)):
        for j in range(1, PIECES):
            held = path.u[:, k], path.w[:, k], plant.nominal_parameters
            states.append(advance(plant, path.x[:, k], *held, path.t[1] * j / PIECES)[0])
    return np.array(states)


def test_all_together_are_quick() -> None:
    assert 0.0 < sum(verified(name).cpu_s for name in EXPECTED) < ALLOWED_SECONDS


def test_every_family_of_the_competition_but_one_has_a_small_problem() -> None:
    own = {id.removeprefix("demo/") for id in registry.names("problems") if id.startswith("demo/")}
    assert own == set(EXPECTED)
    plants = {problem.closed_loop.plant.name for problem in map(built, EXPECTED)}
    families = {id for id in registry.names("plants") if not id.startswith(("quadrotor6d", "double-integrator"))}
    assert plants == {registry.load("plants", id).__name__ for id in families - {"vertical-encounter"}}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_problem_is_the_one_that_the_network_was_trained_for(name: str) -> None:
    problem, family = built(name), name.removesuffix("-tight")
    experts = [id for id in registry.names("experts") if id.startswith(f"demo/{family}-")]
    assert len(experts) == 1
    recipe = registry.load("experts", experts[0]).recipe()
    assert problem.horizon == pytest.approx(recipe.horizon * recipe.expert.period, rel=1e-12)
    bounds, own = problem.initial_set.bounding_box(), recipe.initial_set.bounding_box()
    assert (bounds.lower.tolist(), bounds.upper.tolist()) == (own.lower.tolist(), own.upper.tolist())
    assert [id for id, _ in problem.requirements()] == [id for id, _ in recipe.spec.items()]
