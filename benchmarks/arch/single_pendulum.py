"""Single pendulum: a falling pendulum that is caught in half a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Controller, Problem, Spec, Stay, compose, load_network
from plants.single_pendulum import SinglePendulum

PERIOD, HORIZON = 0.05, 1.0

FOLDER = "Single_Pendulum"


@dataclass(frozen=True)
class SinglePendulumProblem(CompetitionProblem):
    """Single pendulum, reach: x1 in [0, 1] at all times from 0.5 s to 1 s; expected VERIFIED.

    Sampled every 0.05 s. Initial box of 2024 and 2025; with x1 up to 1.2, as until 2023, it was FALSIFIED. The .nnet
    file holds the weights with five decimals.
    """

    id: ClassVar[str] = "arch/single-pendulum"
    network_files: ClassVar[tuple[str, ...]] = (
        f"{FOLDER}/controller_single_pendulum.onnx",
        f"{FOLDER}/controller_single_pendulum.mat",
        f"{FOLDER}/controller_single_pendulum.nnet",
    )

    def build(self) -> Problem:
        """The competition's instance."""
        return Problem(
            compose(SinglePendulum(), Controller(load_network(self.required_network()), period=PERIOD)),
            box((1.0, 1.175), (0.0, 0.2)),
            Spec((Stay(box((0.0, 1.0)), (0.5, HORIZON), on=("x1",), name="caught"),)),
            HORIZON,
            self.id,
            views=(("t", "x1"), ("x1", "x2")),
        )
