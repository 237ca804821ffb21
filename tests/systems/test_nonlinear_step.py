"""The step of a plant that is not affine is the closed loop as simulated, in NumPy and in torch."""

from __future__ import annotations

import casadi
import numpy as np
import pytest
import torch

from nnctrl.bounds.plant_view import StepView
from nnctrl.errors import UnsupportedError
from nnctrl.networks.activations import Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.nonlinear_step import NonlinearStepMap
from nnctrl.systems.simulation import simulate
from nnctrl.systems.unroll import unroll
from tests.nonlinear_loops import GustyPendulum, Pendulum, gusty_loop, pendulum_loop

VARIANTS = [
    {},
    {"noise": True},
    {"saturated": True},
    {"delay": 2},
    {"memory": True, "noise": True},
    {"delay": 1, "memory": True, "noise": True, "saturated": True, "uncertain": True},
]


@pytest.mark.parametrize("parts", VARIANTS, ids=lambda parts: ",".join(parts) or "plain")
def test_composed_step_equals_simulation(parts: dict[str, bool]) -> None:
    loop = gusty_loop(**parts)
    assert isinstance(loop.step, NonlinearStepMap)
    rng = np.random.default_rng(0)
    batch, steps = 5, 7
    x0 = rng.uniform(-0.5, 0.5, (batch, 2))
    assert loop.step.disturbance is not None
    d = loop.step.disturbance.sample(rng, batch * steps).reshape(batch, steps, -1)
    w, noise = loop.split_disturbance(d)
    truth = simulate(loop.plant, loop.controller, x0, steps, w, noise if parts.get("noise") else None)
    z = z0 = loop.start(x0)
    results, view = [], StepView.of(loop.step)
    for k in range(steps):
        results.append(np.concatenate(loop.step(z, d[:, k]), axis=-1))
        same = view(torch.tensor(np.concatenate([z, d[:, k]], -1))).numpy()
        np.testing.assert_allclose(same, results[-1], rtol=1e-12, atol=1e-12)
        z = results[-1][:, : loop.step.state_size]
    composed = loop.trajectory(z0, np.stack(results, axis=1), d)
    for name in ("t", "x", "u", "y"):
        np.testing.assert_allclose(getattr(composed, name), getattr(truth, name), rtol=1e-11, atol=1e-12)


def test_gradient_agrees_with_finite_differences() -> None:
    loop = gusty_loop(delay=1, memory=True, noise=True)
    assert isinstance(loop.step, NonlinearStepMap)
    view, rng, h = StepView.of(loop.step), np.random.default_rng(0), 1e-6
    point = rng.normal(size=view.in_size)
    jacobian = torch.autograd.functional.jacobian(view, torch.tensor(point)).numpy()
    for i in range(view.in_size):
        step = h * np.eye(view.in_size)[i]
        ahead, behind = (view(torch.tensor(point + sign * step)).numpy() for sign in (1.0, -1.0))
        np.testing.assert_allclose(jacobian[:, i], (ahead - behind) / (2.0 * h), atol=1e-7)


class Measured(GustyPendulum):
    """Its outputs are affine although its dynamics are not."""

    def output(self, x, p):  # type: ignore[no-untyped-def]
        return p["length"] * x[0], x[1] + 0.5


def test_affine_outputs_can_be_observed() -> None:
    loop = compose(Measured(), Controller(small := pendulum_loop().controller.network, observes="outputs"))
    x0 = np.array([[0.3, -0.2]])
    truth = simulate(loop.plant, loop.controller, x0, 1)
    z, u, y = loop.step(loop.start(x0))
    np.testing.assert_allclose(z, truth.x[:, 1], atol=1e-13)
    np.testing.assert_allclose(u, truth.u[:, 0], atol=1e-13)
    np.testing.assert_allclose(y, truth.y[:, 0], atol=1e-13)
    seeing = Controller(small, observation=Affine.identity(2), observes="outputs")
    np.testing.assert_allclose(compose(Measured(), seeing).step(x0)[0], z, atol=1e-13)


def test_refusals_name_the_rule() -> None:
    network = Network.from_layers([np.ones((1, 2))], [np.zeros(1)], Tanh())
    with pytest.raises(UnsupportedError, match=r"outputs of 'GustyPendulum', which are not affine.*observe states"):
        compose(GustyPendulum(), Controller(network, observes="outputs"))
    with pytest.raises(UnsupportedError, match="steps of 'Pendulum' do not unroll"):
        unroll(pendulum_loop().step, 2)


def test_outputs_alone_may_be_what_is_not_affine() -> None:
    class Watched(Pendulum):
        outputs = {"height": "m"}

        def dynamics(self, x, u):  # type: ignore[no-untyped-def]
            return x[0] + 0.1 * x[1], x[1] + 0.1 * u[0]

        def output(self, x):  # type: ignore[no-untyped-def]
            return (casadi.cos(x[0]),)

    step = compose(Watched(), pendulum_loop().controller).step
    assert isinstance(step, NonlinearStepMap)
    assert step(np.array([0.3, 0.1]))[2] == pytest.approx(np.cos(0.3))
