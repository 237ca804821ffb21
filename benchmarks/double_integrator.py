"""The double integrator under its trained network: from a hexagon near p = 2.5 past a ball in its state space to
rest in five steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from controllers.double_integrator_mpc import DoubleIntegratorMPC
from controllers.trained import double_integrator
from nnctrl import Avoid, Ball, Problem, ProblemDefinition, Spec, compose

VIEWS = (("p", "v"), ("t", "p"), ("t", "v"))

BLOCKING_BALL = Ball(np.array([1.31, -0.78]), 0.2)
"""On the simulated trajectory from the centre of the initial set, at step 2."""


@dataclass(frozen=True)
class DoubleIntegratorProblem(ProblemDefinition):
    """Reach [-0.25, 0.25] x [-0.5, 0.5] at step 5 with |u| <= 1 and |v| <= 1, avoiding a ball; expected VERIFIED.

    The network imitates a model-predictive controller; the task is the one that the expert's recipe states.
    """

    id: ClassVar[str] = "double-integrator"
    expert: ClassVar[str] = "double-integrator-mpc"

    def build(self) -> Problem:
        """The problem of the recipe."""
        recipe = DoubleIntegratorMPC.recipe()
        return Problem(
            compose(recipe.plant, double_integrator()),
            recipe.initial_set,
            recipe.spec,
            recipe.horizon,
            self.id,
            views=VIEWS,
        )


@dataclass(frozen=True)
class DoubleIntegratorBlocked(ProblemDefinition):
    """The same loop with the ball moved onto the trajectory from the centre; expected FALSIFIED."""

    id: ClassVar[str] = "double-integrator-blocked"
    expert: ClassVar[str] = "double-integrator-mpc"

    def build(self) -> Problem:
        """The recipe's problem with another ball."""
        recipe = DoubleIntegratorMPC.recipe()
        others = tuple(r for r in recipe.spec.requirements if not isinstance(r, Avoid))
        spec = Spec((*others, Avoid(target=BLOCKING_BALL, name="obstacle")))
        loop = compose(recipe.plant, double_integrator())
        return Problem(loop, recipe.initial_set, spec, recipe.horizon, self.id, views=VIEWS)
