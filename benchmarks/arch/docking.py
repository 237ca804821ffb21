"""Docking: a spacecraft that must not be faster than its distance allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import casadi

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Controller, Problem, Spec, Stay, Sublevel, compose, load_network
from plants.docking import MEAN_MOTION, Docking

PERIOD, HORIZON = 1.0, 40.0

SLOW = 0.2
"""Speed allowed at distance 0, m/s."""


def excess_speed(x: Any) -> Any:
    """Speed minus what is allowed at the distance, in m/s: |(x3, x4)| - 0.2 - 2 n |(x1, x2)|."""
    speed, distance = casadi.sqrt(x[2] ** 2 + x[3] ** 2), casadi.sqrt(x[0] ** 2 + x[1] ** 2)
    return speed - SLOW - 2.0 * MEAN_MOTION * distance


@dataclass(frozen=True)
class DockingProblem(CompetitionProblem):
    """Spacecraft docking, constraint: |(x3, x4)| <= 0.2 + 2 n |(x1, x2)| at all times up to 40 s; expected VERIFIED.

    Sampled every 1 s. The specification names no horizon; 40 s is that of the reports. Almost without slack: the corner
    of the initial box is 0.0074 m/s inside. No proof for the whole box has been published.
    """

    id: ClassVar[str] = "arch/docking"
    network_files: ClassVar[tuple[str, ...]] = ("Docking/model.onnx", "Docking/model.mat")

    def build(self) -> Problem:
        """The competition's instance."""
        return Problem(
            compose(Docking(), Controller(load_network(self.required_network()), period=PERIOD)),
            box((70.0, 106.0), (70.0, 106.0), (-0.28, 0.28), (-0.28, 0.28)),
            Spec((Stay(Sublevel(excess_speed, dim=4), name="speed-limit"),)),
            HORIZON,
            self.id,
            views=(("x1", "x2"), ("x3", "x4")),
        )
