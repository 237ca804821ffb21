"""The double integrator: a point that is pushed along a line."""

from __future__ import annotations

from nnctrl import LinearPlant


class DoubleIntegrator(LinearPlant):
    """A unit mass on a line with its acceleration held over sample periods of one second: p+ = p + v + u/2, v+ = v + u.

    | name         | symbol | unit  | range      |
    |--------------|--------|-------|------------|
    | position     | p      | m     |            |
    | velocity     | v      | m/s   |            |
    | acceleration | u      | m/s^2 | -1 .. 1    |

    The range of u documents the actuator; it is enforced only where a specification asks for it.
    """

    def __init__(self) -> None:
        super().__init__(
            A=[[1.0, 1.0], [0.0, 1.0]],
            B=[[0.5], [1.0]],
            states={"p": "m", "v": "m/s"},
            inputs={"u": "m/s^2"},
            ranges={"u": (-1.0, 1.0)},
            dt=1.0,
        )
