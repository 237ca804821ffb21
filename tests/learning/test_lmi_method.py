"""The method lmi: from a task to a network that the verifier verifies, or an honest word about what it lacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnctrl import Avoid, Ball, Box, LinearPlant, Reach, Spec, Stay, Verdict, Zonotope, verify
from nnctrl.branching.meter import Meter
from nnctrl.learning.funnel.find import find_funnel
from nnctrl.learning.lmi.method import LmiMethod, imitate, miss
from nnctrl.learning.lmi.synthesis import certify_pairs
from nnctrl.learning.method import SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.networks.load import load_network
from nnctrl.networks.network import Network
from nnctrl.networks.onnx_export import write_onnx
from nnctrl.progress import SilentProgress
from plants.double_integrator import DoubleIntegrator
from plants.quadrotor6d import Quadrotor6D

HEXAGON = Zonotope(np.array([2.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))
GOAL = Reach(Box(np.array([-0.25, -0.25]), np.array([0.25, 0.25])), at=5, name="goal")
UNIT = Stay(Box(np.array([-1.0]), np.array([1.0])), on=("u",), name="input")


def hexagon(limit: float = 1.0) -> Task:
    limits = replace(UNIT, target=Box(np.array([-limit]), np.array([limit])))
    return Task(DoubleIntegrator(), HEXAGON, Spec((limits, GOAL)), 5, "hexagon", hidden=(32, 32))


def still() -> Task:
    """A task that one affine map does: to stay near rest."""
    plant = LinearPlant([[1.0]], [[1.0]], states=("x",), inputs=("u",), dt=1.0)
    spec = Spec((UNIT, Reach(Box(np.array([-0.1]), np.array([0.1])), at=2, name="goal")))
    return Task(plant, Box(np.array([-0.5]), np.array([0.5])), spec, 2, "still", hidden=(4,))


def attempt(task: Task, meter: Meter | None = None, **keys):
    return LmiMethod().attempt(task, SynthesisSettings(**keys), meter or Meter(), SilentProgress())


def test_one_affine_map_gives_a_network_with_feedthrough_by_lmi_32(tmp_path) -> None:
    task = still()
    found = attempt(task)
    assert found.network is not None
    assert "LMI (32)" in found.reason
    assert found.network.blocks[0].feedthrough is not None
    assert verify(task.problem(found.network)).verdict is Verdict.VERIFIED
    write_onnx(found.network, tmp_path / "still.onnx")
    again = load_network(tmp_path / "still.onnx")
    states = task.initial_set.sample(np.random.default_rng(0), 50)
    assert np.array_equal(again(states), found.network(states))
    assert verify(task.problem(again)).verdict is Verdict.VERIFIED


@pytest.mark.slow
def test_the_hexagon_is_certified_with_local_sectors_and_verified() -> None:
    task = hexagon()
    found = attempt(task)
    assert found.network is not None
    assert found.reason == "every pair of the funnel is certified, with local sectors"
    assert found.network.architecture() == "2-32-1 tanh"
    assert all(one.is_certified for one in certify_pairs(found.network, find_funnel(task).pairs(), "CLARABEL"))
    assert verify(task.problem(found.network)).verdict is Verdict.VERIFIED


@pytest.mark.slow
def test_the_quadrotor_is_flown_past_both_balls_and_verified() -> None:
    centre, radius = np.array([3.7, 4.7, 3.0, 0.0, 0.0, 0.0]), np.array([0.15] * 3 + [0.05] * 3)
    balls = (Ball(np.array([4.0, 2.0, 2.0]), 1.0), Ball(np.array([2.0, 4.0, 2.0]), 1.0))
    actuators = Box(np.array([-1.0, -1.0, 0.0]), np.array([1.0, 1.0, 19.62]))
    spec = Spec(
        (
            *(Avoid(ball, on=("px", "py", "pz"), name=f"ball-{k}") for k, ball in enumerate(balls)),
            Stay(actuators, on=("u1", "u2", "u3"), name="actuators"),
            Reach(Box(np.full(6, -0.5), np.full(6, 0.5)), within=60, name="goal"),
        )
    )
    task = Task(Quadrotor6D(), Box(centre - radius, centre + radius), spec, 60, "quadrotor")
    found = attempt(task)
    assert found.network is not None
    assert "too large to be refined" in found.reason
    assert verify(task.problem(found.network)).verdict is Verdict.VERIFIED


def test_the_imitating_network_is_measured_by_what_the_funnel_tolerates() -> None:
    task = hexagon()
    funnel = find_funnel(task)
    network = imitate(funnel, 32, task.activation, 0, SilentProgress())
    shown = miss(funnel, network, 1)
    assert 0.0 < shown < 1.0
    # a constant misses by far more, and the funnel's own controllers not at all
    assert miss(funnel, Network.from_layers([np.zeros((1, 2))], [np.zeros(1)], []), 1) > 2.0
    same = np.broadcast_to(funnel.gains[0], funnel.gains.shape)
    own = replace(funnel, gains=same, offsets=np.broadcast_to(funnel.offsets[0], funnel.offsets.shape))
    assert miss(own, Network.from_layers([funnel.gains[0]], [funnel.offsets[0]], []), 1) < 1e-9
    assert np.array_equal(
        imitate(funnel, 32, task.activation, 0, SilentProgress())(HEXAGON.centre), network(HEXAGON.centre)
    )


def test_without_a_funnel_it_says_so_and_claims_nothing() -> None:
    found = attempt(hexagon(0.31))
    assert found.network is None
    assert not found.impossible
    assert "no funnel was found" in found.reason
    start = Network.from_layers([np.zeros((1, 2))], [np.zeros(1)], [])
    kept = LmiMethod().attempt(hexagon(0.31), SynthesisSettings(), Meter(), SilentProgress(), start=start)
    assert kept.network is start


def test_time_that_runs_out_is_told() -> None:
    found = attempt(hexagon(), Meter(seconds=0.0))
    assert found.network is None
    assert "the time ran out" in found.reason


def test_objections_name_what_to_use_instead() -> None:
    plant = LinearPlant([[0.0]], [[1.0]], states=("x",), inputs=("u",))
    task = Task(plant, Box(np.array([0.0]), np.array([1.0])), Spec((UNIT,)), 1.0, "held", period=0.1)
    objection = LmiMethod().objection(task)
    assert objection is not None
    assert "is continuous" in objection
    assert "certified" in objection
    assert LmiMethod().objection(hexagon()) is None
