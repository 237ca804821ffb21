"""Attitude control: a rigid body that must not come into a box of its state space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Avoid, Controller, Problem, Spec, compose, load_network
from plants.attitude import Attitude

PERIOD, HORIZON = 0.1, 3.0


@dataclass(frozen=True)
class AttitudeProblem(CompetitionProblem):
    """Attitude control, avoid: never in the box of forbidden states up to 3 s; expected VERIFIED.

    Sampled every 0.1 s. At all times, which is the specification's wording; some tools look at the last moment only.
    """

    id: ClassVar[str] = "arch/attitude"
    network_files: ClassVar[tuple[str, ...]] = (
        "Attitude-Control/attitude_control_3_64_torch.onnx",
        "Attitude-Control/model.onnx",
    )

    def build(self) -> Problem:
        """The competition's instance."""
        initial = box((-0.45, -0.44), (-0.55, -0.54), (0.65, 0.66), (-0.75, -0.74), (0.85, 0.86), (-0.65, -0.64))
        forbidden = box((-0.2, 0.0), (-0.5, -0.4), (0.0, 0.2), (-0.7, -0.6), (0.7, 0.8), (-0.4, -0.2))
        return Problem(
            compose(Attitude(), Controller(load_network(self.required_network()), period=PERIOD)),
            initial,
            Spec((Avoid(forbidden, name="forbidden"),)),
            HORIZON,
            self.id,
            views=(("x1", "x2"), ("x3", "x4"), ("x5", "x6")),
        )
