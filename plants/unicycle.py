"""The unicycle: a vehicle in the plane whose acceleration is not quite what it is told."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant


class Unicycle(Plant):
    """A vehicle that turns on the spot: x1' = x4 cos x3, x2' = x4 sin x3, x3' = u2, x4' = u1 + w.

    | name                      | symbol | unit  | range          |
    |---------------------------|--------|-------|----------------|
    | position                  | x1, x2 | m     |                |
    | heading                   | x3     | rad   |                |
    | speed                     | x4     | m/s   |                |
    | acceleration              | u1     | m/s^2 |                |
    | rate of turn              | u2     | rad/s |                |
    | error of the acceleration | w      | m/s^2 | -1e-4 .. 1e-4  |

    w may change at every moment. Continuous; the unicycle benchmark of the ARCH-COMP category AINNCS.
    """

    states = {"x1": "m", "x2": "m", "x3": "rad", "x4": "m/s"}
    inputs = {"u1": "m/s^2", "u2": "rad/s"}
    disturbances = {"w": "m/s^2"}
    ranges = {"w": (-1e-4, 1e-4)}

    def dynamics(self, x: Any, u: Any, w: Any) -> Any:
        """Derivative of the state."""
        return x[3] * casadi.cos(x[2]), x[3] * casadi.sin(x[2]), u[1], u[0] + w[0]
