"""The attitude of a rigid body under three torques."""

from __future__ import annotations

from typing import Any

from nnctrl import Plant


class Attitude(Plant):
    """A body with the principal moments of inertia 4, 2 and 1, its attitude in modified Rodrigues parameters.

    | name                              | symbol     | unit  |
    |-----------------------------------|------------|-------|
    | rates about the body's axes       | x1, x2, x3 | rad/s |
    | modified Rodrigues parameters     | x4, x5, x6 | 1     |
    | torques                           | u1, u2, u3 | N m   |

    Euler's equations 4 x1' = x2 x3 + u1, 2 x2' = -3 x1 x3 + u2, x3' = 2 x1 x2 + u3; with w = (x1, x2, x3) and
    s = (x4, x5, x6) the parameters move with s' = (w + s x w + s.s (w1 + w2 + w3) (1, 1, 1)) / 2, in which the
    benchmark differs from the kinematics of the textbooks. Continuous; the attitude benchmark of the ARCH-COMP category
    AINNCS.
    """

    states = {**dict.fromkeys(("x1", "x2", "x3"), "rad/s"), **dict.fromkeys(("x4", "x5", "x6"), "1")}
    inputs = dict.fromkeys(("u1", "u2", "u3"), "N m")

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        shared = (x[3] ** 2 + x[4] ** 2 + x[5] ** 2) * (x[0] + x[1] + x[2])
        return (
            0.25 * (u[0] + x[1] * x[2]),
            0.5 * (u[1] - 3.0 * (x[0] * x[2])),
            u[2] + 2.0 * (x[0] * x[1]),
            0.5 * (x[0] + (x[4] * x[2] - x[5] * x[1]) + shared),
            0.5 * (x[1] + (x[5] * x[0] - x[3] * x[2]) + shared),
            0.5 * (x[2] + (x[3] * x[1] - x[4] * x[0]) + shared),
        )
