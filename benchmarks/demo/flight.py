"""The quadrotor, the airplane, the turning body and the spacecraft, under small trained networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.demo.imitation_problem import imitation_problem
from controllers.flight import AirplaneLQR, AttitudeFeedback, DockingFeedback, QuadrotorLQR
from controllers.trained import demo_airplane, demo_attitude, demo_docking, demo_quad
from nnctrl import Problem, ProblemDefinition


@dataclass(frozen=True)
class DemoQuad(ProblemDefinition):
    """QUAD: x3 in [0.9, 1.1] at 5 s; expected VERIFIED.

    Sampled every 0.1 s, from positions and velocities within 0.1 of the origin.
    """

    id: ClassVar[str] = "demo/quad"
    expert: ClassVar[str] = "demo/quad-lqr"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("t", "x3"), ("x1", "x2"))
        return imitation_problem(self.id, QuadrotorLQR.recipe(), demo_quad(), 5.0, views)


@dataclass(frozen=True)
class DemoAirplane(ProblemDefinition):
    """Airplane: |sy|, |phi|, |theta|, |psi| <= 1 at all times up to 2 s; expected FALSIFIED.

    Sampled every 0.1 s, from the competition's initial box; the controller is too gentle.
    """

    id: ClassVar[str] = "demo/airplane"
    expert: ClassVar[str] = "demo/airplane-lqr"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("t", "sy"), ("t", "phi"), ("phi", "theta"))
        return imitation_problem(self.id, AirplaneLQR.recipe(), demo_airplane(), 2.0, views)


@dataclass(frozen=True)
class DemoAttitude(ProblemDefinition):
    """Attitude control: never in a box of forbidden states up to 3 s, and within 0.3 of rest then; expected VERIFIED.

    Sampled every 0.1 s, from the competition's initial box.
    """

    id: ClassVar[str] = "demo/attitude"
    expert: ClassVar[str] = "demo/attitude-feedback"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("x1", "x2"), ("x3", "x4"), ("x5", "x6"))
        return imitation_problem(self.id, AttitudeFeedback.recipe(), demo_attitude(), 3.0, views)


@dataclass(frozen=True)
class DemoDocking(ProblemDefinition):
    """Spacecraft docking: |(x3, x4)| <= 0.2 + 2 n |(x1, x2)| at all times up to 40 s; expected VERIFIED.

    Sampled every second, from positions in [70, 106]^2 m and velocities in [-0.25, 0.25]^2 m/s.
    """

    id: ClassVar[str] = "demo/docking"
    expert: ClassVar[str] = "demo/docking-feedback"

    def build(self) -> Problem:
        """The problem of the expert's recipe."""
        views = (("x1", "x2"), ("x3", "x4"))
        return imitation_problem(self.id, DockingFeedback.recipe(), demo_docking(), 40.0, views)
