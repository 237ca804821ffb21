"""The twelve-dimensional quadrotor: a rigid body with thrust and two torques."""

from __future__ import annotations

from typing import Any

import casadi

from nnctrl import Plant

GRAVITY = 9.81
"""m/s^2"""

MASS = 1.4
"""kg"""

INERTIA = 0.054, 0.054, 0.104
"""Moments about the body's axes, kg m^2."""


class Quadrotor12D(Plant):
    """A quadrotor of 1.4 kg about hover, without a yaw torque: u1 is the thrust beyond the weight.

    | name                                    | symbol        | unit  |
    |-----------------------------------------|---------------|-------|
    | position north, east, up                | x1, x2, x3    | m     |
    | velocity along the body's axes          | x4, x5, x6    | m/s   |
    | roll, pitch, yaw                        | x7, x8, x9    | rad   |
    | rates about the body's axes             | x10, x11, x12 | rad/s |
    | thrust beyond the weight                | u1            | N     |
    | roll and pitch torques                  | u2, u3        | N m   |

    Body axes point forward, right, down. The position moves with R = Rz(x9) Ry(x8) Rx(x7) times the velocity, whose
    third component counts down and x3 up; velocity and rates follow Newton's and Euler's equations. Not defined at
    x8 = pi/2. Continuous; the QUAD benchmark of the ARCH-COMP category AINNCS with the signs of a rigid body, which
    some published copies of it lost.
    """

    states = {
        **dict.fromkeys(("x1", "x2", "x3"), "m"),
        **dict.fromkeys(("x4", "x5", "x6"), "m/s"),
        **dict.fromkeys(("x7", "x8", "x9"), "rad"),
        **dict.fromkeys(("x10", "x11", "x12"), "rad/s"),
    }
    inputs = {"u1": "N", "u2": "N m", "u3": "N m"}

    def dynamics(self, x: Any, u: Any) -> Any:
        """Derivative of the state."""
        forward, right, down = x[3], x[4], x[5]
        p, q, r = x[9], x[10], x[11]
        sine_roll, cosine_roll = casadi.sin(x[6]), casadi.cos(x[6])
        sine_pitch, cosine_pitch = casadi.sin(x[7]), casadi.cos(x[7])
        sine_yaw, cosine_yaw = casadi.sin(x[8]), casadi.cos(x[8])
        # the velocity after Rx, then after Ry, then after Rz
        across = cosine_roll * right - sine_roll * down
        below = sine_roll * right + cosine_roll * down
        ahead = cosine_pitch * forward + sine_pitch * below
        turning = sine_roll * q + cosine_roll * r
        jx, jy, jz = INERTIA
        return (
            cosine_yaw * ahead - sine_yaw * across,
            sine_yaw * ahead + cosine_yaw * across,
            sine_pitch * forward - cosine_pitch * below,
            r * right - q * down - GRAVITY * sine_pitch,
            p * down - r * forward + GRAVITY * (cosine_pitch * sine_roll),
            q * forward - p * right + GRAVITY * (cosine_pitch * cosine_roll) - GRAVITY - u[0] / MASS,
            p + sine_pitch / cosine_pitch * turning,
            cosine_roll * q - sine_roll * r,
            turning / cosine_pitch,
            (jy - jz) / jx * (q * r) + u[1] / jx,
            (jz - jx) / jy * (p * r) + u[2] / jy,
            # equal moments about roll and pitch, and no torque
            0.0,
        )
