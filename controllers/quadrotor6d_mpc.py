"""Model-predictive control of the quadrotor past balls, a nonlinear program, and the recipe to train a network on it.

The optimal input as a function of the state has a kink wherever a constraint becomes active, and a network that follows
kinks is hard to fit and hard to verify. So the program is not solved to its limit: IPOPT's logarithmic barrier stays at
`barrier`, which makes the minimiser a smooth function of the state that keeps a little away from every bound.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from controllers.terminal_cost import resting_input, riccati_cost
from nnctrl import Avoid, Ball, Box, Expert, Reach, Spec, Stay
from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe
from plants.quadrotor6d import Quadrotor6D

OBSTACLES = (Ball(np.array([4.0, 2.0, 2.0]), 1.0), Ball(np.array([2.0, 4.0, 2.0]), 1.0))
POSITION = ("px", "py", "pz")

SLACK_PRICE = 100.0
"""Cost per square metre of squared distance that the clearance lacks: far above any gain from lacking some."""


class Quadrotor6DMPC(Expert):
    """min sum of x'Q x + (u - hover)'R (u - hover) over `horizon` steps, then x'P x, past balls and within bounds.

    Args: `horizon` in steps of 0.1 s; the diagonals of Q (px .. vz) and R (u1, u2, u3); `input_bounds` a box for
    (u1, u2, u3), hard; `obstacles` balls over the position; `clearance` the distance to them in m that is kept, softly
    (a state that is too close already still has an input); `barrier` the smoothing, see the module. P solves the
    Riccati equation of Q and R.

    Multiple shooting; IPOPT starts from the linear-quadratic regulator's trajectory and not from the last answer, so
    that the input depends on the state alone. About 4 ms a state.
    """

    horizon: int
    input_bounds: Box

    def __init__(
        self,
        horizon: int = 30,
        state_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        input_weights: tuple[float, ...] = (60.0, 60.0, 0.6),
        input_bounds: Box | None = None,
        obstacles: tuple[Ball, ...] = OBSTACLES,
        clearance: float = 0.35,
        barrier: float = 0.03,
    ) -> None:
        if horizon < 1 or barrier <= 0.0 or clearance < 0.0:
            raise InputError(
                f"the quadrotor's MPC has horizon {horizon}, barrier {barrier} and clearance {clearance}; give at "
                "least one step, a positive barrier and a clearance of 0 or more"
            )
        if len(state_weights) != 6 or len(input_weights) != 3 or min(*state_weights, *input_weights) <= 0.0:
            raise InputError(
                f"the quadrotor's MPC has state weights {state_weights} and input weights {input_weights}; give six "
                "and three positive numbers"
            )
        self.plant = Quadrotor6D()
        self.horizon = horizon
        self.state_weights, self.input_weights = state_weights, input_weights
        # tighter than the actuators' ranges: room for a network that imitates with some error
        room = Box(np.array([-0.9, -0.9, 0.5]), np.array([0.9, 0.9, 19.0]))
        self.input_bounds = room if input_bounds is None else input_bounds
        self.obstacles, self.clearance, self.barrier = obstacles, clearance, barrier
        self._hover = resting_input(self.plant.affine())
        if not ((self.input_bounds.lower < self._hover) & (self._hover < self.input_bounds.upper)).all():
            raise InputError(
                f"hovering takes {self._hover}, which is not inside the input bounds of the quadrotor's MPC; widen them"
            )

    @classmethod
    def recipe(cls) -> Recipe:
        """How the registered network `quadrotor6d-obstacles` was trained, and what it must do within 6 s."""
        initial_set = Box(np.array([3.6, 4.6, 2.9, -0.1, -0.1, -0.1]), np.array([3.8, 4.8, 3.1, 0.1, 0.1, 0.1]))
        goal = Box(np.full(6, -0.3), np.full(6, 0.3))
        requirements = [Avoid(target=ball, on=POSITION, name=f"obstacle-{k + 1}") for k, ball in enumerate(OBSTACLES)]
        actuators = Box(np.array([-1.0, -1.0, 0.0]), np.array([1.0, 1.0, 19.62]))
        inputs = Stay(target=actuators, on=("u1", "u2", "u3"), name="inputs")
        spec = Spec((*requirements, inputs, Reach(target=goal, at=60, name="goal")))
        settings = ImitationSettings(hidden=(32, 32), trajectories=100, rounds=2, iterations=500, weight_decay=3e-4)
        return Recipe(cls(), Quadrotor6D(), initial_set, 60, settings, spec)

    def control(self, x: FloatArray) -> FloatArray:
        """u [3] for x [6]; InputError if IPOPT does not converge."""
        state = np.asarray(x, dtype=np.float64)
        solution = self._solver(x0=self._guess(state), p=state, **self._bounds)
        if not self._solver.stats()["success"]:
            raise InputError(
                f"the quadrotor's MPC does not converge at {np.array2string(state, precision=4)} "
                f"({self._solver.stats()['return_status']}); change the clearance, the barrier or the state"
            )
        return np.array(solution["x"]).ravel()[: self.plant.input_size]

    def _guess(self, x: FloatArray) -> FloatArray:
        """Where IPOPT starts: inputs of the linear-quadratic regulator inside the bounds, their states, and slacks."""
        dynamics = self.plant.affine()
        centre, radius = self.input_bounds.centre, self.input_bounds.radius
        inputs, states = [], []
        for _ in range(self.horizon):
            u = np.clip(self._hover - self._regulator[1] @ x, centre - 0.9 * radius, centre + 0.9 * radius)
            x = dynamics.A @ x + dynamics.B @ u + dynamics.c
            inputs.append(u)
            states.append(x)
        return np.concatenate([np.ravel(inputs), np.ravel(states), np.full(self.horizon * len(self.obstacles), 0.1)])

    @cached_property
    def _regulator(self) -> tuple[FloatArray, FloatArray]:
        return riccati_cost(self.plant.affine(), np.diag(self.state_weights), np.diag(self.input_weights))

    @cached_property
    def _bounds(self) -> dict[str, FloatArray]:
        """Bounds of the variables (inputs, states, slacks) and of the constraints (dynamics, distances)."""
        steps, balls, n = self.horizon, len(self.obstacles), self.plant.state_size
        free, zero = np.full(steps * n, np.inf), np.zeros(steps * n)
        distances = np.tile([(ball.radius + self.clearance) ** 2 for ball in self.obstacles], steps)
        return {
            "lbx": np.concatenate([np.tile(self.input_bounds.lower, steps), -free, np.zeros(steps * balls)]),
            "ubx": np.concatenate([np.tile(self.input_bounds.upper, steps), free, np.full(steps * balls, np.inf)]),
            "lbg": np.concatenate([zero, distances]),
            "ubg": np.concatenate([zero, np.full(steps * balls, np.inf)]),
        }

    @cached_property
    def _solver(self) -> Any:
        import casadi

        n, m, steps, balls = self.plant.state_size, self.plant.input_size, self.horizon, len(self.obstacles)
        start, inputs = casadi.SX.sym("x", n), casadi.SX.sym("u", m, steps)
        states, slacks = casadi.SX.sym("s", n, steps), casadi.SX.sym("e", balls, steps)
        step = self.plant.casadi_function()
        Q, R = np.diag(self.state_weights), np.diag(self.input_weights)
        cost, before = casadi.SX(0), start
        dynamics, distances = [], []
        for k in range(steps):
            state, effort = states[:, k], inputs[:, k] - self._hover
            dynamics.append(state - step(before, inputs[:, k], [], []))
            weight = self._regulator[0] if k == steps - 1 else Q
            cost += (casadi.bilin(weight, state, state) + casadi.bilin(R, effort, effort)) / 2
            for index, ball in enumerate(self.obstacles):
                away = state[:3] - ball.centre
                distances.append(casadi.dot(away, away) + slacks[index, k])
                cost += SLACK_PRICE * slacks[index, k]
            before = state
        program = {
            "x": casadi.veccat(inputs, states, slacks),
            "p": start,
            "f": cost,
            "g": casadi.veccat(*dynamics, *distances),
        }
        options: dict[str, Any] = {"print_time": False, "ipopt": self._ipopt_options()}
        return casadi.nlpsol("quadrotor6d_mpc", "ipopt", program, options)

    def _ipopt_options(self) -> dict[str, object]:
        return {
            "print_level": 0,
            "sb": "yes",
            "tol": 1e-8,
            "max_iter": 200,
            # the barrier stays where it is, in the program's own units, and nothing else is added to the cost
            "mu_strategy": "monotone",
            "mu_init": self.barrier,
            "mu_target": self.barrier,
            "nlp_scaling_method": "none",
            "kappa_d": 0.0,
        }
