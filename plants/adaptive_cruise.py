"""Adaptive cruise control: a car that follows another one, which brakes."""

from __future__ import annotations

from typing import Any

from nnctrl import Plant

DRAG = 1e-4
"""Friction coefficient, per metre."""

LEAD_COMMAND = -2.0
"""What the lead car is told to accelerate by, m/s^2."""


class AdaptiveCruise(Plant):
    """Two cars on a line, lead (x1, x2, x3) and ego (x4, x5, x6): each follows its commanded acceleration with a lag.

    | name                          | symbol | unit  |
    |-------------------------------|--------|-------|
    | positions of lead and ego     | x1, x4 | m     |
    | velocities                    | x2, x5 | m/s   |
    | accelerations                 | x3, x6 | m/s^2 |
    | acceleration commanded to ego | a_ego  | m/s^2 |

    x' = v, v' = a, a' = 2 (command - a) - 0.0001 v^2, with the lead car's command -2. Continuous; the ACC benchmark of
    the ARCH-COMP category AINNCS.
    """

    states = {"x1": "m", "x2": "m/s", "x3": "m/s^2", "x4": "m", "x5": "m/s", "x6": "m/s^2"}
    inputs = {"a_ego": "m/s^2"}

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        return (
            x[1],
            x[2],
            2.0 * LEAD_COMMAND - 2.0 * x[2] - DRAG * x[1] ** 2,
            x[4],
            x[5],
            2.0 * u[0] - 2.0 * x[5] - DRAG * x[4] ** 2,
        )
