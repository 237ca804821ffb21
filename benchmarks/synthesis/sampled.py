"""The single pendulum and NAV of the ARCH-COMP category AINNCS as tasks: the competition's sets, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnctrl import Avoid, Box, Reach, Spec, Stay, Task, TaskDefinition
from plants.car import Car
from plants.single_pendulum import SinglePendulum


@dataclass(frozen=True)
class SynthesiseSinglePendulum(TaskDefinition):
    """Single pendulum: x1 in [0, 1] at all times from 0.5 s to 1 s, sampled every 0.05 s."""

    id: ClassVar[str] = "synthesis/single-pendulum"

    def task(self) -> Task:
        """The task."""
        initial = Box(np.array([1.0, 0.0]), np.array([1.175, 0.2]))
        caught = Stay(Box(np.array([0.0]), np.array([1.0])), (0.5, 1.0), on=("x1",), name="caught")
        views = (("t", "x1"), ("x1", "x2"))
        return Task(SinglePendulum(), initial, Spec((caught,)), 1.0, self.id, 0.05, hidden=(20, 20), views=views)


@dataclass(frozen=True)
class SynthesiseNav(TaskDefinition):
    """NAV: (x1, x2) never in [1, 2]^2 up to 6 s and in [-0.5, 0.5]^2 at 6 s, sampled every 0.2 s."""

    id: ClassVar[str] = "synthesis/nav"

    def task(self) -> Task:
        """The task."""
        position = ("x1", "x2")
        initial = Box(np.array([2.9, 2.9, 0.0, 0.0]), np.array([3.1, 3.1, 0.0, 0.0]))
        obstacle = Avoid(Box(np.full(2, 1.0), np.full(2, 2.0)), on=position, name="obstacle")
        goal = Reach(Box(np.full(2, -0.5), np.full(2, 0.5)), at=6.0, on=position, name="goal")
        views = (position, ("x3", "x4"))
        return Task(Car(), initial, Spec((obstacle, goal)), 6.0, self.id, 0.2, hidden=(24, 24), views=views)
