"""Small tasks of every kind of plant, for tests of training."""

from __future__ import annotations

from typing import Any, ClassVar

import casadi
import numpy as np

from nnctrl.learning.task import Task
from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.spec import Avoid, Reach, Spec, Stay
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.plant import Plant


class Cubic(Plant):
    """Discrete, not affine, with a disturbance, an open parameter and an output."""

    states: ClassVar[dict[str, str]] = {"a": "1", "b": "1"}
    inputs: ClassVar[dict[str, str]] = {"u": "1"}
    outputs: ClassVar[dict[str, str]] = {"product": "1"}
    disturbances: ClassVar[dict[str, str]] = {"w": "1"}
    parameters: ClassVar[dict[str, Any]] = {"k": (0.9, 1.1), "c": 0.1}
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"w": (-0.01, 0.02)}
    dt = 0.1

    def dynamics(self, x: Any, u: Any, w: Any, p: Any) -> Any:
        return x[0] + 0.1 * x[1], x[1] + 0.1 * (u[0] - p["k"] * casadi.sin(x[0]) + p["c"] * x[1] ** 3) + w[0]

    def output(self, x: Any, u: Any) -> Any:
        return (x[0] * u[0],)


class Oscillator(Plant):
    """Continuous."""

    states: ClassVar[dict[str, str]] = {"x": "m", "v": "m/s"}
    inputs: ClassVar[dict[str, str]] = {"a": "m/s^2"}

    def dynamics(self, x: Any, u: Any) -> Any:
        return x[1], -casadi.sin(x[0]) + u[0]


def small_network(inputs: int = 2, outputs: int = 1, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((6, inputs)), 0.3 * rng.standard_normal((outputs, 6))]
    return Network.from_layers(weights, [0.2 * rng.standard_normal(6), np.zeros(outputs)], Tanh())


def affine_task() -> Task:
    plant = LinearPlant(
        [[1.0, 0.2], [0.0, 1.0]], [[0.02], [0.2]], E=[[0.0], [0.01]], ranges={"w1": (-1.0, 1.0)}, dt=0.2
    )
    start = Zonotope(np.array([1.0, 0.0]), np.array([[0.1, 0.05, 0.0], [0.0, 0.05, 0.1]]))
    limit = Stay(Box([-2.0], [2.0]), on=("u1",), name="limit")
    disc = Avoid(Ball(np.array([1.0, -1.5]), 0.2), name="disc")
    goal = Reach(Box([-0.4, -0.5], [0.4, 0.5]), at=8, name="goal")
    return Task(plant, start, Spec((limit, disc, goal)), 8, "test-affine", hidden=(8,))


def cubic_task() -> Task:
    start = Box([0.4, -0.1], [0.5, 0.1])
    seen = Stay(Box([-1.0], [1.0]), on=("product",), name="seen")
    goal = Reach(Box([-0.3, -1.0], [0.3, 1.0]), within=10, name="goal")
    return Task(Cubic(), start, Spec((seen, goal)), 10, "test-cubic", hidden=(6,))


def continuous_task() -> Task:
    start = Box([0.8, -0.1], [1.0, 0.1])
    stay = Stay(Box([-0.5], [0.5]), (1.5, 2.0), on=("x",), name="caught")
    return Task(Oscillator(), start, Spec((stay,)), 2.0, "test-continuous", 0.1, hidden=(8,))


TASKS = {"affine": affine_task, "cubic": cubic_task, "continuous": continuous_task}
