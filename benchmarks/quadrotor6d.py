"""The 6-D quadrotor under its trained network: past two balls to the origin in six seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from controllers.quadrotor6d_mpc import POSITION, Quadrotor6DMPC
from controllers.trained import quadrotor6d_obstacles
from nnctrl import Avoid, Ball, Problem, ProblemDefinition, Spec, compose

VIEWS = (("px", "py"), ("px", "pz"), ("t", "pz"))

BLOCKING_BALL = Ball(np.array([2.65, 2.58, 1.94]), 1.0)
"""On the simulated trajectory from the centre of the initial box, at step 12."""


@dataclass(frozen=True)
class Quadrotor6DObstacles(ProblemDefinition):
    """Avoid the unit balls about (4, 2, 2) and (2, 4, 2), keep the actuators' limits, reach |p|, |v| <= 0.3 at step
    60; expected VERIFIED.

    The network imitates a model-predictive controller; the task is the one that the expert's recipe states.
    """

    id: ClassVar[str] = "quadrotor6d-obstacles"

    def build(self) -> Problem:
        """The problem of the recipe."""
        recipe = Quadrotor6DMPC.recipe()
        loop = compose(recipe.plant, quadrotor6d_obstacles())
        return Problem(loop, recipe.initial_set, recipe.spec, recipe.horizon, self.id, views=VIEWS)


@dataclass(frozen=True)
class Quadrotor6DBlocked(ProblemDefinition):
    """The same loop with one more ball on the trajectory from the centre; expected FALSIFIED."""

    id: ClassVar[str] = "quadrotor6d-obstacles-blocked"

    def build(self) -> Problem:
        """The recipe's problem with another ball."""
        recipe = Quadrotor6DMPC.recipe()
        spec = Spec((*recipe.spec.requirements, Avoid(target=BLOCKING_BALL, on=POSITION, name="obstacle-3")))
        loop = compose(recipe.plant, quadrotor6d_obstacles())
        return Problem(loop, recipe.initial_set, spec, recipe.horizon, self.id, views=VIEWS)
