"""Two pendulums, one hung on the other, with a torque at each hinge."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant


class DoublePendulum(Plant):
    """Two frictionless links of mass m = 0.5 and length L = 0.5 under gravity g = 1; angles are 0 upright.

    | name                     | symbol | unit  |
    |--------------------------|--------|-------|
    | angles of the links      | x1, x2 | rad   |
    | their rates              | x3, x4 | rad/s |
    | torques at the hinges    | T1, T2 | N m   |

    With d = x1 - x2 the accelerations a1 and a2 solve, point masses at the links' ends,
    a1 + cos(d) a2 / 2 = 4 T1 + 2 sin x1 - x4^2 sin(d) / 2 and cos(d) a1 + a2 = 8 T2 + 2 sin x2 + x3^2 sin d.
    Continuous; the double pendulum benchmarks of the ARCH-COMP category AINNCS.
    """

    states = {"x1": "rad", "x2": "rad", "x3": "rad/s", "x4": "rad/s"}
    inputs = {"T1": "N m", "T2": "N m"}

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        sine, cosine = casadi.sin(x[0] - x[1]), casadi.cos(x[0] - x[1])
        first = 4.0 * u[0] + 2.0 * casadi.sin(x[0]) - 0.5 * x[3] ** 2 * sine
        second = x[2] ** 2 * sine + 8.0 * u[1] + 2.0 * casadi.sin(x[1]) - cosine * first
        determinant = 0.5 * cosine**2 - 1.0
        return x[2], x[3], first + 0.5 * cosine * second / determinant, -second / determinant
