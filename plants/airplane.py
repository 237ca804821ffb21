"""A rigid airplane that is pushed and turned by forces and moments of any direction."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant


class Airplane(Plant):
    """A rigid body of mass, moments of inertia and gravity 1, moved by forces and moments in its own axes.

    | name                                     | symbol          | unit |
    |------------------------------------------|-----------------|------|
    | position                                 | sx, sy, sz      | 1    |
    | velocity along the body's axes           | u, v, w         | 1    |
    | roll, pitch, yaw                         | phi, theta, psi | rad  |
    | rates about the body's axes z, x, y      | r, p, q         | 1    |
    | forces along the body's axes             | Fx, Fy, Fz      | 1    |
    | moments about the body's axes            | Mx, My, Mz      | 1    |

    The position moves with Rz(psi) Ry(theta) Rx(phi) (u, v, w); the velocity with the force, gravity
    (-sin theta, cos theta sin phi, cos theta cos phi) and -(p, q, r) x (u, v, w); the angles with the rates as usual
    for this order of rotations; p' = Mx, q' = My, r' = Mz. Not defined at theta = pi/2. Continuous; the airplane
    benchmarks of the ARCH-COMP category AINNCS.
    """

    states = {
        **dict.fromkeys(("sx", "sy", "sz", "u", "v", "w"), "1"),
        **dict.fromkeys(("phi", "theta", "psi"), "rad"),
        **dict.fromkeys(("r", "p", "q"), "1"),
    }
    inputs = dict.fromkeys(("Fx", "Fy", "Fz", "Mx", "My", "Mz"), "1")

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        forward, right, down = x[3], x[4], x[5]
        r, p, q = x[9], x[10], x[11]
        sine_roll, cosine_roll = casadi.sin(x[6]), casadi.cos(x[6])
        sine_pitch, cosine_pitch = casadi.sin(x[7]), casadi.cos(x[7])
        sine_yaw, cosine_yaw = casadi.sin(x[8]), casadi.cos(x[8])
        # the velocity after Rx, then after Ry, then after Rz
        across = cosine_roll * right - sine_roll * down
        below = sine_roll * right + cosine_roll * down
        ahead = cosine_pitch * forward + sine_pitch * below
        turning = sine_roll * q + cosine_roll * r
        return (
            cosine_yaw * ahead - sine_yaw * across,
            sine_yaw * ahead + cosine_yaw * across,
            cosine_pitch * below - sine_pitch * forward,
            u[0] - sine_pitch - q * down + r * right,
            u[1] + cosine_pitch * sine_roll - r * forward + p * down,
            u[2] + cosine_pitch * cosine_roll - p * right + q * forward,
            p + sine_pitch / cosine_pitch * turning,
            cosine_roll * q - sine_roll * r,
            turning / cosine_pitch,
            u[5],
            u[3],
            u[4],
        )
