"""Regulators of the pendulums, the pole on its cart and the cart with the arm, with recipes to train networks on them.

The tasks are in the spirit of the competition's families of the same names; sets and bounds are this project's own.
"""

from __future__ import annotations

import numpy as np

from controllers.sampled_lqr import SampledLQR
from nnctrl import Box, Spec, Stay
from nnctrl._typing import FloatArray
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe
from nnctrl.networks.activations import Relu, Sigmoid
from plants.cartpole import CartPole
from plants.double_pendulum import DoublePendulum
from plants.single_pendulum import SinglePendulum
from plants.tora import Tora


def symmetric(*radii: float) -> Box:
    """The box [-radius, radius] in each coordinate."""
    return Box(-np.array(radii), np.array(radii))


class SinglePendulumLQR(SampledLQR):
    """Catches the falling pendulum and brings it upright."""

    plant = SinglePendulum()

    def __init__(
        self,
        period: float = 0.05,
        state_weights: tuple[float, ...] = (1.0, 0.1),
        input_weights: tuple[float, ...] = (1.0,),
        input_limits: tuple[float, ...] = (2.0,),
    ) -> None:
        super().__init__(period, state_weights, input_weights, input_limits)

    @property
    def operating_state(self) -> FloatArray:
        """Upright and still."""
        return np.zeros(2)

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/single-pendulum` was trained: x1 in [0, 1] from 0.5 s to 1 s."""
        caught = Box(np.array([0.0]), np.array([1.0]))
        spec = Spec((Stay(caught, (0.5, 1.0), on=("x1",), name="caught"),))
        initial = Box(np.array([1.0, 0.0]), np.array([1.2, 0.2]))
        settings = ImitationSettings(hidden=(20, 20), trajectories=60, evaluations=2000)
        return Recipe(cls(), cls.plant, initial, 20, settings, spec)


class DoublePendulumLQR(SampledLQR):
    """Brings both links upright with a torque at each hinge."""

    plant = DoublePendulum()

    def __init__(
        self,
        period: float = 0.05,
        state_weights: tuple[float, ...] = (1.0, 1.0, 0.3, 0.3),
        input_weights: tuple[float, ...] = (1.0, 1.0),
        input_limits: tuple[float, ...] = (3.0, 3.0),
    ) -> None:
        super().__init__(period, state_weights, input_weights, input_limits)

    @property
    def operating_state(self) -> FloatArray:
        """Both upright and still."""
        return np.zeros(4)

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/double-pendulum` was trained: all states in [-1.7, 2] for 1 s."""
        bounds = Box(np.full(4, -1.7), np.full(4, 2.0))
        initial = Box(np.full(4, 1.0), np.full(4, 1.3))
        settings = ImitationSettings(hidden=(20, 20), trajectories=60, evaluations=2000)
        return Recipe(cls(), cls.plant, initial, 20, settings, Spec((Stay(bounds, name="bounds"),)))


class CartPoleLQR(SampledLQR):
    """Balances the pole and brings the cart back."""

    plant = CartPole()

    def __init__(
        self,
        period: float = 0.02,
        state_weights: tuple[float, ...] = (1.0, 1.0, 10.0, 1.0),
        input_weights: tuple[float, ...] = (5.0,),
        input_limits: tuple[float, ...] = (2.0,),
    ) -> None:
        super().__init__(period, state_weights, input_weights, input_limits)

    @property
    def operating_state(self) -> FloatArray:
        """Upright and still in the middle."""
        return np.zeros(4)

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/cartpole` was trained: nearly upright for 2 s, more so from 1.5 s on."""
        upright = Stay(symmetric(0.3), on=("x3",), name="upright")
        balanced = Stay(symmetric(0.06, 0.2), (1.5, 2.0), on=("x3", "x4"), name="balanced")
        settings = ImitationSettings(hidden=(16, 16), trajectories=60, evaluations=2000)
        initial = symmetric(0.1, 0.05, 0.1, 0.05)
        return Recipe(cls(), cls.plant, initial, 100, settings, Spec((upright, balanced)), Relu())


class ToraLQR(SampledLQR):
    """Damps the cart's oscillation by turning the arm."""

    plant = Tora()

    def __init__(
        self,
        period: float = 1.0,
        state_weights: tuple[float, ...] = (1.0, 1.0, 0.1, 0.1),
        input_weights: tuple[float, ...] = (1.0,),
        input_limits: tuple[float, ...] = (1.0,),
    ) -> None:
        super().__init__(period, state_weights, input_weights, input_limits)

    @property
    def operating_state(self) -> FloatArray:
        """Everything at rest."""
        return np.zeros(4)

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/tora` was trained: all states in [-2, 2] for 20 s."""
        initial = Box(np.array([0.6, -0.7, -0.4, 0.5]), np.array([0.7, -0.6, -0.3, 0.6]))
        settings = ImitationSettings(hidden=(20, 20), trajectories=60, evaluations=2000)
        spec = Spec((Stay(symmetric(2.0, 2.0, 2.0, 2.0), name="bounds"),))
        return Recipe(cls(), cls.plant, initial, 20, settings, spec, Sigmoid())
