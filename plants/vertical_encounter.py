"""Two aircraft that are about to meet: the vertical motion of one of them relative to the other."""

from __future__ import annotations

import numpy as np

from nnctrl import LinearPlant


class VerticalEncounter(LinearPlant):
    """h+ = h - v - a/2, v+ = v + a, tau+ = tau - 1: own aircraft climbs with v, the intruder stays level.

    | name                                        | symbol | unit   |
    |---------------------------------------------|--------|--------|
    | altitude of the intruder above own aircraft | h      | ft     |
    | own rate of climb                           | v      | ft/s   |
    | time until the paths cross, seen from above | tau    | s      |
    | own vertical acceleration                   | a      | ft/s^2 |

    Discrete, steps of 1 s with the acceleration held. The VCAS benchmarks of the ARCH-COMP category AINNCS.
    """

    def __init__(self) -> None:
        super().__init__(
            A=np.array([[1.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
            B=np.array([[-0.5], [1.0], [0.0]]),
            c=np.array([0.0, 0.0, -1.0]),
            states={"h": "ft", "v": "ft/s", "tau": "s"},
            inputs={"a": "ft/s^2"},
            dt=1.0,
        )
