"""The six-dimensional quadrotor: attitude and thrust taken as inputs, linear about level flight."""

from __future__ import annotations

import numpy as np

from nnctrl import LinearPlant

DT = 0.1


class Quadrotor6D(LinearPlant):
    """A quadrotor whose attitude follows commands at once: p+ = p + 0.1 v, v+ = v + 0.1 (9.8 u1, -9.8 u2, u3 - 9.8).

    | name                         | symbol     | unit  | range      |
    |------------------------------|------------|-------|------------|
    | position                     | px, py, pz | m     |            |
    | velocity                     | vx, vy, vz | m/s   |            |
    | tangent of the pitch angle   | u1         | 1     | -1 .. 1    |
    | tangent of the roll angle    | u2         | 1     | -1 .. 1    |
    | thrust per mass              | u3         | m/s^2 | 0 .. 19.62 |

    z points up and hovering takes u3 = 9.8. The products of the period and gravity are the decimals 0.98 themselves.
    The ranges document the actuators; they are enforced only where a specification asks for it.
    """

    def __init__(self) -> None:
        state = np.eye(6)
        state[:3, 3:] = DT * np.eye(3)
        control = np.zeros((6, 3))
        control[3:, :] = np.diag([0.98, -0.98, 0.1])
        super().__init__(
            A=state,
            B=control,
            c=[0.0, 0.0, 0.0, 0.0, 0.0, -0.98],
            states={"px": "m", "py": "m", "pz": "m", "vx": "m/s", "vy": "m/s", "vz": "m/s"},
            inputs={"u1": "1", "u2": "1", "u3": "m/s^2"},
            ranges={"u1": (-1.0, 1.0), "u2": (-1.0, 1.0), "u3": (0.0, 19.62)},
            dt=DT,
        )
