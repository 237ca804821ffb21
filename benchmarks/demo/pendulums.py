"""The pendulums, the pole on its cart and the cart with the arm, under small trained networks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.demo.imitation_problem import imitation_problem
from controllers.pendulums import CartPoleLQR, DoublePendulumLQR, SinglePendulumLQR, ToraLQR
from controllers.trained import demo_cartpole, demo_double_pendulum, demo_single_pendulum, demo_tora
from nnctrl import Box, Problem, ProblemDefinition, Spec, Stay

VIEWS_OF_DOUBLE_PENDULUM = (("x1", "x2"), ("x3", "x4"))


@dataclass(frozen=True)
class DemoSinglePendulum(ProblemDefinition):
    """Single pendulum: x1 in [0, 1] at all times from 0.5 s to 1 s; expected VERIFIED.

    Sampled every 0.05 s, from [1, 1.2] x [0, 0.2].
    """

    id: ClassVar[str] = "demo/single-pendulum"
    expert: ClassVar[str] = "demo/single-pendulum-lqr"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("t", "x1"), ("x1", "x2"))
        return imitation_problem(self.id, SinglePendulumLQR.recipe(), demo_single_pendulum(), 1.0, views)


@dataclass(frozen=True)
class DemoDoublePendulum(ProblemDefinition):
    """Double pendulum: all states in [-1.7, 2] at all times up to 1 s; expected VERIFIED.

    Sampled every 0.05 s, from [1, 1.3]^4.
    """

    id: ClassVar[str] = "demo/double-pendulum"
    expert: ClassVar[str] = "demo/double-pendulum-lqr"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        recipe = DoublePendulumLQR.recipe()
        return imitation_problem(self.id, recipe, demo_double_pendulum(), 1.0, VIEWS_OF_DOUBLE_PENDULUM)


@dataclass(frozen=True)
class DemoDoublePendulumTight(ProblemDefinition):
    """The same loop with tighter bounds, [-0.5, 1.5]; expected FALSIFIED."""

    id: ClassVar[str] = "demo/double-pendulum-tight"
    expert: ClassVar[str] = "demo/double-pendulum-lqr"

    def build(self) -> Problem:
        """The recipe's problem with other bounds."""
        bounds = Stay(Box(np.full(4, -0.5), np.full(4, 1.5)), name="bounds")
        recipe = dataclasses.replace(DoublePendulumLQR.recipe(), spec=Spec((bounds,)))
        return imitation_problem(self.id, recipe, demo_double_pendulum(), 1.0, VIEWS_OF_DOUBLE_PENDULUM)


@dataclass(frozen=True)
class DemoCartPole(ProblemDefinition):
    """CartPole: |x3| <= 0.3 up to 2 s, and |x3| <= 0.06, |x4| <= 0.2 at all times from 1.5 s on; expected VERIFIED.

    Sampled every 0.02 s, from the competition's initial box.
    """

    id: ClassVar[str] = "demo/cartpole"
    expert: ClassVar[str] = "demo/cartpole-lqr"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("t", "x1"), ("t", "x3"), ("x3", "x4"))
        return imitation_problem(self.id, CartPoleLQR.recipe(), demo_cartpole(), 2.0, views)


@dataclass(frozen=True)
class DemoTora(ProblemDefinition):
    """TORA: all states in [-2, 2] at all times up to 20 s; expected VERIFIED.

    Sampled every second, from the competition's initial box.
    """

    id: ClassVar[str] = "demo/tora"
    expert: ClassVar[str] = "demo/tora-lqr"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("x1", "x2"), ("x3", "x4"))
        return imitation_problem(self.id, ToraLQR.recipe(), demo_tora(), 20.0, views)
