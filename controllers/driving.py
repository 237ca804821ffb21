"""Steering laws of vehicles, with recipes to train networks on them.

The tasks are in the spirit of the competition's families of the same names; sets and bounds are this project's own.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from controllers.sampled_lqr import require_positive, soft_limit
from nnctrl import Avoid, Box, Expert, Polytope, Reach, Spec, Stay
from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe
from nnctrl.networks.activations import Relu
from nnctrl.systems.expert import traced
from nnctrl.systems.tape import Tape
from plants.adaptive_cruise import AdaptiveCruise
from plants.car import Car
from plants.unicycle import Unicycle


class LookAhead(Expert):
    """Drives a point that is rigidly `ahead` of the vehicle (behind it if negative) along a field of velocities.

    The state is (x, y, heading, speed) in the order that `split` says. In the frame of the vehicle the point moves with
    (speed, ahead * rate of turn): so the field, turned into that frame, gives the speed that is wanted, to which the
    acceleration leads with the rate `pull` in 1/s, and the rate of turn (feedback linearisation). A subclass says the
    field. Args: `period` in s, `ahead` in m, `limits` of the acceleration and the rate of turn, soft.
    """

    period: float

    def __init__(self, period: float, ahead: float, pull: float, limits: tuple[float, float]) -> None:
        require_positive("steering law", period=period, pull=pull, acceleration=limits[0], turning=limits[1])
        if ahead == 0.0:
            raise InputError("the steering law leads a point 0 m ahead of the vehicle, which turning does not move")
        self.period, self.ahead, self.pull, self.limits = period, ahead, pull, limits
        self.input_bounds = Box(-np.array(limits), np.array(limits))

    @abstractmethod
    def field(self, point: FloatArray) -> FloatArray:
        """Velocity [2] in m/s that the point [2] should have."""

    @abstractmethod
    def split(self, x: FloatArray) -> tuple[float, float]:
        """Heading and speed."""

    def control(self, x: FloatArray) -> FloatArray:
        """(acceleration, rate of turn) for x [4]."""
        heading, speed = self.split(x)
        forward = np.array([np.cos(heading), np.sin(heading)])
        left = np.array([-forward[1], forward[0]])
        wanted = self.field(x[:2] + self.ahead * forward)
        command = np.array([self.pull * (forward @ wanted - speed), left @ wanted / self.ahead])
        return soft_limit(command, np.array(self.limits))

    def law(self) -> Tape:
        """See `Expert.law`."""
        return traced(self.control, 4)


class UnicycleLookAhead(LookAhead):
    """Drives the unicycle to the origin; the point that it leads stops at `target`, so that the vehicle does at 0.

    Args: as for LookAhead; `approach` in 1/s: the speed that is wanted per metre from the target.
    """

    def __init__(
        self,
        period: float = 0.2,
        ahead: float = 1.0,
        pull: float = 2.0,
        limits: tuple[float, float] = (4.0, 2.0),
        approach: float = 0.5,
        target: tuple[float, float] = (-0.9, 0.44),
    ) -> None:
        super().__init__(period, ahead, pull, limits)
        require_positive("unicycle's steering law", approach=approach)
        self.approach, self.target = approach, target

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/unicycle` was trained: within 0.4 m of the origin and slow at 10 s."""
        initial = Box(np.array([9.5, -4.5, 2.1, 1.5]), np.array([9.55, -4.45, 2.11, 1.51]))
        radii = np.array([0.4, 0.4, 0.3])
        goal = Reach(Box(-radii, radii), at=10.0, on=("x1", "x2", "x4"), name="goal")
        settings = ImitationSettings(hidden=(20, 20), trajectories=60, evaluations=2000)
        return Recipe(cls(), Unicycle(), initial, 50, settings, Spec((goal,)))

    def field(self, point: FloatArray) -> FloatArray:
        """Straight to the target."""
        return self.approach * (np.array(self.target) - point)

    def split(self, x: FloatArray) -> tuple[float, float]:
        """Heading x3, speed x4."""
        return x[2], x[3]


class CarLookAhead(LookAhead):
    """Backs the car to the origin around an obstacle: its target slides from (0, detour) down to (0, 0) as it passes.

    Args: as for LookAhead; `speed` in m/s far from the target; `detour`, `passing` (the x at which the target is half
    way down) and `blend` (how far around it the target slides) in m.
    """

    def __init__(
        self,
        period: float = 0.2,
        ahead: float = -0.3,
        pull: float = 2.0,
        limits: tuple[float, float] = (4.0, 2.0),
        speed: float = 1.5,
        detour: float = 3.0,
        passing: float = 0.7,
        blend: float = 0.3,
    ) -> None:
        super().__init__(period, ahead, pull, limits)
        require_positive("car's steering law", speed=speed, blend=blend)
        self.speed, self.detour, self.passing, self.blend = speed, detour, passing, blend

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/nav` was trained: never in [1, 2]^2, and in [-0.5, 0.5]^2 at 6 s."""
        position = ("x1", "x2")
        obstacle = Avoid(Box(np.full(2, 1.0), np.full(2, 2.0)), on=position, name="obstacle")
        goal = Reach(Box(np.full(2, -0.5), np.full(2, 0.5)), at=6.0, on=position, name="goal")
        initial = Box(np.array([2.9, 2.9, 0.0, 0.0]), np.array([3.1, 3.1, 0.0, 0.0]))
        settings = ImitationSettings(hidden=(24, 24), trajectories=60, evaluations=2000)
        return Recipe(cls(), Car(), initial, 30, settings, Spec((obstacle, goal)))

    def field(self, point: FloatArray) -> FloatArray:
        """To the target, slower within a metre of it."""
        share = 0.5 + 0.5 * np.tanh((point[0] - self.passing) / self.blend)
        way = np.array([0.0, self.detour * share]) - point
        return self.speed * way / np.sqrt(np.array([1.0 + way @ way]))

    def split(self, x: FloatArray) -> tuple[float, float]:
        """Heading x4, speed x3."""
        return x[3], x[2]


SET_SPEED, TIME_GAP, STANDSTILL_GAP = 30.0, 1.4, 10.0
"""m/s, s, m."""


class CruiseFeedback(Expert):
    """Acceleration that leads to the set speed, or behind a slower car to a distance that grows with the speed.

    Proportional to the lack of distance and to the difference of the speeds, softly limited: `distance_gain` in 1/s^2,
    `speed_gain` in 1/s, `limit` in m/s^2.
    """

    period: float

    def __init__(
        self, period: float = 0.1, distance_gain: float = 0.05, speed_gain: float = 0.5, limit: float = 3.0
    ) -> None:
        gains = {"distance_gain": distance_gain, "speed_gain": speed_gain}
        require_positive("cruise feedback", period=period, limit=limit, **gains)
        self.period, self.distance_gain, self.speed_gain, self.limit = period, distance_gain, speed_gain, limit
        self.input_bounds = Box(np.array([-limit]), np.array([limit]))

    @classmethod
    def recipe(cls) -> Recipe:
        """How the network `demo/acc` was trained: at least 10 m and 1.4 s behind a braking car, for 5 s."""
        sides = [(90.0, 110.0), (32.0, 32.2), (0.0, 0.0), (10.0, 11.0), (30.0, 30.2), (0.0, 0.0)]
        distance = Polytope.half_space(np.array([-1.0, 1.0, TIME_GAP]), -STANDSTILL_GAP)
        spec = Spec((Stay(distance, on=("x1", "x4", "x5"), name="safe-distance"),))
        settings = ImitationSettings(hidden=(16, 16), trajectories=60, evaluations=2000)
        return Recipe(cls(), AdaptiveCruise(), Box(*np.array(sides).T), 50, settings, spec, Relu())

    def control(self, x: FloatArray) -> FloatArray:
        """a_ego [1] for x [6]."""
        gap = x[0] - x[3] - STANDSTILL_GAP - TIME_GAP * x[4]
        command = self.distance_gain * (gap - 10.0) + self.speed_gain * (np.fmin(x[1], SET_SPEED) - x[4])
        return soft_limit(np.array([command]), np.array([self.limit]))

    def law(self) -> Tape:
        """See `Expert.law`."""
        return traced(self.control, 6)
