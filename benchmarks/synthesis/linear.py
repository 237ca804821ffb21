"""The double integrator and the quadrotor as tasks: reach a set within input limits, past obstacles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnctrl import Avoid, Ball, Box, Reach, Spec, Stay, Task, TaskDefinition, Zonotope
from plants.double_integrator import DoubleIntegrator
from plants.quadrotor6d import Quadrotor6D

POSITION = ("px", "py", "pz")


@dataclass(frozen=True)
class SynthesiseDoubleIntegrator(TaskDefinition):
    """From a hexagon about (2.5, 0) into [-0.25, 0.25]^2 at step 5 with |u| <= 1."""

    id: ClassVar[str] = "synthesis/double-integrator"

    def task(self) -> Task:
        """The task."""
        hexagon = Zonotope(np.array([2.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))
        limit = Stay(Box(np.array([-1.0]), np.array([1.0])), on=("u",), name="input")
        goal = Reach(Box(np.full(2, -0.25), np.full(2, 0.25)), at=5, name="goal")
        views = (("p", "v"), ("t", "p"), ("t", "v"))
        return Task(DoubleIntegrator(), hexagon, Spec((limit, goal)), 5, self.id, hidden=(10, 10), views=views)


@dataclass(frozen=True)
class SynthesiseQuadrotor(TaskDefinition):
    """From a box of sides 0.3 m and 0.1 m/s past two unit balls into |p|, |v| <= 0.5 at 6 s, within the actuators'
    limits.
    """

    id: ClassVar[str] = "synthesis/quadrotor6d"
    expert: ClassVar[str] = "quadrotor6d-mpc"

    def task(self) -> Task:
        """The task."""
        return _quadrotor(self.id, 1.0)


@dataclass(frozen=True)
class SynthesiseQuadrotorWide(TaskDefinition):
    """The same from a box of sides 1.2 m and 0.4 m/s, from which the network `quadrotor6d-obstacles` leaves the
    actuators' limits.
    """

    id: ClassVar[str] = "synthesis/quadrotor6d-wide"
    expert: ClassVar[str] = "quadrotor6d-mpc"

    def task(self) -> Task:
        """The task."""
        return _quadrotor(self.id, 4.0)


def _quadrotor(name: str, factor: float) -> Task:
    """The task on a box `factor` times as wide as the smaller one."""
    centre = np.array([3.7, 4.7, 3.0, 0.0, 0.0, 0.0])
    radius = factor * np.array([0.15, 0.15, 0.15, 0.05, 0.05, 0.05])
    spec = Spec(
        (
            Avoid(Ball(np.array([4.0, 2.0, 2.0]), 1.0), on=POSITION, name="obstacle-1"),
            Avoid(Ball(np.array([2.0, 4.0, 2.0]), 1.0), on=POSITION, name="obstacle-2"),
            Stay(Box(np.array([-1.0, -1.0, 0.0]), np.array([1.0, 1.0, 19.62])), on=("u1", "u2", "u3"), name="inputs"),
            Reach(Box(np.full(6, -0.5), np.full(6, 0.5)), at=60, name="goal"),
        )
    )
    views = (("px", "py"), ("px", "pz"), ("t", "pz"))
    return Task(Quadrotor6D(), Box(centre - radius, centre + radius), spec, 60, name, views=views)
