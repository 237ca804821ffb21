"""The 6-D quadrotor under its trained network: past two balls to the origin in six seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from controllers.quadrotor6d_mpc import POSITION, Quadrotor6DMPC
from controllers.trained import quadrotor6d_obstacles
from nnctrl import Avoid, Ball, Problem, ProblemDefinition, Spec, compose, setting

VIEWS = (("px", "py"), ("px", "pz"), ("t", "pz"))

BLOCKING_BALL = Ball(np.array([2.65, 2.58, 1.94]), 1.0)
"""On the simulated trajectory from the centre of the initial box, at step 12."""

DUE = 60
"""Step at which the goal has to be reached: 6 s."""


@dataclass(frozen=True)
class Quadrotor6DObstacles(ProblemDefinition):
    """Avoid the unit balls about (4, 2, 2) and (2, 4, 2), keep the actuators' limits, reach |p|, |v| <= 0.3 at step
    60; expected VERIFIED.

    The network imitates a model-predictive controller; the task is the one that the expert's recipe states.
    """

    id: ClassVar[str] = "quadrotor6d-obstacles"
    expert: ClassVar[str] = "quadrotor6d-mpc"

    horizon: int = setting(DUE, "steps of 0.1 s; the goal is due at step 60, all else at every step", minimum=DUE)

    def build(self) -> Problem:
        """The problem of the recipe."""
        return _problem(self.id, Quadrotor6DMPC.recipe().spec, self.horizon)


@dataclass(frozen=True)
class Quadrotor6DBlocked(ProblemDefinition):
    """The same loop with the first ball moved onto the trajectory from the centre; expected FALSIFIED."""

    id: ClassVar[str] = "quadrotor6d-obstacles-blocked"
    expert: ClassVar[str] = "quadrotor6d-mpc"

    horizon: int = setting(DUE, "steps of 0.1 s; the goal is due at step 60, all else at every step", minimum=DUE)

    def build(self) -> Problem:
        """The recipe's problem with another ball."""
        others = [r for r in Quadrotor6DMPC.recipe().spec.requirements if r.name != "obstacle-1"]
        moved = Avoid(BLOCKING_BALL, on=POSITION, name="obstacle-1")
        return _problem(self.id, Spec((moved, *others)), self.horizon)


def _problem(name: str, spec: Spec, horizon: int) -> Problem:
    recipe = Quadrotor6DMPC.recipe()
    loop = compose(recipe.plant, quadrotor6d_obstacles())
    return Problem(loop, recipe.initial_set, spec, horizon, name, views=VIEWS)
