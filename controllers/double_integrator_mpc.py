"""Model-predictive control of the double integrator, a quadratic program, and the recipe to train a network on it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from controllers.terminal_cost import riccati_cost
from nnctrl import Avoid, Ball, Box, Expert, Reach, Spec, Stay, Zonotope
from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe
from nnctrl.systems.expert import QuadraticProgram
from plants.double_integrator import DoubleIntegrator


class DoubleIntegratorMPC(Expert):
    """min sum of x'Q x + r u^2 over `horizon` steps, then x'P x, under |u| <= input_limit and |v| <= velocity_limit.

    Args: `horizon` in steps; `state_weights` the diagonal of Q for (p, v); `input_weight` r; limits in m/s^2 and m/s,
    hard, from the next sample on. P solves the Riccati equation of Q and r. The default limits leave a tenth and more
    under |u| <= 1 and |v| <= 1, so that a network that imitates this expert can keep those.

    Condensed to `horizon` variables and solved by the active-set method qrqp of CasADi; about 0.1 ms a state.
    """

    horizon: int
    input_bounds: Box

    def __init__(
        self,
        horizon: int = 10,
        state_weights: tuple[float, float] = (1.0, 1.0),
        input_weight: float = 3.0,
        input_limit: float = 0.9,
        velocity_limit: float = 0.85,
    ) -> None:
        if horizon < 1 or min(*state_weights, input_weight, input_limit, velocity_limit) <= 0.0:
            raise InputError(
                f"the double integrator's MPC has horizon {horizon}, weights {(*state_weights, input_weight)} and "
                f"limits {(input_limit, velocity_limit)}; give at least one step and positive numbers"
            )
        self.plant = DoubleIntegrator()
        self.horizon = horizon
        self.state_weights, self.input_weight = state_weights, input_weight
        self.input_limit, self.velocity_limit = input_limit, velocity_limit
        self.input_bounds = Box(np.array([-input_limit]), np.array([input_limit]))

    @classmethod
    def recipe(cls) -> Recipe:
        """How the registered network `double-integrator` was trained, and what it must do on the hexagon."""
        hexagon = Zonotope(np.array([2.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))
        unit, goal = Box(np.array([-1.0]), np.array([1.0])), Box(np.array([-0.25, -0.5]), np.array([0.25, 0.5]))
        spec = Spec(
            (
                Stay(target=unit, on=("u",), name="input"),
                Stay(target=unit, on=("v",), name="velocity"),
                Avoid(target=Ball(np.array([1.3, -0.35]), 0.2), name="obstacle"),
                Reach(target=goal, at=5, name="goal"),
            )
        )
        settings = ImitationSettings(
            hidden=(10, 5, 5), trajectories=200, rounds=3, perturbation=0.3, iterations=1000, weight_decay=1e-5
        )
        return Recipe(cls(), DoubleIntegrator(), hexagon, 5, settings, spec)

    def control(self, x: FloatArray) -> FloatArray:
        """u [1] for x = (p, v) [2]; InputError where the velocity limit cannot be kept."""
        solution = self._solver(p=np.asarray(x, dtype=np.float64), **self._bounds)
        if not self._solver.stats()["success"]:
            raise InputError(
                f"the double integrator's MPC has no solution at p = {x[0]:g}, v = {x[1]:g} "
                f"({self._solver.stats()['return_status']}); from there |v| <= {self.velocity_limit:g} may be out of "
                f"reach of |u| <= {self.input_limit:g}: start slower or raise a limit"
            )
        return np.array(solution["x"]).ravel()[:1]

    def law(self) -> QuadraticProgram:
        """See `Expert.law`; the matrices are the doubles that the condensed program evaluates to."""
        return QuadraticProgram.of(self._program, self._bounds, self.plant.input_size)

    @cached_property
    def _bounds(self) -> dict[str, float]:
        return {
            "lbx": -self.input_limit,
            "ubx": self.input_limit,
            "lbg": -self.velocity_limit,
            "ubg": self.velocity_limit,
        }

    @cached_property
    def _program(self) -> dict[str, Any]:
        """Over the inputs, with the state as parameter and the velocities as constraints."""
        import casadi

        dynamics = self.plant.affine()
        Q, R = np.diag(self.state_weights), np.array([[self.input_weight]])
        P, _ = riccati_cost(dynamics, Q, R)
        start, inputs = casadi.SX.sym("x", 2), casadi.SX.sym("u", self.horizon)
        step = self.plant.casadi_function()
        state, cost, velocities = start, casadi.SX(0), []
        for k in range(self.horizon):
            state = step(state, inputs[k], [], [])
            weight = P if k == self.horizon - 1 else Q
            cost += casadi.bilin(weight, state, state) + self.input_weight * inputs[k] ** 2
            velocities.append(state[1])
        return {"x": inputs, "p": start, "f": cost / 2, "g": casadi.vertcat(*velocities)}

    @cached_property
    def _solver(self) -> Any:
        import casadi

        quiet = {"print_iter": False, "print_header": False, "print_info": False, "error_on_fail": False}
        return casadi.qpsol("double_integrator_mpc", "qrqp", self._program, quiet)
