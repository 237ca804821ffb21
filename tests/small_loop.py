"""A cart under a fixed small network: a problem that every command answers in a moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nnctrl.networks.activations import Tanh
from nnctrl.networks.load import load_network
from nnctrl.networks.network import Network, Origin
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.specs.spec import Avoid, Reach, Spec, Stay
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.plant import Plant
from nnctrl.verification.problem import Problem, ProblemDefinition
from nnctrl.verification.settings import setting


class Cart(Plant):
    states: ClassVar[dict[str, str]] = {"p": "m", "v": "m/s"}
    inputs: ClassVar[dict[str, str]] = {"a": "m/s^2"}
    dt = 0.1

    def dynamics(self, x: Any, u: Any) -> Any:
        return x[0] + 0.1 * x[1] + 0.005 * u[0], x[1] + 0.1 * u[0]


def cart_network() -> Network:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(4, 2)), 0.3 * rng.normal(size=(1, 4))]
    return Network.from_layers(weights, [rng.normal(size=4), np.zeros(1)], Tanh(), origin=Origin("hand", "0f" * 32))


def cart_problem(network: Network, horizon: int = 5, wall: float = 2.0, name: str = "test-cart") -> Problem:
    """The wall is a disc of radius 0.3 about p = `wall`, v = 1; a cart that starts at p in [0, 0.1] may meet it."""
    spec = Spec(
        (
            Avoid(Ball([wall, 1.0], 0.3), name="wall"),
            Stay(Box([-2.0], [2.0]), on=("a",), name="input"),
            Reach(Box([0.0, -1.0], [3.0, 2.0]), at=horizon, name="goal"),
        )
    )
    initial_set = Box([0.0, 0.9], [0.1, 1.0])
    description = "A cart in front of a wall."
    return Problem(compose(Cart(), Controller(network)), initial_set, spec, horizon, name, description)


@dataclass(frozen=True)
class CartProblem(ProblemDefinition):
    """A cart in front of a wall."""

    id: ClassVar[str] = "test-cart"

    horizon: int = setting(5, "number of samples", unit="steps", minimum=1)
    wall: float = setting(2.0, "position of the wall", unit="m", above=0.0)

    def build(self) -> Problem:
        return cart_problem(cart_network(), self.horizon, self.wall)


@dataclass(frozen=True)
class ForeignCartProblem(ProblemDefinition):
    """A cart with a network that is not part of the repository."""

    id: ClassVar[str] = "test-foreign-cart"
    network_files: ClassVar[tuple[str, ...]] = ("cart.onnx", "published/cart.onnx")
    network_source: ClassVar[str] = "published with the cart"

    network: Path | None = setting(None, "the cart's network")

    def build(self) -> Problem:
        return cart_problem(load_network(self.required_network()), name=self.id)


@dataclass(frozen=True)
class SeveralFilesProblem(ProblemDefinition):
    """A problem that would need the two files of a folder."""

    id: ClassVar[str] = "test-several-files"
    network_files: ClassVar[tuple[str, ...]] = ("carts",)
    network_parts: ClassVar[tuple[str, ...]] = ("one.onnx", "two.onnx")

    network: Path | None = setting(None, "the folder of the networks")

    def build(self) -> Problem:
        return cart_problem(load_network(self.required_networks()[0]), name=self.id)
