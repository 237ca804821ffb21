"""Tasks of which it is asked whether they can be done."""

from __future__ import annotations

import numpy as np

from nnctrl import (
    Box,
    LinearPlant,
    Reach,
    Spec,
    Stay,
    Zonotope,
)
from nnctrl.learning.impossibility.proof import impossibility
from nnctrl.learning.task import Task
from plants.double_integrator import DoubleIntegrator

HEXAGON = Zonotope(np.array([2.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))
GOAL = Box(np.array([-0.25, -0.25]), np.array([0.25, 0.25]))
UNIT = Stay(Box(np.array([-1.0]), np.array([1.0])), on=("u",), name="input")


def double_integrator(*requirements, horizon: float = 5, initial=HEXAGON) -> Task:
    return Task(DoubleIntegrator(), initial, Spec(requirements), horizon, "double integrator")


def interval(lower: float, upper: float) -> Box:
    return Box(np.array([lower]), np.array([upper]))


def scalar(a: float, start: float, limit: float, goal: Reach, steps: int = 3) -> str | None:
    """What is said of x+ = a x + u with |u| <= limit from one state."""
    plant = LinearPlant([[a]], [[1.0]], states=("x",), inputs=("u",), dt=1.0)
    limits = Stay(Box(np.array([-limit]), np.array([limit])), on=("u",), name="input")
    return impossibility(Task(plant, Box(np.array([start]), np.array([start])), Spec((limits, goal)), steps, "scalar"))
