"""The published networks in closed loop: composed, unrolled and simulated alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.simulation import simulate
from nnctrl.systems.unroll import unroll
from tests.shared import shared_path


def quadrotor() -> LinearPlant:
    A = np.eye(6) + 0.1 * np.eye(6, k=3)
    B = np.vstack([np.zeros((3, 3)), np.diag([0.98, -0.98, 0.1])])
    return LinearPlant(A, B, [0.0, 0.0, 0.0, 0.0, 0.0, -0.98], dt=0.1)


def double_integrator() -> LinearPlant:
    return LinearPlant([[1.0, 1.0], [0.0, 1.0]], [[0.5], [1.0]], dt=1.0)


@pytest.mark.parametrize(
    ("file", "plant", "centre"),
    [
        ("Quad-6-32-32-3.pth", quadrotor(), [4.7, 4.7, 3.0, 0.95, 0.0, 0.0]),
        ("doubleIntegratorTanh-2-10-5-5-1.pth", double_integrator(), [2.5, -0.25]),
    ],
)
def test_published_controllers(file: str, plant: LinearPlant, centre: list[float]) -> None:
    state = torch.load(shared_path(f"seed-networks/{file}"), weights_only=True)
    values = [tensor.double().numpy() for tensor in state.values()]
    controller = Controller(Network.from_layers(values[::2], values[1::2], Tanh()))
    loop = compose(plant, controller)
    assert len(loop.step.network.blocks) == 1
    steps = 5
    x0 = np.array(centre) + np.random.default_rng(0).uniform(-0.05, 0.05, (30, plant.state_size))
    truth = simulate(plant, controller, x0, steps)
    z = x0
    for k in range(steps):
        z, u, _ = loop.step(z)
        np.testing.assert_allclose(z, truth.x[:, k + 1], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(u, truth.u[:, k], rtol=1e-12, atol=1e-12)
    unrolled = unroll(loop.step, steps)(x0)
    np.testing.assert_allclose(unrolled[:, : plant.state_size], truth.x[:, -1], rtol=1e-12, atol=1e-12)
