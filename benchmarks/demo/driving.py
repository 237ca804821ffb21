"""The unicycle, the car and the car behind another one, under small trained networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.demo.imitation_problem import imitation_problem
from controllers.driving import CarLookAhead, CruiseFeedback, UnicycleLookAhead
from controllers.trained import demo_acc, demo_nav, demo_unicycle
from nnctrl import Problem, ProblemDefinition


@dataclass(frozen=True)
class DemoUnicycle(ProblemDefinition):
    """Unicycle: within 0.4 m of the origin in x1 and x2, |x4| <= 0.3, at 10 s; expected VERIFIED.

    Sampled every 0.2 s, from the competition's initial box, under its disturbance.
    """

    id: ClassVar[str] = "demo/unicycle"
    expert: ClassVar[str] = "demo/unicycle-look-ahead"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("x1", "x2"), ("t", "x3"), ("t", "x4"))
        return imitation_problem(self.id, UnicycleLookAhead.recipe(), demo_unicycle(), 10.0, views)


@dataclass(frozen=True)
class DemoNav(ProblemDefinition):
    """NAV: (x1, x2) never in [1, 2]^2 up to 6 s and in [-0.5, 0.5]^2 at 6 s; expected VERIFIED.

    Sampled every 0.2 s, from the competition's initial box.
    """

    id: ClassVar[str] = "demo/nav"
    expert: ClassVar[str] = "demo/nav-look-ahead"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("x1", "x2"), ("x3", "x4"))
        return imitation_problem(self.id, CarLookAhead.recipe(), demo_nav(), 6.0, views)


@dataclass(frozen=True)
class DemoAdaptiveCruise(ProblemDefinition):
    """ACC: x1 - x4 >= 10 + 1.4 x5 at all times up to 5 s; expected VERIFIED.

    Sampled every 0.1 s, from the competition's initial box; the network reads the six states.
    """

    id: ClassVar[str] = "demo/acc"
    expert: ClassVar[str] = "demo/acc-feedback"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("t", "x1"), ("t", "x4"), ("x4", "x5"))
        return imitation_problem(self.id, CruiseFeedback.recipe(), demo_acc(), 5.0, views)
