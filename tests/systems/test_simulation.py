"""Simulation: against closed forms, shapes, experts, continuous plants."""

from __future__ import annotations

from typing import Any

import casadi
import numpy as np
import pytest

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from tests.systems.loops import EVERYTHING, ExactLoop, Parts, random_loop, rational


class Feedback(Expert):
    """u = -K x."""

    def __init__(self, K: FloatArray, period: float | None = None) -> None:
        self.K, self.period = K, period

    def control(self, x: FloatArray) -> FloatArray:
        return -self.K @ x


def linear_controller(K: FloatArray, **settings: Any) -> Controller:
    return Controller(Network.from_layers([-K], [np.zeros(len(K))], []), **settings)


def test_linear_feedback_has_its_closed_form() -> None:
    A, B, K = np.array([[1.0, 0.1], [0.0, 0.9]]), np.array([[0.0], [0.1]]), np.array([[1.0, 2.0]])
    plant = LinearPlant(A, B, dt=0.1)
    x0 = np.array([[1.0, 0.0], [0.5, -2.0]])
    for controller in (linear_controller(K), Feedback(K)):
        trajectory = simulate(plant, controller, x0, 5)
        for k in range(6):
            expected = x0 @ np.linalg.matrix_power(A - B @ K, k).T
            np.testing.assert_allclose(trajectory.x[:, k], expected, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(trajectory.u, -trajectory.x[:, :-1] @ K.T)
        np.testing.assert_allclose(trajectory.t, 0.1 * np.arange(6))
        assert trajectory.w.shape == (2, 5, 0)
        assert trajectory.y.shape == (2, 5, 0)


@pytest.mark.parametrize("parts", [Parts(), Parts(outputs=True, observes="outputs", delay=2, memory=True), EVERYTHING])
def test_simulation_follows_the_exact_loop(parts: Parts) -> None:
    plant, controller = random_loop(parts, Relu(), 3)
    rng = np.random.default_rng(0)
    w = rng.normal(size=(1, 6, plant.disturbance_size))
    noise = rng.normal(size=(1, 6, controller.view_size)) if parts.noise else None
    trajectory = simulate(plant, controller, np.ones(3), 6, w, noise)
    exact = ExactLoop(plant, controller, rational([1.0] * 3))
    for k in range(6):
        u, y = exact.step(rational(w[0, k]), [] if noise is None else rational(noise[0, k]))
        for ours, truth in ((trajectory.u[0, k], u), (trajectory.y[0, k], y), (trajectory.x[0, k + 1], exact.x)):
            np.testing.assert_allclose(ours, [float(v) for v in truth], rtol=1e-12, atol=1e-13)


def test_delay_applies_the_initial_inputs_first() -> None:
    plant = LinearPlant(np.zeros((1, 1)), np.eye(1), dt=1.0)
    controller = linear_controller(-np.eye(1), delay=2, initial_input=[[5.0], [7.0]])
    trajectory = simulate(plant, controller, [1.0], 5)
    np.testing.assert_array_equal(trajectory.u[0, :, 0], [5.0, 7.0, 1.0, 5.0, 7.0])
    silent = simulate(plant, linear_controller(-np.eye(1), delay=1), [1.0], 2)
    np.testing.assert_array_equal(silent.u[0, :, 0], [0.0, 1.0])


class Decay(Plant):
    states = {"a": "1", "b": "1"}
    inputs = {"u": "1"}
    disturbances = {"w": "1"}

    def dynamics(self, x: Any, u: Any, w: Any) -> Any:
        return -x[0] + u[0] + w[0], casadi.cos(x[1])


def test_continuous_plants_hold_the_input() -> None:
    controller = linear_controller(np.array([[2.0, 0.0]]), period=0.5)
    trajectory = simulate(Decay(), controller, [[1.0, 0.0], [-3.0, 0.0]], 4, w=[0.25])
    decay = np.exp(-0.5)
    for k in range(4):
        held = trajectory.u[:, k, 0] + 0.25
        expected = decay * trajectory.x[:, k, 0] + (1 - decay) * held
        np.testing.assert_allclose(trajectory.x[:, k + 1, 0], expected, rtol=1e-9)
    # b' = cos b from 0 is the Gudermannian
    np.testing.assert_allclose(trajectory.x[0, :, 1], 2 * np.arctan(np.tanh(0.5 * trajectory.t)), rtol=1e-8)
    assert simulate(Decay(), Feedback(np.ones((1, 2)), period=0.5), [1.0, 0.0], 2).x.shape == (1, 3, 2)
    with pytest.raises(InputError, match="'Decay' is continuous; give the controller a period"):
        simulate(Decay(), Feedback(np.ones((1, 2))), [1.0, 0.0], 2)


def test_discretised_and_continuous_agree() -> None:
    rng = np.random.default_rng(0)
    plant = LinearPlant(rng.normal(size=(3, 3)), rng.normal(size=(3, 1)), rng.normal(size=3), rng.normal(size=(3, 2)))
    network = Network.from_layers(
        [rng.normal(size=(4, 3)), rng.normal(size=(1, 4))], [np.zeros(4), np.zeros(1)], Tanh()
    )
    w = rng.normal(size=(5, 2))
    continuous = simulate(plant, Controller(network, period=0.1), np.ones((2, 3)), 5, w)
    discrete = simulate(plant.discretise(0.1), Controller(network), np.ones((2, 3)), 5, w)
    np.testing.assert_allclose(continuous.x, discrete.x, rtol=1e-8)
    np.testing.assert_allclose(continuous.t, discrete.t)


def test_shapes_and_broadcasting() -> None:
    plant, controller = random_loop(Parts(disturbance=True, noise=True), Tanh())
    rng = np.random.default_rng(0)
    w, noise = rng.normal(size=(4, 2)), rng.normal(size=3)
    whole = simulate(plant, controller, np.ones((3, 3)), 4, w, noise)
    single = simulate(plant, controller, np.ones(3), 4, w, noise)
    np.testing.assert_allclose(whole.x[1], single.x[0], rtol=1e-13)
    assert whole.noise.shape == (3, 4, 3)
    assert simulate(plant, controller, np.ones((3, 3)), 0).x.shape == (3, 1, 3)
    with pytest.raises(DimensionError, match=r"x0 has shape \(1, 2\); give \[batch, 3\] for 'LinearPlant'"):
        simulate(plant, controller, np.ones(2), 4)
    with pytest.raises(DimensionError, match=r"w has shape \(3,\); give \(2,\), \(4, 2\) or \(1, 4, 2\)"):
        simulate(plant, controller, np.ones(3), 4, w=np.ones(3))


def test_experts_with_wrong_inputs_are_told() -> None:
    plant = LinearPlant(np.eye(2), np.eye(2), dt=1.0)
    with pytest.raises(DimensionError, match=r"the expert returned an input of shape \(1,\)"):
        simulate(plant, Feedback(np.ones((1, 2))), np.ones(2), 1)


def test_controller_parts_in_order() -> None:
    network = Network.from_layers([[[1.0, 1.0]]], [[0.0]], [])
    controller = Controller(
        network, observation=Affine([[1.0, 0.0], [0.0, 2.0]], [0.5, 0.0]), output=Affine([[3.0]], [1.0])
    )
    view = controller.observe(np.array([1.0, 1.0]), np.array([0.25, 0.0]))
    np.testing.assert_array_equal(view, [1.75, 2.0])
    np.testing.assert_array_equal(controller.control(view), [3 * 3.75 + 1])
