"""A car in the plane with its acceleration and its rate of turn as inputs."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant


class Car(Plant):
    """x1' = x3 cos x4, x2' = x3 sin x4, x3' = u1, x4' = u2.

    | name          | symbol | unit  | range   |
    |---------------|--------|-------|---------|
    | position      | x1, x2 | m     |         |
    | speed         | x3     | m/s   |         |
    | heading       | x4     | rad   |         |
    | acceleration  | u1     | m/s^2 | -1 .. 1 |
    | rate of turn  | u2     | rad/s | -1 .. 1 |

    The ranges document the actuators; they are enforced only where a specification asks for it. Continuous; the NAV
    benchmarks of the ARCH-COMP category AINNCS.
    """

    states = {"x1": "m", "x2": "m", "x3": "m/s", "x4": "rad"}
    inputs = {"u1": "m/s^2", "u2": "rad/s"}
    ranges = {"u1": (-1.0, 1.0), "u2": (-1.0, 1.0)}

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        return x[2] * casadi.cos(x[3]), x[2] * casadi.sin(x[3]), u[0], u[1]
