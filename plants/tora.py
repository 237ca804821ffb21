"""TORA: a cart on a spring that is stilled by turning an eccentric arm."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant


class Tora(Plant):
    """Translational oscillations with a rotational actuator, without dimensions: x1' = x2, x2' = -x1 + 0.1 sin x3,
    x3' = x4, x4' = u.

    | name                            | symbol | unit |
    |---------------------------------|--------|------|
    | position and velocity of a cart | x1, x2 | 1    |
    | angle and angular rate of arm   | x3, x4 | 1    |
    | torque on the arm               | u      | 1    |

    Continuous; the TORA benchmarks of the ARCH-COMP category AINNCS.
    """

    states = dict.fromkeys(("x1", "x2", "x3", "x4"), "1")
    inputs = {"u": "1"}

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        return x[1], 0.1 * casadi.sin(x[2]) - x[0], x[3], u[0]
