"""verify, reach and falsify for a plant that is not affine, and the command line on top of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl.cli.main import run
from nnctrl.cli.status import ExitStatus
from nnctrl.errors import InputError
from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from nnctrl.verification.decide import falsify, reach, verify
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Budget
from nnctrl.verification.verdict import Reason, Result, Verdict
from tests.nonlinear_loops import Pendulum, balancing_network, gusty_loop, pendulum_loop, simulate_exactly

START = Box([0.8, -0.1], [1.0, 0.1])

UPRIGHT = Reach(Box([-0.05, -0.1], [0.05, 0.1]), at=15, name="upright")
GENTLE = Stay(Box([-20.0], [5.0]), on=("u",), name="gentle")
CLEAR = Avoid(Ball([0.2, -1.2], 0.1), name="clear")


def problem(*requirements: Requirement, loop: ClosedLoop | None = None, horizon: int = 15, **more: Any) -> Problem:
    return Problem(loop or pendulum_loop(), more.pop("start", START), Spec(requirements), horizon, "pendulum", **more)


def test_verified_with_margins_below_those_of_samples() -> None:
    result = verify(problem(UPRIGHT, GENTLE, CLEAR))
    assert (result.verdict, result.reason) == (Verdict.VERIFIED, Reason.PROVED)
    for row in result.requirements:
        assert 0.0 <= row.margin_certified <= row.margin_sampled
    assert result.statistics.parts is not None
    assert result.statistics.parts < 100


@pytest.mark.parametrize(
    "requirement",
    [
        Reach(Box([-0.05, -0.05], [0.05, 0.1]), at=15, name="upright"),
        Stay(Box([-19.0], [5.0]), on=("u",), name="gentle"),
        Avoid(Ball([0.2, -0.62], 0.03), name="clear"),
    ],
    ids=lambda requirement: type(requirement).__name__,
)
def test_falsified_twins_replay(requirement: Requirement) -> None:
    """Each differs from a requirement that holds by one number; the counterexample violates with 60 digits."""
    question = problem(requirement)
    result = verify(question)
    assert (result.verdict, result.reason) == (Verdict.FALSIFIED, Reason.COUNTEREXAMPLE)
    point = result.counterexample
    assert point is not None
    assert point.violation > 0.0
    loop = question.closed_loop
    again = simulate(loop.plant, loop.controller, point.x0, len(point.w))
    np.testing.assert_allclose(again.x[0], point.x, atol=1e-12)
    steps = 15
    states, inputs = simulate_exactly(loop, point.x0, np.zeros((steps, 0)), np.zeros((steps, 0)))
    assert _violates(requirement, states, inputs)


def _violates(requirement: Requirement, states: list[Any], inputs: list[Any]) -> bool:
    if isinstance(requirement, Reach):
        return not _inside(requirement.target, states[15])
    if isinstance(requirement, Stay):
        return any(not _inside(requirement.target, u) for u in inputs)
    centre, radius = requirement.target.centre, requirement.target.radius
    return any(mpmath.norm([a - float(b) for a, b in zip(x, centre, strict=True)]) <= radius for x in states)


def _inside(box: Box, x: list[mpmath.mpf]) -> bool:
    return all(low <= value <= high for low, value, high in zip(box.lower, x, box.upper, strict=True))


def test_falsify_alone_and_nothing_to_find() -> None:
    found = falsify(problem(Stay(Box([-19.0], [5.0]), on=("u",), name="gentle")), samples=200)
    assert found.verdict is Verdict.FALSIFIED
    nothing = falsify(problem(UPRIGHT), samples=200)
    assert (nothing.verdict, nothing.reason) == (Verdict.UNKNOWN, Reason.SAMPLE_BUDGET)


def test_exact_trajectories_stay_in_the_flowpipe() -> None:
    question = problem(UPRIGHT)
    result = verify(question)
    assert result.flowpipe is not None
    _assert_flowpipe_contains(question, result)


@pytest.mark.parametrize("mode", ["per-step", "combined", "k-step"])
def test_reach_is_accurate_and_contains_exact_trajectories(mode: str) -> None:
    question = problem(Stay(Box([-9.0, -9.0], [9.0, 9.0])), horizon=5, start=Box([0.3, -0.1], [0.4, 0.0]))
    result = reach(question, settings={"mode": mode, "eps": 1e-3})
    assert result.reason is None
    assert result.statistics.gap is not None
    assert result.statistics.gap <= 1e-3
    _assert_flowpipe_contains(question, result)


def _assert_flowpipe_contains(question: Problem, result: Result) -> None:
    rng, steps = np.random.default_rng(0), int(question.horizon)
    assert result.flowpipe is not None
    directions = np.concatenate([np.eye(2), -np.eye(2), rng.normal(size=(4, 2))])
    box = question.initial_set
    assert isinstance(box, Box)
    for _ in range(6):
        x0 = np.clip(box.lower + np.round(2 * rng.random(2)) / 2 * (box.upper - box.lower), box.lower, box.upper)
        states, _ = simulate_exactly(question.closed_loop, x0, np.zeros((steps, 0)), np.zeros((steps, 0)))
        for k, state in enumerate(states):
            for direction, support in zip(directions, result.flowpipe.support(k, directions), strict=True):
                assert mpmath.fdot([mpmath.mpf(float(d)) for d in direction], state) <= mpmath.mpf(float(support))


def test_disturbed_loop_with_parts_and_an_uncertain_parameter() -> None:
    loop = gusty_loop(noise=True, saturated=True, uncertain=True)
    start = Box([0.1, -0.05], [0.15, 0.0])
    low = Stay(Box([0.9], [1.06]), on=("height",), name="height")
    assert verify(problem(low, loop=loop, horizon=4, start=start)).verdict is Verdict.VERIFIED
    # what is proved holds for every length: the tip of the longest pendulum is above 1.03
    high = Stay(Box([0.9], [0.93]), on=("height",), name="height")
    result = verify(problem(high, loop=loop, horizon=4, start=start))
    assert result.verdict is Verdict.FALSIFIED
    # 1.0 is violated by some lengths and not by others: nothing is claimed
    some = Stay(Box([0.9], [0.999]), on=("height",), name="height")
    result = verify(problem(some, loop=loop, horizon=4, start=start), settings={"smallest_part": 0.5})
    assert result.verdict is Verdict.UNKNOWN


def test_dynamics_that_are_undefined_on_the_way_prove_nothing() -> None:
    import casadi

    class Rooted(Pendulum):
        def dynamics(self, x: Any, u: Any) -> Any:
            return x[0] + 0.1 * x[1], x[1] + 0.1 * (casadi.sqrt(x[0] - 0.85) + u[0])

    loop = compose(Rooted(), Controller(balancing_network()))
    result = verify(problem(Stay(Box([-9.0, -9.0], [9.0, 9.0])), loop=loop, horizon=1))
    assert result.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["verify"], ExitStatus.DONE),
        (["reach", "--set", "mode=per-step", "--set", "bound=first-order"], ExitStatus.DONE),
        (["falsify", "--samples", "100"], ExitStatus.UNKNOWN),
        (["reach", "--set", "bound=crown"], ExitStatus.BAD_INPUT),
    ],
    ids=["verify", "reach", "falsify", "refused"],
)
def test_commands_take_problem_files(command: list[str], status: ExitStatus, tmp_path: Path) -> None:
    file = tmp_path / "pendulum.py"
    file.write_text(
        "from tests.verification.test_nonlinear_plants import GENTLE, UPRIGHT, problem\n"
        "problem = problem(UPRIGHT, GENTLE)\n"
    )
    assert run([command[0], str(file), "--trust", "--quiet", *command[1:]]) == status


@pytest.mark.parametrize("mode", ["per-step", "k-step", "combined"])
def test_an_undefined_output_does_not_spoil_the_states(mode: str) -> None:
    """Nothing asks for it, and the states are affine."""

    class Reciprocal(Plant):
        states: ClassVar = {"x": "1"}
        inputs: ClassVar = {"u": "1"}
        dt = 1.0

        outputs: ClassVar = {"y": "1"}

        def dynamics(self, x: Any, u: Any) -> Any:
            return (0.5 * x[0] + 0.1 * u[0],)

        def output(self, x: Any) -> Any:
            return (1.0 / x[0],)

    network = Network.from_layers([np.ones((2, 1)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], Tanh())
    loop = compose(Reciprocal(), Controller(network))
    question = Problem(loop, Box([-1.0], [1.0]), Spec((Stay(Box([-9.0], [9.0])),)), 2, "reciprocal")
    found = reach(question, budget=Budget(timeout_s=2.0), settings={"mode": mode})
    assert found.reason is None
    assert found.statistics.gap <= 1e-2


def test_initial_sets_at_the_end_of_the_doubles() -> None:
    """The middle of [1e308, 1.1e308] is a double although the sum of its ends is not."""
    network = Network.from_layers([np.zeros((2, 2)), np.zeros((1, 2))], [np.zeros(2), np.zeros(1)], Tanh())
    loop = compose(Pendulum(), Controller(network))
    far = Box([1e308, 0.0], [1.1e308, 0.0])
    question = Problem(loop, far, Spec((Stay(Box([-1.0, -1.0], [1.0, 1.0])),)), 1, "far")
    assert falsify(question, samples=50).verdict is Verdict.FALSIFIED


@pytest.mark.parametrize("swapped", [False, True])
def test_terms_of_parameters_do_not_depend_on_the_order_of_states(swapped: bool) -> None:
    """`1 + a - 0.95 a` is at least 0.94, which intervals of `a` alone do not see and symbols do."""

    class Scaled(Plant):
        states: ClassVar = {"x": "1", "y": "1"}
        inputs: ClassVar = {"u": "1"}
        parameters: ClassVar = {"a": (-1.2, 1.2)}
        dt = 1.0

        def dynamics(self, x: Any, u: Any, p: Any) -> Any:
            quotient, sine = x[1] / (1.0 + p["a"] - 0.95 * p["a"]), casadi.sin(x[0])
            return (quotient, sine) if swapped else (sine, quotient)

    network = Network.from_layers([np.ones((2, 2)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], Tanh())
    loop = compose(Scaled(), Controller(network))
    limits = Stay(Box([-1.3, -1.3], [1.3, 1.3]))
    question = Problem(loop, Box([0.0, 0.0], [1.0, 1.0]), Spec((limits,)), 2, "scaled")
    assert verify(question).verdict is Verdict.VERIFIED


def test_an_affine_plant_that_divides_by_nothing_is_refused() -> None:
    class Divided(Plant):
        states: ClassVar = {"x": "1"}
        inputs: ClassVar = {"u": "1"}
        parameters: ClassVar = {"a": (-1.0, 1.0)}
        dt = 1.0

        def dynamics(self, x: Any, u: Any, p: Any) -> Any:
            return (x[0] / p["a"] + u[0],)

    network = Network.from_layers([np.ones((2, 1)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], Tanh())
    with pytest.raises(InputError, match=r"divide by a quantity that ranges over \[-1, 1\]"):
        compose(Divided(), Controller(network))
