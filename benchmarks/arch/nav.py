"""NAV: a car drives past an obstacle to the origin, under a network trained on points and one trained on sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Avoid, Controller, Problem, Reach, Spec, compose, load_network
from plants.car import Car

PERIOD, HORIZON = 0.2, 6.0

POSITION = ("x1", "x2")


def _problem(name: str, path: Path) -> Problem:
    obstacle, goal = box((1.0, 2.0), (1.0, 2.0)), box((-0.5, 0.5), (-0.5, 0.5))
    return Problem(
        compose(Car(), Controller(load_network(path), period=PERIOD)),
        box((2.9, 3.1), (2.9, 3.1), (0.0, 0.0), (0.0, 0.0)),
        Spec((Avoid(obstacle, on=POSITION, name="obstacle"), Reach(goal, at=HORIZON, on=POSITION, name="goal"))),
        HORIZON,
        name,
        views=(POSITION, ("x3", "x4")),
    )


@dataclass(frozen=True)
class NavStandard(CompetitionProblem):
    """NAV, standard: (x1, x2) never in [1, 2]^2 up to 6 s and in [-0.5, 0.5]^2 at 6 s; expected VERIFIED.

    Sampled every 0.2 s; the network was trained on points. Simulations pass the obstacle at a distance of 0.012 m.
    """

    id: ClassVar[str] = "arch/nav-standard"
    network_files: ClassVar[tuple[str, ...]] = ("NAV/networks/nn-nav-point.onnx",)

    def build(self) -> Problem:
        """The competition's instance."""
        return _problem(self.id, self.required_network())


@dataclass(frozen=True)
class NavRobust(CompetitionProblem):
    """NAV, robust: the same task with the network trained on sets; expected VERIFIED.

    Sampled every 0.2 s. Simulations pass the obstacle at a distance of 0.11 m.
    """

    id: ClassVar[str] = "arch/nav-robust"
    network_files: ClassVar[tuple[str, ...]] = ("NAV/networks/nn-nav-set.onnx",)

    def build(self) -> Problem:
        """The competition's instance."""
        return _problem(self.id, self.required_network())
