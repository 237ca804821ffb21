"""The problems that come with the project: the verdicts they are expected to have, and what they promise to ask."""

from __future__ import annotations

import numpy as np
import pytest

from nnctrl import Avoid, Box, Budget, Problem, Verdict, registry, simulate, verify
from nnctrl.learning.recipe import recipe_of

EXPECTED = {
    "double-integrator": Verdict.VERIFIED,
    "double-integrator-blocked": Verdict.FALSIFIED,
    "quadrotor6d-obstacles": Verdict.VERIFIED,
    "quadrotor6d-obstacles-blocked": Verdict.FALSIFIED,
}


def build(name: str) -> Problem:
    return registry.load("problems", name)().build()


@pytest.mark.parametrize("name", EXPECTED)
def test_expected_verdicts(name: str) -> None:
    result = verify(build(name), budget=Budget(timeout_s=60.0))
    assert result.verdict is EXPECTED[name]
    for row in result.requirements:
        if row.verdict is Verdict.VERIFIED:
            assert 0.0 < row.margin_certified <= row.margin_sampled


def test_every_own_problem_has_an_expected_verdict() -> None:
    own = {name for name in registry.names("problems") if "/" not in name}
    assert own == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_own_problem_names_the_expert_of_its_network(name: str) -> None:
    definition, problem = registry.load("problems", name), build(name)
    recipe = recipe_of(definition.expert, registry.load("experts", definition.expert))
    network = problem.closed_loop.controller.network
    assert type(recipe.plant) is type(problem.closed_loop.plant)
    assert recipe.horizon == problem.horizon
    assert network.architecture().split(" ")[0].split("-")[1:-1] == list(map(str, recipe.settings.hidden))


@pytest.mark.parametrize("name", ["double-integrator", "quadrotor6d-obstacles"])
def test_the_blocked_twin_moves_an_obstacle_onto_the_trajectory_from_the_centre(name: str) -> None:
    free, blocked = build(name), build(f"{name}-blocked")
    plant, controller = free.closed_loop.plant, free.closed_loop.controller
    centre = free.initial_set.bounding_box().centre
    trajectory = simulate(plant, controller, centre, int(free.horizon)).x[0]
    others = {id: (type(r), r.target.radius) for id, r in free.requirements() if isinstance(r, Avoid)}
    same, moved = [], []
    for id, requirement in blocked.requirements():
        if not isinstance(requirement, Avoid):
            continue
        assert others[id] == (Avoid, requirement.target.radius)
        axes = [list(plant.states).index(s) for s in blocked.coordinates(requirement)]
        distances = np.linalg.norm(trajectory[:, axes] - requirement.target.centre, axis=1)
        (moved if distances.min() < 0.05 else same).append(id)
    assert len(moved) == 1
    assert len(same) == len(others) - 1


def test_the_double_integrators_ball_is_close_to_the_tube() -> None:
    problem = build("double-integrator")
    rng = np.random.default_rng(0)
    start = problem.initial_set.sample(rng, 2000)
    x = simulate(problem.closed_loop.plant, problem.closed_loop.controller, start, 5).x
    (ball,) = [r.target for _, r in problem.requirements() if isinstance(r, Avoid)]
    assert ball.radius == 0.2
    assert (np.linalg.norm(x - ball.centre, axis=-1) - ball.radius).min() < 0.3


def test_the_quadrotors_box_is_not_tiny_and_its_horizon_long() -> None:
    problem = build("quadrotor6d-obstacles")
    assert isinstance(problem.initial_set, Box)
    assert (problem.initial_set.upper[:3] - problem.initial_set.lower[:3] >= 0.1).all()
    assert problem.horizon * problem.closed_loop.plant.dt == pytest.approx(6.0)
