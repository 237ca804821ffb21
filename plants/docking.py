"""A spacecraft near another one in circular orbit."""

from __future__ import annotations

from nnctrl import LinearPlant

MASS = 12.0
"""kg"""

MEAN_MOTION = 0.001027
"""Angular rate of the orbit, rad/s."""


class Docking(LinearPlant):
    """Clohessy-Wiltshire motion in the orbital plane, 12 kg at the mean motion n = 0.001027 rad/s: x3' = 2 n x4 +
    3 n^2 x1 + Fx/m, x4' = -2 n x3 + Fy/m.

    | name                                | symbol | unit |
    |-------------------------------------|--------|------|
    | position in Hill's frame            | x1, x2 | m    |
    | velocity                            | x3, x4 | m/s  |
    | thrust                              | Fx, Fy | N    |

    Continuous; the doubles next to 3 n^2 and 1/m are the plant. The docking benchmark of the ARCH-COMP category AINNCS.
    """

    def __init__(self) -> None:
        n = MEAN_MOTION
        super().__init__(
            A=[
                [0.0, 0.0, 1.0, 0.0],
                [0.0, 0.0, 0.0, 1.0],
                [3.0 * n**2, 0.0, 0.0, 2.0 * n],
                [0.0, 0.0, -2.0 * n, 0.0],
            ],
            B=[[0.0, 0.0], [0.0, 0.0], [1.0 / MASS, 0.0], [0.0, 1.0 / MASS]],
            states={"x1": "m", "x2": "m", "x3": "m/s", "x4": "m/s"},
            inputs={"Fx": "N", "Fy": "N"},
        )
