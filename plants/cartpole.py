"""A pole balanced on a cart."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant

LEVER = 0.08 * 0.41
"""Mass of the pole times the distance of its centre of mass from the hinge, kg m."""

INERTIA = 0.0105
"""Moment of inertia of the pole about its hinge, kg m^2."""

FRICTION = 0.0021
"""Of the hinge, N m s."""


class CartPole(Plant):
    """A cart whose acceleration 2 f is commanded, with a pole of 0.08 kg on it; x3 = 0 is upright.

    | name                       | symbol | unit  | range   |
    |----------------------------|--------|-------|---------|
    | position of the cart       | x1     | m     |         |
    | its velocity               | x2     | m/s   |         |
    | angle of the pole          | x3     | rad   |         |
    | its rate                   | x4     | rad/s |         |
    | command                    | f      | 1     | -1 .. 1 |

    x1' = x2, x2' = 2 f, x3' = x4, x4' = (0.08 0.41 (9.8 sin x3 - 2 f cos x3) - 0.0021 x4) / 0.0105. The range documents
    the actuator. Continuous; the balancing benchmark of the ARCH-COMP category AINNCS.
    """

    states = {"x1": "m", "x2": "m/s", "x3": "rad", "x4": "rad/s"}
    inputs = {"f": "1"}
    ranges = {"f": (-1.0, 1.0)}

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        push = 9.8 * casadi.sin(x[2]) - 2.0 * (u[0] * casadi.cos(x[2]))
        return x[1], 2.0 * u[0], x[3], (LEVER * push - FRICTION * x[3]) / INERTIA
