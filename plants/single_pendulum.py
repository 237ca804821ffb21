"""An inverted pendulum with a torque at its hinge."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant


class SinglePendulum(Plant):
    """A frictionless pendulum of mass m = 0.5 at the length L = 0.5 under gravity g = 1, x1 = 0 upright: x1' = x2,
    x2' = (g/L) sin x1 + T/(m L^2) = 2 sin x1 + 8 T.

    | name             | symbol | unit  |
    |------------------|--------|-------|
    | angle            | x1     | rad   |
    | angular rate     | x2     | rad/s |
    | torque           | T      | N m   |

    Continuous; the single pendulum benchmark of the ARCH-COMP category AINNCS.
    """

    states = {"x1": "rad", "x2": "rad/s"}
    inputs = {"T": "N m"}

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        return x[1], 2.0 * casadi.sin(x[0]) + 8.0 * u[0]
