"""Regulators of bodies in flight, with recipes to train networks on them.

The tasks are in the spirit of the competition's families of the same names; sets and bounds are this project's own.
"""

from __future__ import annotations

import casadi
import numpy as np

from controllers.sampled_lqr import SampledLQR, require_positive, soft_limit
from nnctrl import Avoid, Box, Expert, Reach, Spec, Stay, Sublevel
from nnctrl._typing import FloatArray
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe
from nnctrl.systems.expert import traced
from nnctrl.systems.tape import Tape
from plants.airplane import Airplane
from plants.attitude import Attitude
from plants.docking import MASS, MEAN_MOTION, Docking
from plants.quadrotor12d import Quadrotor12D


class QuadrotorLQR(SampledLQR):
    """Climbs to a height of 1 m above the origin and hovers; yaw has no torque and is left alone."""

    plant = Quadrotor12D()

    def __init__(
        self,
        period: float = 0.1,
        state_weights: tuple[float, ...] = (1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 5.0, 5.0, 0.0, 1.0, 1.0, 0.0),
        input_weights: tuple[float, ...] = (0.2, 50.0, 50.0),
        input_limits: tuple[float, ...] = (8.0, 1.0, 1.0),
    ) -> None:
        super().__init__(period, state_weights, input_weights, input_limits)

    @property
    def operating_state(self) -> FloatArray:
        """Hovering at the height of 1 m."""
        return np.eye(12)[2]

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/quad` was trained: x3 in [0.9, 1.1] at 5 s."""
        height = Reach(Box(np.array([0.9]), np.array([1.1])), at=5.0, on=("x3",), name="height")
        initial = Box(np.array([-0.1] * 6 + [0.0] * 6), np.array([0.1] * 6 + [0.0] * 6))
        settings = ImitationSettings(hidden=(16, 16), trajectories=60, evaluations=2000, weight_decay=3e-4)
        return Recipe(cls(), cls.plant, initial, 50, settings, Spec((height,)))


class AirplaneLQR(SampledLQR):
    """Brings the airplane to rest, level and on its course, gently."""

    plant = Airplane()

    def __init__(
        self,
        period: float = 0.1,
        state_weights: tuple[float, ...] = (0.1, 0.2, 0.1, 0.1, 0.2, 0.1, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0),
        input_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        input_limits: tuple[float, ...] = (3.0, 3.0, 3.0, 3.0, 3.0, 3.0),
    ) -> None:
        super().__init__(period, state_weights, input_weights, input_limits)

    @property
    def operating_state(self) -> FloatArray:
        """At rest in the origin, level."""
        return np.zeros(12)

    @property
    def operating_input(self) -> FloatArray:
        """The force that carries the weight."""
        return np.array([0.0, 0.0, -1.0, 0.0, 0.0, 0.0])

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/airplane` was trained: |sy|, |phi|, |theta|, |psi| <= 1 for 2 s, which it fails."""
        bound = Stay(Box(np.full(4, -1.0), np.full(4, 1.0)), on=("sy", "phi", "theta", "psi"), name="course")
        initial = Box(np.zeros(12), np.array([0.0] * 3 + [1.0] * 6 + [0.0] * 3))
        settings = ImitationSettings(hidden=(24, 24), trajectories=100, evaluations=2000)
        return Recipe(cls(), cls.plant, initial, 20, settings, Spec((bound,)))


class AttitudeFeedback(Expert):
    """Torques - inertia * (stiffness s + damping w) for the parameters s and the rates w, softly limited.

    Args: `period` in s; `stiffness` in 1/s^2 and `damping` in 1/s; `limit` of every torque in N m.
    """

    period: float
    inertia = np.array([4.0, 2.0, 1.0])

    def __init__(self, period: float = 0.1, stiffness: float = 4.0, damping: float = 3.0, limit: float = 20.0) -> None:
        require_positive("attitude feedback", period=period, stiffness=stiffness, damping=damping, limit=limit)
        self.period, self.stiffness, self.damping, self.limit = period, stiffness, damping, limit
        self.input_bounds = Box(np.full(3, -limit), np.full(3, limit))

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/attitude` was trained: not into a forbidden box, and near rest at 3 s."""
        sides = [(-0.45, -0.44), (-0.55, -0.54), (0.65, 0.66), (-0.75, -0.74), (0.85, 0.86), (-0.65, -0.64)]
        initial = Box(*np.array(sides).T)
        sides = [(-0.2, 0.0), (-0.5, -0.4), (0.0, 0.2), (-0.7, -0.6), (0.7, 0.8), (-0.4, -0.2)]
        forbidden = Avoid(Box(*np.array(sides).T), name="forbidden")
        calm = Reach(Box(np.full(6, -0.3), np.full(6, 0.3)), at=3.0, name="calm")
        settings = ImitationSettings(hidden=(20, 20), trajectories=60, evaluations=2000)
        return Recipe(cls(), Attitude(), initial, 30, settings, Spec((forbidden, calm)))

    def control(self, x: FloatArray) -> FloatArray:
        """(u1, u2, u3) for x [6]."""
        command = -self.inertia * (self.stiffness * x[3:] + self.damping * x[:3])
        return soft_limit(command, np.full(3, self.limit))

    def law(self) -> Tape:
        """See `Expert.law`."""
        return traced(self.control, 6)


SLOW = 0.2
"""Speed allowed at distance 0, m/s."""


def excess_speed(x: casadi.SX) -> casadi.SX:
    """Speed minus what is allowed at the distance, in m/s: |(x3, x4)| - 0.2 - 2 n |(x1, x2)|."""
    speed, distance = casadi.sqrt(x[2] ** 2 + x[3] ** 2), casadi.sqrt(x[0] ** 2 + x[1] ** 2)
    return speed - SLOW - 2.0 * MEAN_MOTION * distance


class DockingFeedback(Expert):
    """Thrust that turns the velocity into -approach * position within about `settling` seconds, softly limited.

    Args: `period` and `settling` in s, `approach` in 1/s, `limit` of each thrust in N.
    """

    period: float

    def __init__(self, period: float = 1.0, approach: float = 0.002, settling: float = 8.0, limit: float = 1.0) -> None:
        require_positive("docking feedback", period=period, approach=approach, settling=settling, limit=limit)
        self.period, self.approach, self.settling, self.limit = period, approach, settling, limit
        self.input_bounds = Box(np.full(2, -limit), np.full(2, limit))

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/docking` was trained: never faster than the distance allows, for 40 s."""
        initial = Box(np.array([70.0, 70.0, -0.25, -0.25]), np.array([106.0, 106.0, 0.25, 0.25]))
        settings = ImitationSettings(hidden=(10, 10), trajectories=60, evaluations=2000)
        spec = Spec((Stay(Sublevel(excess_speed, dim=4), name="speed-limit"),))
        return Recipe(cls(), Docking(), initial, 40, settings, spec)

    def control(self, x: FloatArray) -> FloatArray:
        """(Fx, Fy) for x [4]."""
        wanted = -self.approach * x[:2]
        return soft_limit(MASS / self.settling * (wanted - x[2:]), np.full(2, self.limit))

    def law(self) -> Tape:
        """See `Expert.law`."""
        return traced(self.control, 4)
