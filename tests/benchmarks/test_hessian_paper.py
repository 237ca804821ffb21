"""Reachable sets of the paper's closed loops: nodes, accuracy, and widths against an attained inner estimate."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from nnctrl import Budget, Problem, Result, reach, registry, simulate
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.errors import DimensionError
from nnctrl.networks.activations import Relu
from nnctrl.networks.network import Network
from nnctrl.networks.onnx_export import write_onnx
from nnctrl.systems.unroll import unroll
from tests.shared import shared_path

FILES = {
    "paper/quadrotor6d": "seed-networks/Quad-6-32-32-3.pth",
    "paper/double-integrator": "seed-networks/doubleIntegratorTanh-2-10-5-5-1.pth",
}


def build(name: str) -> Problem:
    return registry.load("problems", name)(network=shared_path(FILES[name])).build()


@pytest.mark.parametrize(("name", "sizes"), [("paper/double-integrator", (2, 3, 1)), ("paper/quadrotor6d", (6, 4, 3))])
def test_an_onnx_network_takes_the_place_of_the_papers(tmp_path: Path, name: str, sizes: tuple[int, ...]) -> None:
    """ONNX files say themselves which activations they have; state dictionaries mean tanh."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(after, before)) for before, after in pairwise(sizes)]
    mine = Network.from_layers(weights, [rng.normal(size=after) for after in sizes[1:]], Relu())
    write_onnx(mine, tmp_path / "mine.onnx", {})
    problem = registry.load("problems", name)().updated({"network": str(tmp_path / "mine.onnx")}).build()
    found = problem.closed_loop.controller.network
    assert found.architecture() == mine.architecture()
    x = rng.normal(size=(10, sizes[0]))
    np.testing.assert_allclose(found(x), mine(x), rtol=1e-12)
    assert reach(problem, settings={"eps": 1.0}, budget=Budget(nodes=50)).flowpipe is not None


def test_a_network_of_the_wrong_size_is_told_with_its_file(tmp_path: Path) -> None:
    wrong = Network.from_layers([np.ones((4, 3)), np.ones((1, 4))], [np.zeros(4), np.zeros(1)], Relu())
    write_onnx(wrong, tmp_path / "mine.onnx", {})
    with pytest.raises(DimensionError, match=r"3-4-1 relu from mine\.onnx, reads 3 values .* has 2 states"):
        registry.load("problems", "paper/double-integrator")(network=tmp_path / "mine.onnx").build()


def run(name: str, **settings: object) -> tuple[Problem, Result]:
    problem = build(name)
    return problem, reach(problem, settings=settings)


@pytest.mark.parametrize(
    ("name", "eps", "most_nodes"), [("paper/quadrotor6d", 1e-2, 1000), ("paper/double-integrator", 1e-3, 500)]
)
@pytest.mark.parametrize("mode", ["per-step", "k-step", "combined"])
def test_nodes_and_accuracy(name: str, eps: float, most_nodes: int, mode: str) -> None:
    """The paper reports 930,000 and about 2,200 branches; the issue of the method asks for these figures per step."""
    problem, result = run(name, eps=eps, mode=mode)
    assert result.reason is None
    assert result.statistics.gap <= eps
    assert result.statistics.nodes <= most_nodes
    assert result.statistics.steps == problem.horizon


def attained_widths(problem: Problem, directions: np.ndarray) -> np.ndarray:
    """Widths along `directions` at the last step that real trajectories have: an inner estimate.

    10,000 uniform points, all vertices of the parameters' box, and 20 gradient ascents a direction and sign.
    """
    rng = np.random.default_rng(0)
    loop, steps = problem.closed_loop, int(problem.horizon)
    initial = problem.initial_set
    to_state = initial if hasattr(initial, "generators") else initial.to_zonotope()
    q = to_state.generators.shape[1]
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * q)).reshape(q, -1).T
    xi = np.concatenate([rng.uniform(-1.0, 1.0, (10_000, q)), corners])
    G, c = tensor(to_state.generators), tensor(to_state.centre)
    network = NetworkView.of(unroll(loop.step, steps))
    signed = np.concatenate([directions, -directions])
    ends = simulate(loop.plant, loop.controller, c.numpy() + xi @ G.numpy().T, steps).x[:, -1]
    best = (ends @ signed.T).max(axis=0)
    along = tensor(signed).repeat_interleave(20, 0)
    point, step = torch.tensor(rng.uniform(-1.0, 1.0, (len(along), q))), 0.5
    for _ in range(30):
        variable = point.clone().requires_grad_(True)
        values = (network(variable @ G.T + c)[:, : along.shape[1]] * along).sum(-1)
        (gradient,) = torch.autograd.grad(values.sum(), variable)
        best = np.maximum(best, values.detach().view(-1, 20).amax(-1).numpy())
        point = torch.clamp(point + step * torch.sign(gradient), -1.0, 1.0)
        step *= 0.8
    return best[: len(directions)] + best[len(directions) :]


@pytest.mark.parametrize(("name", "eps"), [("paper/quadrotor6d", 1e-2), ("paper/double-integrator", 1e-3)])
@pytest.mark.parametrize("mode", ["k-step", "combined"])
def test_widths_are_at_most_twice_the_attained_ones(name: str, eps: float, mode: str) -> None:
    problem, result = run(name, eps=eps, mode=mode)
    directions, support = result.flowpipe.template(int(problem.horizon))
    n = directions.shape[1]
    certified, attained = support[:n] + support[n:], attained_widths(problem, directions[:n])
    assert (attained > 0.0).all()
    assert (certified >= attained).all()
    assert (certified <= 2.0 * attained).all(), certified / attained
