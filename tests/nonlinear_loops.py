"""Closed loops whose plants are not affine, for tests, and their exact simulation with 60 digits from the parts."""

from __future__ import annotations

from typing import Any, ClassVar

import casadi
import mpmath
import numpy as np

from nnctrl.networks.activations import Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller, Memory
from nnctrl.systems.plant import Plant
from tests import high_precision
from tests.exact_tapes import exact_column
from tests.loops import small_network

Vector = list[mpmath.mpf]


class Pendulum(Plant):
    """An inverted pendulum, stepped with dt = 0.1: unstable at theta = 0 without a torque."""

    states: ClassVar[dict[str, str]] = {"theta": "rad", "omega": "rad/s"}
    inputs: ClassVar[dict[str, str]] = {"u": "rad/s^2"}
    dt = 0.1

    def dynamics(self, x: Any, u: Any) -> Any:
        return x[0] + 0.1 * x[1], x[1] + 0.1 * (9.81 * casadi.sin(x[0]) - x[1] + u[0])


class GustyPendulum(Pendulum):
    """With a gust, a length known to five percent, and the height of its tip as an output."""

    disturbances: ClassVar[dict[str, str]] = {"gust": "rad/s^2"}
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"gust": (-0.3, 0.2)}
    outputs: ClassVar[dict[str, str]] = {"height": "m", "rate": "rad/s"}
    parameters: ClassVar[dict[str, Any]] = {"length": 1.0, "damping": 1.0}

    def dynamics(self, x: Any, u: Any, w: Any, p: Any) -> Any:
        pull = 9.81 / p["length"] * casadi.sin(x[0])
        return x[0] + 0.1 * x[1], x[1] + 0.1 * (pull - p["damping"] * x[1] + u[0] + w[0] * casadi.cos(x[0]))

    def output(self, x: Any, p: Any) -> Any:
        return p["length"] * casadi.cos(x[0]), x[1]


def balancing_network() -> Network:
    """Drives the pendulum upright from about a radian."""
    weights = [np.array([[1.0, 0.2], [0.3, 0.3], [2.0, -0.1]]), np.array([[-20.0, -10.0, -0.5]])]
    return Network.from_layers(weights, [np.array([0.0, 0.01, -0.2]), np.array([-0.1])], Tanh())


def pendulum_loop() -> ClosedLoop:
    return compose(Pendulum(), Controller(balancing_network()))


def gusty_loop(
    *, delay: int = 0, memory: bool = False, noise: bool = False, saturated: bool = False, uncertain: bool = False
) -> ClosedLoop:
    """A gusty pendulum under a controller with the given parts."""
    size = 2 + 2 * memory
    network = small_network(size, 1, seed=3) if memory or delay else balancing_network()
    controller = Controller(
        network,
        noise=Box([-0.01, -0.02], [0.02, 0.01]) if noise else None,
        output=Affine([[1.5]], [-0.1]) if saturated else None,
        saturation=Box([-8.0], [6.0]) if saturated else None,
        delay=delay,
        initial_input=np.full((delay, 1), 0.3) if delay else None,
        memory=Memory(0.5 * np.eye(2), 0.3 * np.eye(2), [0.1, -0.2]) if memory else None,
    )
    return compose(GustyPendulum(parameters={"length": (0.95, 1.05)} if uncertain else None), controller)


def simulate_exactly(
    loop: ClosedLoop, x0: np.ndarray, d: np.ndarray, parameters: np.ndarray
) -> tuple[list[Vector], list[Vector]]:
    """States 0 .. K and signals [u; y] 0 .. K-1 for disturbances and noise d [K, d] and parameters [K, p] of the steps,
    by the definition of the controller's sample and the plant's tapes.
    """
    plant, controller = loop.plant, loop.controller
    x = high_precision.vector(x0)
    line = [high_precision.vector(row) for row in controller.initial_line]
    s = [] if controller.memory is None else high_precision.vector(controller.memory.start)
    states, signals = [x], []
    for disturbance, p in zip(d, parameters, strict=True):
        w, noise = (high_precision.vector(part) for part in loop.split_disturbance(disturbance))
        v = [a + b for a, b in zip(x, noise, strict=True)] if noise else x
        command = high_precision.network(controller.network, [*v, *s])
        if controller.output is not None:
            command = high_precision.affine(controller.output, command)
        if controller.saturation is not None:
            low, high = (high_precision.vector(e) for e in (controller.saturation.lower, controller.saturation.upper))
            command = [min(max(c, a), b) for c, a, b in zip(command, low, high, strict=True)]
        line.append(command)
        u = line.pop(0)
        if controller.memory is not None:
            s = high_precision.affine(Affine.linear(np.hstack([controller.memory.F, controller.memory.H])), [*s, *v])
        arguments = [x, u, w, high_precision.vector(p)]
        y = exact_column(plant.output_tape, arguments) if plant.outputs else []
        x = exact_column(plant.tape, arguments)
        states.append(x)
        signals.append([*u, *y])
    return states, signals
